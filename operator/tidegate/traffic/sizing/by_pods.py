"""Whole pods whose ratio makes the share, and the passes that lead there within limits.

Source: features.md, 3.2, rules R1 to R9; invariant S5. All ratios are exact fractions.
"""

# ruff: noqa: ARG002  (pods need fewer facts than the common interface offers)

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from tidegate import model
from tidegate.traffic.interface import CapacityRequest, PodCount, Wanted
from tidegate.traffic.sizing.limits import limits
from tidegate.traffic.splits import DECIMALS, exact


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSplit:
    """Pods per role."""

    stable: int
    candidate: int

    @property
    def candidate_percent(self) -> float:
        """The candidate's share of all pods; 0 when there are none."""
        total = self.stable + self.candidate
        return round(100 * self.candidate / total, DECIMALS) if total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One role within a pass: `wanted` pods are asked for so far, `goal` is where it shall end.

    `serving` pods answer users' requests; a side that the entry Service does not select has none.
    """

    before: int
    wanted: int
    goal: int
    available: int
    selected: bool

    @property
    def serving(self) -> int:
        """Pods that answer users if `wanted` is carried out: unready ones are removed first."""
        return min(self.available, self.wanted) if self.selected else 0


# The same few sizes at every pass, and exact fractions are slow.
@lru_cache(maxsize=4096)
def split_pods(replicas: int, *, weight_percent: float, surge_pods: int) -> PodSplit:
    """The pods per role whose ratio comes nearest to the weight.

    A weight between 0 and 100 leaves no side empty, except where one pod is all there may be.
    Source: R1 to R4.
    """
    weight = exact(weight_percent)
    assert 0 <= weight <= 100, weight_percent
    if weight in {0, 100} or replicas == 0:
        candidate = replicas if weight == 100 else 0
        return PodSplit(stable=replicas - candidate, candidate=candidate)
    share = replicas * weight / 100
    totals = (replicas, replicas + 1) if surge_pods > 0 else (replicas,)
    options = [
        PodSplit(stable=total - candidate, candidate=candidate)
        for total in totals
        for candidate in (math.floor(share), math.ceil(share))
        if totals == (1,) or 0 < candidate < total
    ]
    return min(options, key=lambda option: _preference(option, weight=weight))


def _preference(option: PodSplit, *, weight: Fraction) -> tuple[Fraction, int, int]:
    """Sort key of R4: nearest, then fewer pods, then the bigger candidate."""
    total = option.stable + option.candidate
    distance = abs(Fraction(100 * option.candidate, total) - weight)
    return distance, total, -option.candidate


def next_pods(request: CapacityRequest) -> Wanted:
    """One pass towards the split of `target_percent`.

    Never asks for more than replicas + surge in total and never lowers serving pods below
    replicas - unavailable. A side that the data plane gives nothing does not serve: its pods
    count as used room, never as capacity.
    Source: R5 to R9.
    """
    allowed = limits(request.replicas, scaling=request.scaling)
    ceiling = request.replicas + allowed.surge_pods
    floor = max(request.replicas - allowed.lent_pods, 0)
    stable, candidate = _grow(request, surge_pods=allowed.surge_pods, floor=floor)
    if request.others.wanted > 0:
        serving = stable.serving + candidate.serving
        others = _drained_others(request, serving=serving, floor=floor)
        return Wanted(stable=stable.wanted, candidate=candidate.wanted, others=others)
    if candidate.goal < candidate.before:
        candidate, stable = _shrink(candidate, other=stable, floor=floor, ceiling=ceiling)
    else:
        stable, candidate = _shrink(stable, other=candidate, floor=floor, ceiling=ceiling)
    return Wanted(stable=stable.wanted, candidate=candidate.wanted)


def _grow(request: CapacityRequest, *, surge_pods: int, floor: int) -> tuple[_Side, _Side]:
    """Both sides after growth: stable first, the candidate takes the room that is left (R5)."""
    goal = split_pods(
        request.replicas, weight_percent=request.target_percent, surge_pods=surge_pods
    )
    wanted = request.stable.wanted + request.candidate.wanted + request.others.wanted
    added = 0 if _lends_more(request, goal=goal, floor=floor) else surge_pods
    room = max(request.replicas + added - wanted, 0)
    stable = _side(request.stable, goal=goal.stable, room=room, selected=request.live_percent < 100)
    room -= stable.wanted - stable.before
    candidate = _side(
        request.candidate, goal=goal.candidate, room=room, selected=request.live_percent > 0
    )
    return stable, candidate


def _lends_more(request: CapacityRequest, *, goal: PodSplit, floor: int) -> bool:
    """Stable can give up pods for the candidate, so that none is added for it yet."""
    candidate = min(request.candidate.available, request.candidate.wanted)
    serving = candidate if request.live_percent > 0 else 0
    spare = request.stable.wanted + serving - floor
    surplus = request.stable.wanted - goal.stable
    return request.scaling.lends and min(spare, surplus) > 0


def _side(pods: PodCount, *, goal: int, room: int, selected: bool) -> _Side:
    growth = min(max(goal - pods.wanted, 0), room)
    return _Side(
        before=pods.wanted,
        wanted=pods.wanted + growth,
        goal=goal,
        available=min(pods.available, pods.wanted),
        selected=selected,
    )


def _drained_others(request: CapacityRequest, *, serving: int, floor: int) -> int:
    """Pods that older revisions may keep; they go before anything else shrinks (R6).

    `serving` counts the pods of the other two. Older ones serve only while the entry Service
    selects all revisions; unready ones never count.
    """
    if not 0 < request.live_percent < 100:
        return 0
    available = min(request.others.available, request.others.wanted)
    return min(available, max(floor - serving, 0))


def _shrink(side: _Side, *, other: _Side, floor: int, ceiling: int) -> tuple[_Side, _Side]:
    """The shrinking side and the other one after R7 and R8."""
    removable = side.before + other.serving - floor if side.selected else side.before
    surplus = max(side.wanted - side.goal, 0)
    side = replace(side, wanted=side.wanted - min(surplus, max(removable, 0)))
    above = max(side.wanted + other.wanted - ceiling, 0)
    spare = max(side.serving + other.serving - floor, 0)
    unready = other.wanted - other.serving
    from_other = min(above, unready + min(spare, other.serving))
    other = replace(other, wanted=other.wanted - from_other)
    return replace(side, wanted=side.wanted - (above - from_other)), other


class ByPods:
    """The share is that of the ready pods, in steps of one pod, per connection."""

    def effective_weight(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> float:
        """The candidate's share of the pods that come nearest (R2 to R4)."""
        if weight_percent in {0, 100}:
            return weight_percent
        return _nearest(weight_percent, replicas=replicas, scaling=scaling).candidate_percent

    def candidate_needed(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> int:
        """One pod, if the weight gives it any: readiness itself then bounds the share.

        More cannot be asked for: stable must not shrink before the candidate serves, so within
        the surge there may be no room for a second one.
        """
        return min(self.candidate_pods(weight_percent, replicas=replicas, scaling=scaling), 1)

    def candidate_pods(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> int:
        """The candidate's side of the ratio."""
        return _nearest(weight_percent, replicas=replicas, scaling=scaling).candidate

    def stable_pods(self, weight_percent: float, *, replicas: int, scaling: model.Scaling) -> int:
        """Stable's side of the ratio."""
        return _nearest(weight_percent, replicas=replicas, scaling=scaling).stable

    def capacity(self, request: CapacityRequest) -> Wanted:
        """One pass of R5 to R9."""
        return next_pods(request)

    def part_of(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling, candidate: int
    ) -> float:
        """The whole weight: pods lead to it one by one anyway."""
        return weight_percent

    def kept_share(
        self, live_percent: float, *, replicas: int, missing_pods: int, stable: int, candidate: int
    ) -> float:
        """All of it until stable can be selected alone: meanwhile every ready pod has its share.

        A candidate that is selected alone shares with stable first.
        """
        if candidate == 0 or stable >= max(replicas - missing_pods, 1):
            return 0.0
        if stable == 0 or live_percent < 100:
            return live_percent
        return PodSplit(stable=stable, candidate=candidate).candidate_percent

    def weight_reached(
        self,
        weight_percent: float,
        *,
        replicas: int,
        scaling: model.Scaling,
        stable_ready: int,
        candidate_ready: int,
    ) -> bool:
        """Whether the ready pods are those of the split; 0 and 100 are made by the selector."""
        if weight_percent in {0, 100}:
            return True
        ready = PodSplit(stable=stable_ready, candidate=candidate_ready)
        return ready == _nearest(weight_percent, replicas=replicas, scaling=scaling)


def _nearest(weight_percent: float, *, replicas: int, scaling: model.Scaling) -> PodSplit:
    surge_pods = limits(replicas, scaling=scaling).surge_pods
    return split_pods(replicas, weight_percent=weight_percent, surge_pods=surge_pods)
