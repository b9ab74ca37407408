"""The door to traffic control: every word of the interface, and the provider by its name."""

from __future__ import annotations

from typing import assert_never

from tidegate import model
from tidegate.traffic.entry import common_port
from tidegate.traffic.gateway_api import GatewayAPI
from tidegate.traffic.interface import (
    NO_PODS,
    Capabilities,
    CapacityRequest,
    Mechanism,
    PodCount,
    Reference,
    Target,
    TrafficProvider,
    Wanted,
    WantedDocument,
)
from tidegate.traffic.replica_ratio import ReplicaRatio
from tidegate.traffic.writes import is_current, patch_operations

__all__ = [
    "NO_PODS",
    "Capabilities",
    "CapacityRequest",
    "Mechanism",
    "PodCount",
    "Reference",
    "Target",
    "TrafficProvider",
    "Wanted",
    "WantedDocument",
    "common_port",
    "is_current",
    "patch_operations",
    "provider_for",
]

_REPLICA_RATIO = ReplicaRatio()
_GATEWAY_API = GatewayAPI()


def provider_for(provider: model.Provider) -> TrafficProvider:
    """The implementation of a provider; it holds no state, so one of each is enough."""
    match provider:
        case model.Provider.REPLICA_RATIO:
            return _REPLICA_RATIO
        case model.Provider.GATEWAY_API:
            return _GATEWAY_API
        case _:
            assert_never(provider)
