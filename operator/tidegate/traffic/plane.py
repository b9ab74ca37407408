"""The door to traffic control: every word of the interface, and the plane by its provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tidegate import model
from tidegate.traffic.interface import (
    NO_PODS,
    Capabilities,
    CapacityRequest,
    Mechanism,
    Mirror,
    Plane,
    PodCount,
    Reference,
    Target,
    Wanted,
    WantedDocument,
    Weights,
)
from tidegate.traffic.planes.contour import ContourPlane
from tidegate.traffic.planes.entry import common_port, second_reference, service_conflict
from tidegate.traffic.planes.gateway_existing import ExistingRoutes
from tidegate.traffic.planes.gateway_managed import ManagedRoute
from tidegate.traffic.planes.istio import IstioPlane
from tidegate.traffic.planes.nginx import NGINXPlane
from tidegate.traffic.planes.service import ServicePlane, ServiceSwitch
from tidegate.traffic.planes.traefik import TraefikPlane
from tidegate.traffic.writes import is_current, patch_operations, ports_of

__all__ = [
    "NO_PODS",
    "Capabilities",
    "CapacityRequest",
    "Mechanism",
    "Mirror",
    "Plane",
    "PodCount",
    "Reference",
    "Target",
    "Wanted",
    "WantedDocument",
    "Weights",
    "common_port",
    "is_current",
    "patch_operations",
    "plane_of",
    "ports_of",
    "second_reference",
    "service_conflict",
]

# They hold no state, so one of each is enough; the second is for revisions that never share.
_PLANES: Final[Mapping[model.Provider, tuple[Plane, Plane]]] = {
    model.Provider.REPLICA_RATIO: (ServicePlane(), ServiceSwitch()),
    model.Provider.GATEWAY_API: (ManagedRoute(), ManagedRoute(exclusive=True)),
    model.Provider.CONTOUR: (ContourPlane(), ContourPlane(exclusive=True)),
    model.Provider.ISTIO: (IstioPlane(), IstioPlane(exclusive=True)),
    model.Provider.TRAEFIK: (TraefikPlane(), TraefikPlane(exclusive=True)),
    model.Provider.NGINX: (NGINXPlane(), NGINXPlane(exclusive=True)),
}
_EXISTING: Final = ExistingRoutes()


def plane_of(traffic: model.Traffic) -> Plane:
    """The plane that carries this traffic; one that cannot be exclusive says so by its capabilities."""
    if traffic.routes:
        return _EXISTING
    shared, exclusive = _PLANES[traffic.provider]
    return exclusive if traffic.exclusive else shared
