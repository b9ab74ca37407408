"""How many pods each side must have, and who can take traffic: capacity before traffic, both ways.

Source: house.md, H6; api.md, 5.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidegate import model
from tidegate.rollout import gates, plan, policies, waiting
from tidegate.rollout.strategy.compile import scaling_at
from tidegate.rollout.turn import Turn
from tidegate.traffic.interface import CapacityRequest, PodCount, Wanted
from tidegate.traffic.sizing.limits import limits

ALMOST_ALL_PERCENT = 99.0
# Where nodes come and go all the time some pod is always being replaced: after this part of the
# progress deadline this part of the pods may be missing.
PATIENT_PART = 4


def ready(turn: Turn, revision: str) -> int:
    """Ready pods of a revision, 0 for one without a Deployment."""
    state = turn.state_of(revision)
    return state.ready if state is not None else 0


def stable_can_take(turn: Turn, *, at_once: bool = False) -> bool:
    """No traffic is moved to a side without ready pods while the other has some.

    Where another revision answers for stable, it does until stable has had its pods for a while, and
    when it has lost its own, too, whoever is back first serves.
    """
    known = turn.status.failover
    free = at_once or known is None or known.moved_at is None
    if ready(turn, turn.stable) > 0 or not free:
        return free
    weights = turn.seen.traffic.weights
    return not any(ready(turn, one) for one, share in weights.items() if share > 0)


def sized_by_others(turn: Turn) -> tuple[str, ...]:
    """Revisions whose number of pods somebody else set; it is theirs until it is ours again."""
    found = turn.seen.revisions.values()
    return tuple(sorted(one.revision.hash for one in found if one.sized_by_others))


def others_text(turn: Turn, *revisions: str) -> str:
    """Who sizes them, and how to have that back."""
    states = (turn.state_of(revision) for revision in revisions)
    named = sorted({it.foreign_autoscaler for it in states if it and it.foreign_autoscaler})
    if named:
        return (
            f"the replicas of revision {', '.join(revisions)} are left to {', '.join(named)}. To have "
            "them set by Tidegate, delete that; workload.autoscaling gives each revision an autoscaler"
        )
    return (
        f"the replicas of revision {', '.join(revisions)} were set by somebody else (an autoscaler, "
        "kubectl scale) and are left alone. Take that away and set them back, or set "
        "workload.replicas to the same number"
    )


def full_size(turn: Turn, revision: str = "") -> int:
    """How many pods of stable, or of the revision that is named, carry the whole load.

    Those that spec asks for, or that somebody else chose.
    """
    state = turn.state_of(revision or turn.stable)
    sized = state is not None and state.sized_by_others
    return min(state.wanted, turn.spec.replicas) if state and sized else turn.spec.replicas


def stable_is_short(turn: Turn) -> bool:
    """Stable lacks pods for the load: more of them are unready than may be."""
    replicas = full_size(turn)
    return ready(turn, turn.stable) < replicas - replicas // PATIENT_PART


def successor_is_short(turn: Turn) -> bool:
    """As `stable_is_short`, but for pods that wait for the room of those that leave."""
    replicas = min(full_size(turn), pods_at_rest(turn))
    return ready(turn, turn.stable) < replicas - replicas // PATIENT_PART


def candidate_is_short(turn: Turn) -> bool:
    """A candidate that has all traffic lacks pods for it: more are unready than may be."""
    revision = turn.rollout.revision.hash
    needed = turn.plane.sizing.candidate_pods(
        100.0, replicas=full_size(turn, revision), scaling=turn.scaling
    )
    return ready(turn, revision) < needed - needed // PATIENT_PART


def missing_pods(turn: Turn, wanted: int) -> int:
    """Of so many wanted pods those that may be unready: a part, once that was waited for."""
    return wanted // PATIENT_PART if _was_patient(turn) else 0


def _was_patient(turn: Turn) -> bool:
    return turn.stalled_seconds >= turn.spec.progress_deadline_seconds / PATIENT_PART


def part_of(turn: Turn, weight: float) -> float:
    """As much of the weight as the pods can carry that the candidate may have within the surge."""
    state = turn.state_of(turn.rollout.revision.hash)
    seen = state.wanted if state is not None else 0
    return turn.plane.sizing.part_of(
        weight,
        replicas=turn.spec.replicas,
        scaling=turn.scaling,
        candidate=max(seen, wanted(turn).candidate),
    )


def kept_share(turn: Turn) -> float:
    """The share that a leaving candidate keeps until stable can carry more.

    What is late leaves all the same: a person or the spec asked for it.
    """
    rollout = turn.rollout
    if turn.stalled_seconds >= turn.spec.progress_deadline_seconds:
        return 0.0
    return _lacking_share(
        turn,
        live_percent(turn, rollout),
        missing_pods=missing_pods(turn, turn.spec.replicas),
        candidate=ready(turn, rollout.revision.hash),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The revision that serves beside stable, what it has of the users, and what it has to keep for now."""

    revision: str
    live_percent: float
    percent: float

    @property
    def waits(self) -> bool:
        """Not even a part of it can go to stable yet."""
        return 0 < self.live_percent <= self.percent


