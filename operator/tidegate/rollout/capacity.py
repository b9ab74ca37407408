"""How many pods each side must have, and who can take traffic: capacity before traffic, both ways.

Source: house.md, H6; api.md, 5.3.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from tidegate import model
from tidegate.rollout import gates, plan
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


def full_size(turn: Turn) -> int:
    """How many pods carry the whole load: those that spec asks for, or that somebody else chose."""
    state = turn.state_of(turn.stable)
    sized = state is not None and state.sized_by_others
    return min(state.wanted, turn.spec.replicas) if state and sized else turn.spec.replicas


def stable_is_short(turn: Turn) -> bool:
    """Stable lacks pods for the load: more of them are unready than may be."""
    replicas = full_size(turn)
    return ready(turn, turn.stable) < replicas - replicas // PATIENT_PART


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
    allowed = limits(turn.spec.replicas, scaling=turn.scaling).unavailable_pods
    never_come = turn.spec.replicas - full_size(turn)
    return turn.plane.sizing.kept_share(
        live_percent(turn, rollout),
        replicas=turn.spec.replicas,
        missing_pods=max(allowed, missing_pods(turn, turn.spec.replicas)) + never_come,
        stable=ready(turn, turn.stable),
        candidate=ready(turn, rollout.revision.hash),
    )


def wanted(turn: Turn) -> Wanted:
    """Pods of stable and candidate while both may have traffic."""
    rollout, spec = turn.rollout, turn.spec
    request = _request(turn, rollout)
    found = turn.plane.sizing.capacity(request)
    stable = _as_way_back(turn, max(found.stable, _least_of_stable(turn, rollout)))
    candidate = max(found.candidate, stage_pods(turn))
    if rollout.withdrawn and turn.by_pods:
        # Stable serves alone and may have been shrunk: the room that is left is its own.
        surplus = turn.spec.replicas - request.stable.wanted
        stable = max(stable, request.stable.wanted + min(surplus, _room(turn, request)))
    if rollout.ending and live_percent(turn, rollout) > 0:
        candidate = max(candidate, min(request.candidate.wanted, 1))
    if turn.by_pods or turn.seen.traffic.accepted:
        return Wanted(stable=stable, candidate=candidate)
    # The weight that was written may not be in force yet: nobody loses pods because of it.
    return Wanted(
        stable=min(max(stable, request.stable.wanted), max(spec.replicas, stable)),
        candidate=max(candidate, min(request.candidate.wanted, spec.replicas)),
    )


def stage_pods(turn: Turn) -> int:
    """Pods that a candidate has whom no share asks for any."""
    rollout = turn.rollout
    stage = rollout.stage
    if stage is None or rollout.ending or stage.exposure.live_percent > 0:
        return 0
    return math.ceil(turn.spec.replicas * stage.replicas_percent / 100)


def _as_way_back(turn: Turn, pods: int) -> int:
    """Of so many pods of stable those that stay while a promoted candidate is watched."""
    rollout = turn.rollout
    stage = rollout.stage
    if stage is None or stage.kind is not model.StageKind.BAKE:
        return pods
    drained = drained_at(turn)
    if rollout.ending or rollout.withdrawn or drained is None or turn.now < drained:
        return pods
    kept = math.ceil(turn.spec.replicas * stage.kept_percent / 100)
    return min(pods, max(kept, 1))


def drained_at(turn: Turn) -> datetime | None:
    """When stable's last requests are answered, once a promoted candidate is watched."""
    stage, step = turn.rollout.stage, turn.rollout.step
    bakes = stage is not None and stage.kind is model.StageKind.BAKE
    if not bakes or step is None or step.confirmed_at is None:
        return None
    return step.confirmed_at + timedelta(seconds=turn.spec.scale_down_delay_seconds)


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
    single = turn.spec.replicas <= 1 and turn.scaling.max_surge_percent == 0
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
    proves = stage is not None and stage.needs_proof and not rollout.ending
    if turn.by_pods and live > 0 and proves:
        return live  # a plane that splits by pods knows no other load
    return plan.wanted_exposure(rollout).load_percent


def _load_percent(turn: Turn, rollout: model.Rollout) -> float:
    """The largest load the candidate may have at the moment, answered or copied."""
    answered = live_percent(turn, rollout)
    copied = turn.seen.traffic.mirrors.get(rollout.revision.hash, 0.0)
    copied = max(rollout.exposure.mirror_percent, copied)
    if copied <= 0:
        return answered or rollout.exposure.load_percent
    return min(answered + copied, 100.0)


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


def _count_others(turn: Turn, *mine: str) -> PodCount:
    others = [s for s in turn.seen.revisions.values() if s.revision.hash not in mine]
    return PodCount(wanted=sum(s.wanted for s in others), available=sum(s.ready for s in others))
