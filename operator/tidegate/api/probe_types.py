"""`spec.server.probe` as users write it: one synthetic inference. Source: api.md, 5.1 and 5.3."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.durations import seconds_of
from tidegate.api.route_types import Header
from tidegate.api.schema import DurationBetween, Keyed, Part, Rule, built_in

BODY_MAX_LENGTH = 16_384
PATH = r"^/[^\s#]*$"  # with a query, which some servers need
POINTER = r"^(/([^/~]|~[01])*)+$"  # RFC 6901, but for the whole document
_OF_THE_CONNECTION = (
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)


class ExpectedValue(Part):
    """A place in the JSON of the answer that must exist, and the limits of its number."""

    pointer: Annotated[str, Field(min_length=1, max_length=256, pattern=POINTER)] = Field(
        description="JSON Pointer (RFC 6901) to the place, such as /outputs/0/data/0."
    )
    min: float | None = Field(default=None, description="Least number there.")
    max: float | None = Field(default=None, description="Largest number there.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V60",
            cel="!has(self.min) || !has(self.max) || self.min <= self.max",
            message="min must not be above max: lower it, or raise max",
            field="min",
            holds=lambda it: it.min is None or it.max is None or it.min <= it.max,
        ),
    )


class Expectation(Part):
    """What the answer must be."""

    status: Annotated[int, Field(ge=200, le=599)] | None = Field(
        default=None,
        description="HTTP status of the answer.",
        json_schema_extra=built_in("any of 200 to 299"),
    )
    values: Annotated[list[ExpectedValue], Field(max_length=16), Keyed("pointer")] = Field(
        default=[],
        description="Places that its JSON must have. Without any the body is not read.",
    )


class Probe(Part):
    """One synthetic inference, sent to the port of a pod that answers requests."""

    path: Annotated[str, Field(min_length=1, max_length=1024, pattern=PATH)] = Field(
        description="Path of the request, with its query if it has one."
    )
    method: Literal["GET", "POST"] | None = Field(
        default=None,
        description="Method of the request.",
        json_schema_extra=built_in("POST with a body, else GET"),
    )
    headers: Annotated[list[Header], Field(max_length=16)] = Field(
        default=[],
        description="Headers of the request. Everybody who reads the object sees them: no secrets.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    body: Annotated[str, Field(min_length=1, max_length=BODY_MAX_LENGTH)] | None = Field(
        default=None,
        description="Body of the request; Content-Type is application/json unless headers say else.",
    )
    timeout: Annotated[str, DurationBetween("1s", "60s")] = Field(
        default="10s",
        description="Longest wait for the whole answer; a pod that takes longer has failed.",
    )
    expect: Expectation = Field(default=Expectation(), description="What the answer must be.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V61",
            cel="!has(self.body) || self.?method.orValue('POST') == 'POST'",
            message="a GET has no body: remove body, or set method to POST",
            field="body",
            holds=lambda it: it.body is None or it.method in {None, "POST"},
        ),
        Rule(
            id="V62",
            cel=(
                "!has(self.headers) || self.headers.all(a, "
                "self.headers.exists_one(b, b.name.lowerAscii() == a.name.lowerAscii()) && "
                f"!(a.name.lowerAscii() in {list(_OF_THE_CONNECTION)}))"
            ),
            message=(
                "a header may stand once, whatever its case, and those of the connection "
                f"({', '.join(_OF_THE_CONNECTION)}) not at all: leave them out"
            ),
            field="headers",
            holds=lambda it: _each_once([header.name.lower() for header in it.headers]),
        ),
    )


def _each_once(names: list[str]) -> bool:
    return len(names) == len(set(names)) and not set(names) & set(_OF_THE_CONNECTION)


# Of a spec: its strategy and its server.
FIRST_NEEDS_PROBE = Rule(
    id="V63",
    cel=(
        "self.?strategy.?firstRollout.orValue('Direct') != 'Probe' || "
        "self.?server.?probe.hasValue()"
    ),
    message=(
        "firstRollout: Probe asks what server.probe says: set server.probe, or remove firstRollout"
    ),
    field="strategy.firstRollout",
    holds=lambda it: (
        it.strategy.first_rollout is not model.FirstRollout.PROBE or it.server.probe is not None
    ),
)


def read(given: Probe | None) -> model.Probe | None:
    """The probe with every default filled in."""
    if given is None:
        return None
    headers = tuple((header.name, header.value) for header in given.headers)
    if given.body and not any(name.lower() == "content-type" for name, _ in headers):
        headers = (*headers, ("Content-Type", "application/json"))
    return model.Probe(
        path=given.path,
        method=given.method or ("POST" if given.body else "GET"),
        headers=headers,
        body=given.body or "",
        timeout_seconds=seconds_of(given.timeout),
        status=given.expect.status or model.ANY_SUCCESS,
        values=tuple(
            model.ExpectedValue(pointer=one.pointer, min=one.min, max=one.max)
            for one in given.expect.values
        ),
    )
