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
from tidegate.traffic.planes.entry import common_port
from tidegate.traffic.planes.gateway_managed import ManagedRoute
from tidegate.traffic.planes.service import ServicePlane
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
]

# They hold no state, so one of each is enough.
_PLANES: Final[Mapping[model.Provider, Plane]] = {
    model.Provider.REPLICA_RATIO: ServicePlane(),
    model.Provider.GATEWAY_API: ManagedRoute(),
}


def plane_of(traffic: model.Traffic) -> Plane:
    """The plane that carries this traffic."""
    return _PLANES[traffic.provider]
