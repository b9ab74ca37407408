"""Pods for a share that a route makes: each side has those for what it may have now.

Source: api.md, 5.3; house.md, H6.
"""

# ruff: noqa: ARG002  (an exact plane needs fewer facts than the common interface offers)

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

from tidegate import model
from tidegate.traffic import splits
from tidegate.traffic.interface import CapacityRequest, Wanted
from tidegate.traffic.sizing.limits import limits


class ByWeight:
    """Weights exact to so many decimals of a percent; pods only have to carry them."""

    decimals: ClassVar[int] = splits.DECIMALS

    def effective_weight(
        self,
        weight_percent: float,
        *,
        replicas: int,
        scaling: model.Scaling,
    ) -> float:
        """The weight itself, to four decimals: whoever knows fewer is asked for no more."""
        return round(weight_percent, splits.DECIMALS)

    def candidate_needed(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> int:
        """Pods for this share of the load, at least the minimum of `scaling`, at most `replicas`.

        All of it may come to one pod less than all where there is no surge: the last pod of stable
        goes only then.
        Source: api.md, 5.3 (`scaling.matchTraffic`, `.minReplicas`).
        """
        load = _Load(replicas=replicas, scaling=scaling)
        carrying = load.carried_by(weight_percent)
        return load.last_but_one(carrying) if weight_percent == 100 else carrying

    def candidate_pods(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> int:
        """Those that it must have: the weight does not come before them."""
        return self.candidate_needed(weight_percent, replicas=replicas, scaling=scaling)

    def stable_pods(self, weight_percent: float, *, replicas: int, scaling: model.Scaling) -> int:
        """Pods for the share that is left."""
        return self._beside(weight_percent, replicas=replicas)

    def capacity(self, request: CapacityRequest) -> Wanted:
        """One pass towards the pods of the target, within `maxSurge` and in parts where needed.

        Each side keeps the pods for the share that it may have now. Those two together may be more
        than the surge allows: where a candidate has a least size, and where one pod is all there
        may be. Source: api.md, 5.3; house.md, H6.
        """
        replicas, target, live = request.replicas, request.target_percent, request.live_percent
        single = request.scaling.in_place and replicas == 1 and not request.copied
        swaps = single and {target, live} <= {0, 100}
        load = _Load(replicas=replicas, scaling=request.scaling, swaps=swaps)
        room = load.room(request)
        needed = self._needed(target, request=request)
        share = self._beside(request.least_percent, replicas=replicas)
        stable_least = load.spared(share)
        stable_goal = max(min(replicas, room.goal - needed), stable_least)
        if target < live:
            candidate = _towards(
                max(needed, room.goal - replicas),
                now=request.candidate.wanted,
                least=load.spared(load.carried_by(live)),
                room=0,
            )
        else:
            candidate = _towards(
                needed,
                now=request.candidate.wanted,
                least=self._least(request, room=room.ceiling - stable_goal),
                room=room.left(request, lendable=request.stable.wanted > stable_goal),
            )
        stable = _towards(
            stable_goal,
            now=request.stable.wanted,
            least=stable_least,
            room=max(room.ceiling - request.stable.wanted - candidate, 0),
        )
        return Wanted(stable=min(stable, replicas), candidate=min(candidate, replicas))

    def _least(self, request: CapacityRequest, *, room: int) -> int:
        """Pods that a candidate on its way up has in any case; lent ones only within `room`."""
        first = self._needed(min(request.target_percent, self._least_percent), request=request)
        first = min(first, max(room, 0)) if request.scaling.lends else first
        return max(self._needed(request.live_percent, request=request), first)

    @property
    def _least_percent(self) -> float:
        """The smallest share that there is."""
        return 10.0**-self.decimals

    def _share_of(self, pods_: int, *, replicas: int) -> float:
        """The percent of the whole load that so many pods are made for, rounded down."""
        unit = float(10**self.decimals)
        return math.floor(100 * unit * min(pods_, replicas) / max(replicas, 1)) / unit

    def _beside(self, percent: float, *, replicas: int) -> int:
        """Pods of stable beside this share; one that was rounded down for whole pods counts as these."""
        exact = splits.exact(percent)
        above = exact + Fraction(1, 10**self.decimals)
        carried = min(math.ceil(replicas * above / 100) - 1, replicas)
        if carried > 0 and self._share_of(carried, replicas=replicas) == percent:
            return replicas - carried
        return _pods_for(100 - exact, replicas=replicas)

    def _needed(self, percent: float, *, request: CapacityRequest) -> int:
        return self.candidate_needed(percent, replicas=request.replicas, scaling=request.scaling)

    def part_of(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling, candidate: int
    ) -> float:
        """The whole weight, or the share of the load that these pods are made for."""
        needed = self.candidate_needed(weight_percent, replicas=replicas, scaling=scaling)
        least = self.candidate_needed(self._least_percent, replicas=replicas, scaling=scaling)
        if candidate >= needed or candidate < least:
            return weight_percent
        return min(weight_percent, self._share_of(candidate, replicas=replicas))

    def kept_share(
        self, live_percent: float, *, replicas: int, missing_pods: int, stable: int, candidate: int
    ) -> float:
        """What stable's ready pods are too few for."""
        if candidate == 0 or stable >= max(replicas - missing_pods, 1):
            return 0.0
        lacking = round(100 - self._share_of(stable, replicas=replicas), self.decimals)
        return min(live_percent, lacking)

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


class ByWholePercent(ByWeight):
    """Where a weight is a whole number of percent."""

    decimals = 0


def _towards(goal: int, *, now: int, least: int, room: int) -> int:
    """Pods to ask for on the way from `now` to `goal`: growth within `room`, never below `least`."""
    return max(min(goal, now + room), least)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """How many pods both sides together may have, and how many they make do with in the end."""

    ceiling: int
    goal: int

    def left(self, request: CapacityRequest, *, lendable: bool) -> int:
        """Pods that the candidate may be given now: what stable can give up is not added first."""
        most = min(self.goal, self.ceiling) if lendable else self.ceiling
        return max(most - request.stable.wanted - request.candidate.wanted, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """The load of so many pods, and how it is carried.

    `swaps`: the only pod of one version has to go for the only one of the other.
    """

    replicas: int
    scaling: model.Scaling
    swaps: bool = False

    def carried_by(self, percent: float) -> int:
        """Pods of the candidate for this share of it, at least the minimum, at most all.

        Without any surge the last pod stays with whoever has a share: all but one carry more than theirs.
        """
        if percent == 0:
            return 0
        return min(self._asked_for(percent), self.replicas - self._kept_back(percent))

    def _asked_for(self, percent: float) -> int:
        if self.scaling.candidate_pods is not None:
            return self.scaling.candidate_pods
        if not self.scaling.match_traffic:
            return self.replicas
        carrying = _pods_for(splits.exact(percent), replicas=self.replicas)
        one_left = self.replicas > 1 and percent < 100 and self._surge == 0
        return max(min(carrying, self.replicas - one_left), self.scaling.min_replicas)

    def _kept_back(self, percent: float) -> int:
        """In place one pod stays with stable for as long as it has a share, whatever is asked for."""
        return 1 if self.scaling.in_place and self.replicas > 1 and percent < 100 else 0

    @property
    def _surge(self) -> int:
        return limits(self.replicas, scaling=self.scaling).surge_pods

    def spared(self, pods: int) -> int:
        """Of so many pods those that must be there on the way: nothing could move otherwise.

        Lent ones, and without any surge some, may be missing meanwhile, but never the last one of
        several.
        """
        allowed = limits(self.replicas, scaling=self.scaling)
        missing = allowed.lent_pods if self.scaling.lends or allowed.surge_pods == 0 else 0
        return max(pods - missing, 0 if self.swaps else min(pods, 1))

    def last_but_one(self, pods: int) -> int:
        """Of so many pods of a candidate those that suffice for the last one of stable to go."""
        return max(pods - 1, min(pods, 1)) if self._surge == 0 else pods

    def room(self, request: CapacityRequest) -> _Room:
        """Who lends does not leave stable what could be added, and counts the pods of older revisions."""
        ceiling = self.replicas + self._surge
        if not self.scaling.lends:
            return _Room(ceiling=ceiling, goal=ceiling)
        return _Room(ceiling=ceiling - request.others.wanted, goal=self.replicas)


@lru_cache(maxsize=4096)
def _pods_for(share_percent: Fraction, *, replicas: int) -> int:
    """Pods that carry this share of the whole load; a share that was rounded up needs no more."""
    rounded = Fraction(1, 10**splits.DECIMALS)
    least = 1 if share_percent > 0 and replicas > 0 else 0
    return max(math.ceil(replicas * (share_percent - rounded) / 100), least)
