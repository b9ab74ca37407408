"""What a shadow may still send to, as users write it. Source: networking.k8s.io/v1 NetworkPolicy; ADR 0072."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from tidegate import model
from tidegate.api import schema
from tidegate.api import violations as found
from tidegate.api.revision import mapping
from tidegate.api.schema import Part, Rule, built_in, failure

PATH = "spec.strategy.shadow.egress"
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]


@dataclass(frozen=True, slots=True)
class Network:
    """Marks a string as a range of addresses, such as 10.0.0.0/8; the API server knows only its length."""

    MESSAGE: ClassVar[str] = "must be a range of addresses, such as 10.0.0.0/8 or 2001:db8::/64"

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The string, checked."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def check(self, value: str) -> str:
        """The value itself; an error where it names no network."""
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise failure(self.MESSAGE) from None
        if "/" not in value:
            raise failure(self.MESSAGE)
        return value


Cidr = Annotated[str, Field(min_length=3, max_length=43), Network()]


class Selector(Part):
    """Labels that pods or namespaces must have."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(min_length=1, max_length=8)] = Field(
        description="All of them. Expressions are not read: an empty selector would mean everybody.",
    )


class IpBlock(Part):
    """Addresses outside of the cluster."""

    cidr: Cidr = Field(description="The range.")
    but: Annotated[list[Cidr], Field(max_length=16)] = Field(
        default=[],
        alias="except",
        description="Ranges within it that stay denied.",
        json_schema_extra=schema.ATOMIC_LIST,
    )


class Peer(Part):
    """Whom the shadow may send to: pods by label, here or in other namespaces, or addresses."""

    pod_selector: Selector | None = Field(default=None, description="Pods with these labels.")
    namespace_selector: Selector | None = Field(
        default=None,
        description="Namespaces with these labels.",
        json_schema_extra=built_in("that of the ModelDeployment"),
    )
    ip_block: IpBlock | None = Field(default=None, description="Addresses.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V73",
            cel="has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",
            message="either ipBlock or selectors must be set: split this into two peers",
            field="",
            holds=lambda it: (
                (it.ip_block is not None)
                != (it.pod_selector is not None or it.namespace_selector is not None)
            ),
        ),
    )


class EgressPort(Part):
    """A port of the peer, or a range of them."""

    protocol: Literal["TCP", "UDP", "SCTP"] = Field(default="TCP", description="Protocol.")
    port: schema.Port = Field(description="The port, or the first of a range.")
    end_port: schema.Port | None = Field(default=None, description="The last of a range.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V74",
            cel="!has(self.endPort) || self.endPort >= self.port",
            message="endPort must not be below port",
            field="endPort",
            holds=lambda it: it.end_port is None or it.end_port >= it.port,
        ),
    )


class EgressRule(Part):
    """What is allowed: these peers, by these ports."""

    to: Annotated[list[Peer], Field(min_length=1, max_length=8)] | None = Field(
        default=None,
        description="Whom.",
        json_schema_extra=schema.ATOMIC_LIST | built_in("everybody, by the ports that are named"),
    )
    ports: Annotated[list[EgressPort], Field(min_length=1, max_length=8)] | None = Field(
        default=None,
        description="By which ports.",
        json_schema_extra=schema.ATOMIC_LIST | built_in("all, of the peers that are named"),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V75",
            cel="has(self.to) || has(self.ports)",
            message="to or ports must be set: a rule with neither allows everything",
            field="",
            holds=lambda it: it.to is not None or it.ports is not None,
        ),
    )


class ShadowEgress(Part):
    """A NetworkPolicy for the pods of a shadow, while it lasts: they may ask DNS, and nothing else."""

    allow: Annotated[list[EgressRule], Field(max_length=8)] = Field(
        default=[],
        description="What they may send to besides DNS (port 53 of anybody).",
        json_schema_extra=schema.ATOMIC_LIST,
    )


def read(spec: Mapping[str, Any]) -> tuple[model.Document, ...] | None:
    """The rules as a NetworkPolicy has them; None where this document of a spec asks for no policy.

    Errors: none, on any JSON.
    """
    given = mapping(mapping(spec.get("strategy")).get("shadow")).get("egress")
    asked = found.parse(ShadowEgress, given, path=PATH) if isinstance(given, Mapping) else None
    if not isinstance(asked, ShadowEgress):
        return None
    return tuple(
        one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in asked.allow
    )
