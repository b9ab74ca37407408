"""Routes of the user in which only weights change (api.md, 5.2): `traffic.gatewayAPI.routeRefs`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.api import schema
from tidegate.api.schema import Part, Rule

MANAGED, EXISTING = "Managed", "Existing"
HTTP, GRPC = "HTTPRoute", "GRPCRoute"
RouteKind = Literal["HTTPRoute", "GRPCRoute"]


class RouteRef(Part):
    """A route that belongs to the user, in the namespace of the ModelDeployment."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    kind: RouteKind = Field(default="HTTPRoute", description="Kind of the route.")
    name: schema.ObjectName = Field(description="Name of the route.")


# Of gatewayAPI: its mode and the members that belong to it.
MODES = (
    Rule(
        id="V6",
        cel=(
            f"(self.?mode.orValue('{MANAGED}') == '{EXISTING}') == has(self.routeRefs) && "
            "has(self.routeRefs) != has(self.parentRefs)"
        ),
        message=(
            "routeRefs must be set exactly when mode is Existing, and parentRefs exactly when it is "
            "Managed (default mode: Managed): name your routes, or the Gateways of ours"
        ),
        field="mode",
        holds=lambda it: (
            (it.mode == EXISTING) == (it.route_refs is not None)
            and (it.route_refs is None) != (it.parent_refs is None)
        ),
    ),
    Rule(
        id="V28",
        cel=(
            f"self.?mode.orValue('{MANAGED}') == '{MANAGED}' || !(has(self.hostnames) || "
            "has(self.matches) || has(self.timeouts) || has(self.filters) || has(self.routeKind))"
        ),
        message=(
            "hostnames, matches, timeouts, filters and routeKind belong to a route of ours (mode "
            "Managed): remove them, and write them into your route"
        ),
        field="mode",
        holds=lambda it: (
            it.mode == MANAGED
            or not {"hostnames", "matches", "timeouts", "filters", "route_kind"}
            & it.model_fields_set
        ),
    ),
    Rule(
        id="V41",
        cel=(
            f"self.?routeKind.orValue('{HTTP}') == '{HTTP}' || "
            "!(has(self.matches) || has(self.timeouts))"
        ),
        message=(
            f"matches and timeouts belong to an {HTTP}: remove them, as a {GRPC} has neither paths nor "
            "timeouts"
        ),
        field="routeKind",
        holds=lambda it: it.route_kind == HTTP or not {"matches", "timeouts"} & it.model_fields_set,
    ),
)


def _immutable(field: str, *, default: str) -> dict[str, Any]:
    """At the root, as the provider: the route that is left would go on to carry traffic."""
    return {
        "rule": " == ".join(
            f"(has({it}.spec.traffic) && has({it}.spec.traffic.gatewayAPI) && "
            f"has({it}.spec.traffic.gatewayAPI.{field}) ? "
            f"{it}.spec.traffic.gatewayAPI.{field} : '{default}')"
            for it in ("self", "oldSelf")
        ),
        "message": (
            f"traffic.gatewayAPI.{field} cannot be changed (default: {default}): "
            "restore it, or create another ModelDeployment"
        ),
        "fieldPath": f".spec.traffic.gatewayAPI.{field}",
    }


MODE_IMMUTABLE = _immutable("mode", default=MANAGED)
ROUTE_KIND_IMMUTABLE = _immutable("routeKind", default=HTTP)
