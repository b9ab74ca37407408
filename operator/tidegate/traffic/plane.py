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
from tidegate.traffic.planes.entry import common_port, second_reference, service_conflict
from tidegate.traffic.planes.gateway_existing import ExistingRoutes
from tidegate.traffic.planes.gateway_managed import ManagedRoute, ManagedSwitch
from tidegate.traffic.planes.service import ServicePlane, ServiceSwitch
from tidegate.traffic.writes import is_current, patch_operations

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
    "second_reference",
    "service_conflict",
]

# They hold no state, so one of each is enough.
_PLANES: Final[Mapping[model.Provider, Plane]] = {
    model.Provider.REPLICA_RATIO: ServicePlane(),
    model.Provider.GATEWAY_API: ManagedRoute(),
}
# The same ones where all users are with one revision at any time.
_SWITCHES: Final[Mapping[model.Provider, Plane]] = {
    model.Provider.REPLICA_RATIO: ServiceSwitch(),
    model.Provider.GATEWAY_API: ManagedSwitch(),
}
_EXISTING: Final = ExistingRoutes()


def plane_of(traffic: model.Traffic) -> Plane:
    """The plane that carries this traffic; one that cannot be exclusive says so by its capabilities."""
    if traffic.routes:
        return _EXISTING
    plane = _PLANES[traffic.provider]
    return _SWITCHES.get(traffic.provider, plane) if traffic.exclusive else plane