def kept_beside(turn: Turn, *, stands_in: str = "") -> Kept:
    """What stable cannot take yet of the share that the data plane gives another revision.

    For traffic that nobody asked to leave: it stays however late stable's pods are. Who answers for
    stable as long as that has none is not counted.
    """
    others = {
        revision: share
        for revision, share in turn.seen.traffic.weights.items()
        if share > 0 and revision not in {turn.stable, stands_in}
    }
    if not others or turn.spec.replicas == 0:
        return Kept(revision="", live_percent=0.0, percent=0.0)
    revision = max(sorted(others), key=lambda it: others[it])
    live = min(sum(others.values()), 100.0)
    percent = _lacking_share(
        turn,
        live,
        missing_pods=turn.spec.replicas // PATIENT_PART,
        candidate=ready(turn, revision),
    )
    return Kept(revision=revision, live_percent=live, percent=percent)


def _lacking_share(turn: Turn, live_percent: float, *, missing_pods: int, candidate: int) -> float:
    """Of this share what stable's ready pods are too few for, but for so many that may be missing."""
    allowed = limits(turn.spec.replicas, scaling=turn.scaling).unavailable_pods
    never_come = turn.spec.replicas - full_size(turn)
    return turn.plane.sizing.kept_share(
        live_percent,
        replicas=turn.spec.replicas,
        missing_pods=max(allowed, missing_pods) + never_come,
        stable=ready(turn, turn.stable),
        candidate=candidate,
    )


def wanted(turn: Turn) -> Wanted:
    """Pods of stable and candidate while both may have traffic."""
    rollout, spec = turn.rollout, turn.spec
    if policies.keeps_out(turn):
        return Wanted(stable=pods_at_rest(turn), candidate=0)
    request = _request(turn, rollout)
    found = turn.plane.sizing.capacity(request)
    stable = _as_way_back(turn, max(found.stable, _least_of_stable(turn, rollout)))
    candidate = max(found.candidate, stage_pods(turn))
    if rollout.withdrawn and turn.by_pods:
        # Stable serves alone and may have been shrunk: the room that is left is its own.
        surplus = turn.spec.replicas - request.stable.wanted
        stable = max(stable, request.stable.wanted + min(surplus, _room(turn, request)))
    if rollout.ending and live_percent(turn, rollout) > 0 and not swaps(turn):
        candidate = max(candidate, min(request.candidate.wanted, 1))
    if turn.by_pods or turn.seen.traffic.accepted:
        return Wanted(stable=stable, candidate=candidate)
    # The weight that was written may not be in force yet: nobody loses pods because of it.
    if turn.scaling.lends:
        return _grown(request, stable, candidate, room=_room(turn, request))
    candidate = max(candidate, min(request.candidate.wanted, spec.replicas))
    surge = limits(spec.replicas, scaling=turn.scaling).surge_pods
    room = max(spec.replicas + surge - request.stable.wanted - candidate, 0)
    kept = min(request.stable.wanted, max(spec.replicas, stable))
    return Wanted(stable=max(kept, min(stable, kept + room)), candidate=candidate)


def _grown(request: CapacityRequest, stable: int, candidate: int, *, room: int) -> Wanted:
    """What was seen, and of what is wanted beyond it as much as there is room for."""
    more = min(max(stable - request.stable.wanted, 0), room)
    room -= more
    new = min(max(candidate - request.candidate.wanted, 0), room)
    return Wanted(stable=request.stable.wanted + more, candidate=request.candidate.wanted + new)


def swaps(turn: Turn) -> bool:
    """One pod is all there may be, and it has to go for that of the other version.

    Not for one that only gets copies: it would answer nobody.
    """
    return turn.scaling.in_place and turn.spec.replicas == 1 and not _is_copied_to(turn)


