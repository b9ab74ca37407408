"""The VirtualService of a ModelDeployment as users write it: `spec.traffic.istio` (docs/adr/0102)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.contour_types import PathPrefix, once
from tidegate.api.durations import seconds_of
from tidegate.api.route_types import Hostname
from tidegate.api.schema import DurationBetween, Part, Rule, built_in


class IstioGateway(Part):
    """A Gateway of Istio (networking.istio.io), not of the Gateway API."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    name: schema.ObjectName = Field(description="Name of the Gateway.")
    namespace: schema.Name | None = Field(
        default=None,
        description="Namespace of the Gateway.",
        json_schema_extra=built_in("the object's own"),
    )


class Istio(Part):
    """The VirtualService that the operator writes: for host names at Gateways, or within the mesh."""

    hosts: Annotated[list[Hostname], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        description="Host names at the gateways.",
        json_schema_extra={
            **schema.ATOMIC_LIST,
            **built_in("the entry Service, for callers in the mesh"),
        },
    )
    gateways: Annotated[list[IstioGateway], Field(min_length=1, max_length=8)] | None = Field(
        default=None,
        description="Gateways of Istio that take the host names; set exactly with hosts.",
        json_schema_extra={**schema.ATOMIC_LIST, **built_in("none: the mesh")},
    )
    path_prefixes: Annotated[list[PathPrefix], Field(max_length=8)] = Field(
        default=[],
        description="What paths of the requests begin with; all by default.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    timeout: Annotated[str, DurationBetween("0s", "24h")] | None = Field(
        default=None,
        description="Longest time that a request may take; 0s is no limit.",
        json_schema_extra=built_in("left to Istio: no limit"),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V92",
            cel="has(self.hosts) == has(self.gateways)",
            message=(
                "hosts and gateways belong together: set both, or neither for callers of the entry "
                "Service within the mesh"
            ),
            field="hosts",
            holds=lambda it: (it.hosts is None) == (it.gateways is None),
        ),
        once("V95"),
    )


def read(given: Istio) -> model.VirtualService:
    """The settings in the words of the model."""
    return model.VirtualService(
        hosts=tuple(given.hosts or []),
        gateways=tuple(
            model.IstioGateway(name=it.name, namespace=it.namespace or "")
            for it in given.gateways or []
        ),
        path_prefixes=tuple(given.path_prefixes),
        timeout=given.timeout if given.timeout and seconds_of(given.timeout) > 0 else "",
    )
