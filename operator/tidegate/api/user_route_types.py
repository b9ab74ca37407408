"""Routes of the user in which only weights change (api.md, 5.2): `traffic.gatewayAPI.routeRefs`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from tidegate.api import schema
from tidegate.api.schema import Part, Rule

MANAGED, EXISTING = "Managed", "Existing"


class RouteRef(Part):
    """A route that belongs to the user, in the namespace of the ModelDeployment."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    kind: Literal["HTTPRoute"] = Field(default="HTTPRoute", description="Kind of the route.")
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
            "has(self.matches) || has(self.timeouts) || has(self.filters))"
        ),
        message=(
            "hostnames, matches, timeouts and filters belong to a route of ours (mode Managed): remove "
            "them, and write them into your route"
        ),
        field="mode",
        holds=lambda it: (
            it.mode == MANAGED
            or not {"hostnames", "matches", "timeouts", "filters"} & it.model_fields_set
        ),
    ),
)
# At the root, as the provider: the route of the other mode would go on to carry traffic.
MODE_IMMUTABLE: dict[str, Any] = {
    "rule": " == ".join(
        f"(has({it}.spec.traffic) && has({it}.spec.traffic.gatewayAPI) && "
        f"has({it}.spec.traffic.gatewayAPI.mode) ? {it}.spec.traffic.gatewayAPI.mode : '{MANAGED}')"
        for it in ("self", "oldSelf")
    ),
    "message": (
        "traffic.gatewayAPI.mode cannot be changed (default: Managed): "
        "restore it, or create another ModelDeployment"
    ),
    "fieldPath": ".spec.traffic.gatewayAPI.mode",
}