def _is_copied_to(turn: Turn) -> bool:
    """The candidate gets copies of requests, or is to get some."""
    rollout = turn.active_rollout
    if rollout is None:
        return False
    wished, given = plan.wanted_exposure(rollout), rollout.exposure
    seen = turn.seen.traffic.mirrors.get(rollout.revision.hash, 0.0)
    return max(wished.mirror_percent, given.mirror_percent, seen) > 0


def nobody_serves_for_it(turn: Turn) -> bool:
    """The only pod of stable went for that of the candidate, which nobody visits or which is gone."""
    visited = turn.rollout.exposure.is_visited
    pods = ready(turn, turn.stable) + (ready(turn, turn.rollout.revision.hash) if visited else 0)
    return bool(turn.stable) and swaps(turn) and pods == 0


def pods_at_rest(turn: Turn) -> int:
    """Pods of stable while no candidate shares: all of them.

    Who adds none has them once those of the revisions that leave are gone.
    """
    replicas = turn.spec.replicas
    if not turn.spec.scaling.lends or not turn.stable:
        return replicas
    state, rollout = turn.state_of(turn.stable), turn.active_rollout
    stay = {
        turn.stable,
        *turn.seen.traffic.answering,
    }  # whoever stands in for stable is not waited for
    stay -= {rollout.revision.hash} if rollout is not None else set()
    others = (it for it in turn.seen.revisions.values() if it.revision.hash not in stay)
    taken = sum(it.wanted for it in others if not it.woken)
    room = replicas + limits(replicas, scaling=turn.spec.scaling).surge_pods - taken
    return min(replicas, max(room, state.wanted if state is not None else 0))


def stage_pods(turn: Turn) -> int:
    """Pods that a candidate has whom no share asks for any."""
    rollout = turn.rollout
    stage = rollout.stage
    if stage is None or rollout.ending or stage.exposure.live_percent > 0:
        return 0
    return math.ceil(turn.spec.replicas * stage.replicas_percent / 100)


def note_cover(turn: Turn) -> Turn:
    """Write down since when a promoted candidate that is watched has the pods for its load."""
    if not _watches_promoted(turn):
        return turn
    rollout = turn.rollout
    assert rollout.step is not None
    since = None if candidate_is_short(turn) else rollout.step.covered_since or turn.now
    step = replace(rollout.step, covered_since=since)
    return turn.with_rollout(replace(rollout, step=step))


def _as_way_back(turn: Turn, pods: int) -> int:
    """Of so many pods of stable those that stay while a promoted candidate is watched.

    None goes while that lacks some: then stable may have to help out with all that it has.
    """
    rollout = turn.rollout
    stage = rollout.stage
    if stage is None or not _watches_promoted(turn):
        return pods
    kept = max(math.ceil(turn.spec.replicas * stage.kept_percent / 100), 1)
    drained, state = drained_at(turn), turn.state_of(turn.stable)
    if (drained is None or turn.now < drained) and state is not None:
        kept = max(kept, state.wanted)
    return min(pods, kept)


def drained_at(turn: Turn) -> datetime | None:
    """When stable's last requests are answered, once a promoted candidate is watched.

    Counted from when that has its pods, as readiness is looked at and not only the clock.
    """
    step = turn.rollout.step
    if step is None or step.covered_since is None or not _watches_promoted(turn):
        return None
    return step.covered_since + timedelta(seconds=turn.spec.scale_down_delay_seconds)


def _watches_promoted(turn: Turn) -> bool:
    """The candidate of a bake has everything, as far as anybody can see."""
    rollout, stage = turn.rollout, turn.rollout.stage
    bakes = stage is not None and stage.kind is model.StageKind.BAKE
    leaves = rollout.ending or rollout.withdrawn
    confirmed = rollout.step is not None and rollout.step.confirmed_at is not None
    return bakes and confirmed and not leaves


def _room(turn: Turn, request: CapacityRequest) -> int:
    replicas = turn.spec.replicas
    surge = limits(replicas, scaling=turn.scaling).surge_pods
    asked = request.stable.wanted + request.candidate.wanted + request.others.wanted
    return max(replicas + surge - asked, 0)


def _request(turn: Turn, rollout: model.Rollout) -> CapacityRequest:
    share = turn.seen.traffic.weights.get(rollout.revision.hash, 0.0)
    return CapacityRequest(
        replicas=turn.spec.replicas,
        scaling=_scaling(turn, rollout),
        target_percent=_target_percent(turn, rollout),
        live_percent=_load_percent(turn, rollout),
        least_percent=min(rollout.exposure.live_percent, share),
        stable=_count(turn, turn.stable),
        candidate=_count(turn, rollout.revision.hash),
        others=_count_others(turn, turn.stable, rollout.revision.hash),
        copied=_is_copied_to(turn),
    )


