"""GatewayAPI in Managed mode: one HTTPRoute of ours with a weight per revision Service.

Source: ecosystem.md, 1.4; api.md, 5.2 and 5.3.
"""
# ruff: noqa: ARG002  (an exact plane needs fewer facts than the common interface offers)

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from tidegate import model
from tidegate.model import objects
from tidegate.traffic import entry, pods, route, splits
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

        All of it may come to one pod less than all where there is no surge: the last pod of stable
        goes only then.
        Source: api.md, 5.3 (`scaling.matchTraffic`, `.minReplicas`).
        """
        if weight_percent == 0:
            return 0
        if weight_percent == 100 and replicas > 1:
            return replicas - _lent(replicas, scaling=scaling)
        if not scaling.match_traffic:
            return replicas
        carrying = _pods_for(splits.exact(weight_percent), replicas=replicas)
        return min(max(carrying, scaling.min_replicas), replicas)

    def candidate_pods(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> int:
        """Those that it must have: the weight does not come before them."""
        return self.candidate_needed(weight_percent, replicas=replicas, scaling=scaling)

    def capacity(self, request: CapacityRequest) -> Wanted:
        """One pass towards the pods of the target, within `maxSurge` and in parts where needed.

        Each side keeps the pods for the share that it may have now. Those two together may be more
        than the surge allows: where a candidate has a least size, and where one pod is all there
        may be. Source: api.md, 5.3; house.md, H6.
        """
        replicas, scaling = request.replicas, request.scaling
        ceiling = replicas + pods.limits(replicas, scaling=scaling).surge_pods
        lent = _lent(replicas, scaling=scaling)
        needed = self._needed(request.target_percent, request=request)
        carried = self._needed(request.live_percent, request=request)
        whole = request.live_percent == 100  # has lent its pod already
        least = self._needed(min(request.target_percent, 0.0001), request=request)
        share = _pods_for(100 - splits.exact(request.least_percent), replicas=replicas)
        stable_least = max(share - lent, min(share, 1))
        if request.target_percent < request.live_percent:
            candidate = _towards(
                max(needed, ceiling - replicas),
                now=request.candidate.wanted,
                least=max(carried - (0 if whole else lent), min(carried, 1)),
                room=0,
            )
        else:
            room = max(ceiling - request.stable.wanted - request.candidate.wanted, 0)
            candidate = _towards(
                needed, now=request.candidate.wanted, least=max(carried, least), room=room
            )
        stable = _towards(
            max(min(replicas, ceiling - needed), stable_least),
            now=request.stable.wanted,
            least=stable_least,
            room=max(ceiling - request.stable.wanted - candidate, 0),
        )
        return Wanted(stable=min(stable, replicas), candidate=min(candidate, replicas))

    def _needed(self, percent: float, *, request: CapacityRequest) -> int:
        return self.candidate_needed(percent, replicas=request.replicas, scaling=request.scaling)

    def part_of(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling, candidate: int
    ) -> float:
        """The whole weight, or the share of the load that these pods are made for."""
        needed = self.candidate_needed(weight_percent, replicas=replicas, scaling=scaling)
        least = self.candidate_needed(0.0001, replicas=replicas, scaling=scaling)
        if candidate >= needed or candidate < least:
            return weight_percent
        return min(weight_percent, _share_of(candidate, replicas=replicas))

    def kept_share(
        self, live_percent: float, *, replicas: int, missing_pods: int, stable: int, candidate: int
    ) -> float:
        """What stable's ready pods are too few for."""
        if candidate == 0 or stable >= max(replicas - missing_pods, 1):
            return 0.0
        return min(live_percent, round(100 - _share_of(stable, replicas=replicas), splits.DECIMALS))

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


def _towards(goal: int, *, now: int, least: int, room: int) -> int:
    """Pods to ask for on the way from `now` to `goal`: growth within `room`, never below `least`."""
    return max(min(goal, now + room), least)


def _share_of(pods_: int, *, replicas: int) -> float:
    """The percent of the whole load that so many pods are made for, rounded down."""
    unit = float(10**splits.DECIMALS)
    return math.floor(100 * unit * min(pods_, replicas) / max(replicas, 1)) / unit


def _lent(replicas: int, *, scaling: model.Scaling) -> int:
    """Pods that may be missing on the way: without any surge nothing could move otherwise."""
    allowed = pods.limits(replicas, scaling=scaling)
    return allowed.unavailable_pods if allowed.surge_pods == 0 else 0


@lru_cache(maxsize=4096)
def _pods_for(share_percent: Fraction, *, replicas: int) -> int:
    """Pods that carry this share of the whole load; a share that was rounded up needs no more."""
    rounded = Fraction(1, 10**splits.DECIMALS)
    least = 1 if share_percent > 0 and replicas > 0 else 0
    return max(math.ceil(replicas * (share_percent - rounded) / 100), least)
