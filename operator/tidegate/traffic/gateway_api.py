"""GatewayAPI in Managed mode: one HTTPRoute of ours with a weight per revision Service.

Source: ecosystem.md, 1.4; api.md, 5.2 and 5.3.
"""
# ruff: noqa: ARG002  (an exact plane needs fewer facts than the common interface offers)

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from tidegate import model
from tidegate.model import objects
from tidegate.traffic import entry, route, splits
from tidegate.traffic.interface import (
    Capabilities,
    CapacityRequest,
    Reference,
    Target,
    Wanted,
    WantedDocument,
)


class GatewayAPI:
    """Splits by request, with weights exact to four decimals."""

    @property
    def capabilities(self) -> Capabilities:
        """The route makes the share."""
        return Capabilities(weight_by_pods=False)

    def effective_weight(
        self,
        weight_percent: float,
        *,
        replicas: int,
        scaling: model.Scaling,
    ) -> float:
        """The weight itself, to four decimals."""
        return round(weight_percent, splits.DECIMALS)

    def candidate_needed(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> int:
        """Pods for this share of the load, at least the minimum of `scaling`, at most `replicas`.

        Source: api.md, 5.3 (`scaling.matchTraffic`, `.minReplicas`).
        """
        if weight_percent == 0:
            return 0
        if not scaling.match_traffic:
            return replicas
        carrying = _pods_for(splits.exact(weight_percent), replicas=replicas)
        return min(max(carrying, scaling.min_replicas), replicas)

    def capacity(self, request: CapacityRequest) -> Wanted:
        """Stable stays whole and the candidate follows its weight.

        A surge below 100 percent shrinks stable, yet never below the share it has or is to have.
        Where even that leaves the candidate too few pods for the weight it is to get, the surge
        gives way: otherwise the weight could never rise.
        """
        replicas, scaling = request.replicas, request.scaling
        candidate = max(
            self.candidate_needed(percent, replicas=replicas, scaling=scaling)
            for percent in (request.target_percent, request.live_percent)
        )
        surge_pods = _pods_for(splits.exact(scaling.max_surge_percent), replicas=replicas)
        least_percent = min(request.target_percent, request.live_percent)
        needed = _pods_for(100 - splits.exact(least_percent), replicas=replicas)
        stable = max(min(replicas + surge_pods - candidate, replicas), needed)
        return Wanted(stable=stable, candidate=candidate)

    def weight_reached(
        self,
        weight_percent: float,
        *,
        replicas: int,
        scaling: model.Scaling,
        stable_ready: int,
        candidate_ready: int,
    ) -> bool:
        """Always: pods do not make the weight."""
        return True

    def references(self, *, meta: model.ObjectMeta, spec: model.Spec) -> tuple[Reference, ...]:
        """The route, then the entry Service."""
        return (route.reference(meta), entry.reference(meta=meta, spec=spec))

    def documents(self, target: Target) -> tuple[WantedDocument, ...]:
        """The route with the weights and the marker, and the entry Service on stable."""
        service = entry.document(target, revision=target.stable, marker="", carries_weights=False)
        return (route.document(target), service)

    def read(
        self,
        found: Mapping[Reference, model.Document],
        *,
        meta: model.ObjectMeta,
        spec: model.Spec,
        ready_pods: Mapping[str, int],
    ) -> model.TrafficState:
        """Weights as written in the route, and whether all its parents accepted that generation."""
        service = entry.read(found, meta=meta, spec=spec)
        state = model.TrafficState(
            exists=False,
            entry_exists=service.exists,
            entry_revision=service.revision,
            entry_port=service.port,
            conflict=service.conflict,
        )
        live = found.get(route.reference(meta))
        if live is None:
            return state
        if not objects.is_controlled_by(live, uid=meta.uid):
            return replace(state, conflict=entry.name_conflict(route.KIND, meta.name))
        finding = route.first_finding(live)
        return replace(
            state,
            exists=True,
            weights=route.weights(live, name=meta.name),
            accepted=finding is None,
            pending_reason=finding.reason if finding else "",
            pending_message=finding.message if finding else "",
            rolled_back_revision=objects.annotation(live, objects.ANNOTATION_ROLLED_BACK),
            lowered_rollout=objects.annotation(live, objects.ANNOTATION_FENCE),
            resource_version=objects.resource_version(live),
        )


def _pods_for(share_percent: Fraction, *, replicas: int) -> int:
    """Pods that carry this share of the whole load."""
    return math.ceil(replicas * share_percent / 100)