def _scaling(turn: Turn, rollout: model.Rollout) -> model.Scaling:
    """How pods follow the load: as the stage before says while a gate keeps the active one from it."""
    before = rollout.judged_stage
    if before is None or rollout.exposure.load_percent == 0 or gates.closed(turn) is None:
        return turn.scaling
    return scaling_at(before, spec=turn.spec)


def _least_of_stable(turn: Turn, rollout: model.Rollout) -> int:
    """Pods that stable keeps until the promotion is written: it may have to take traffic back.

    Where a single pod is all there may be, stable must go before the candidate can come.
    """
    stable = turn.state_of(turn.stable)
    alone = turn.seen.traffic.entry_revision == rollout.revision.hash
    surge = limits(turn.spec.replicas, scaling=turn.scaling).surge_pods
    single = turn.spec.replicas <= 1 and surge == 0
    if stable is None:  # lost: a pod comes back, unless the only one is the candidate's by now
        return 0 if single and alone else min(turn.spec.replicas, 1)
    if single:
        return 0
    return stable.wanted if alone else min(stable.wanted, 1)


def _target_percent(turn: Turn, rollout: model.Rollout) -> float:
    """The load to have pods for. Where pods are the weight, intent must come first.

    The switch is itself the intent of 100 %: pods move all the way before the entry
    Service leaves the old revision.
    """
    live, given = rollout.exposure.live_percent, rollout.exposure.load_percent
    stage = rollout.stage
    if given > 0 and gates.closed(turn) is not None:
        return given
    if _is_kept_waiting(turn, rollout):
        return given  # none of the pods that stable would lend
    proves = stage is not None and stage.needs_proof and not rollout.ending
    if turn.by_pods and live > 0 and proves:
        return live  # a plane that splits by pods knows no other load
    return plan.wanted_exposure(rollout).load_percent


def _is_kept_waiting(turn: Turn, rollout: model.Rollout) -> bool:
    """People keep the candidate from the load that stable would lend its pods for."""
    if not turn.scaling.lends or not turn.stable or rollout.ending:
        return False
    return gates.closed(turn) is not None or waiting.asked_to_pause(turn) is not None


def _load_percent(turn: Turn, rollout: model.Rollout) -> float:
    """The largest load the candidate may have at the moment, answered or copied.

    One write changes both, so that it is what was written or what is seen, and no mixture of them.
    """
    exposure, revision = rollout.exposure, rollout.revision.hash
    copied = turn.seen.traffic.mirrors.get(revision, 0.0)
    if max(exposure.mirror_percent, copied) <= 0:
        return live_percent(turn, rollout) or exposure.load_percent
    seen = turn.seen.traffic.weights.get(revision, 0.0) + copied
    return min(max(exposure.load_percent, seen), 100.0)


def live_percent(turn: Turn, rollout: model.Rollout) -> float:
    """The largest share the candidate may have at the moment: intended or seen.

    Where pods are the weight it has everything only once the entry Service selects it alone:
    until then the pods of stable serve and count as capacity.
    """
    seen = turn.seen.traffic.weights.get(rollout.revision.hash, 0.0)
    live = max(rollout.exposure.live_percent, seen)
    alone = turn.seen.traffic.entry_revision == rollout.revision.hash
    return min(live, ALMOST_ALL_PERCENT) if turn.by_pods and not alone else live


def _count(turn: Turn, revision: str) -> PodCount:
    state = turn.state_of(revision)
    if state is None:
        return PodCount(wanted=0, available=0)
    # What somebody else added is no reason to keep pods from anybody.
    wanted = min(state.wanted, turn.spec.replicas) if state.sized_by_others else state.wanted
    return PodCount(wanted=wanted, available=state.ready)


def pods_of_others(turn: Turn) -> int:
    """Pods of revisions that are neither stable nor the candidate."""
    return _count_others(turn, turn.stable, turn.rollout.revision.hash).wanted


def _count_others(turn: Turn, *mine: str) -> PodCount:
    others = [s for s in turn.seen.revisions.values() if s.revision.hash not in mine]
    return PodCount(wanted=sum(s.wanted for s in others), available=sum(s.ready for s in others))
