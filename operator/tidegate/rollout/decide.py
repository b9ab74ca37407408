"""The state machine: one pure function from what is seen to what is to be done.

`decide` is total: every observation gets a decision, it never raises, and it reads neither clock
nor chance. The order is fixed: deletion, validity, people's requests, the spec's revision, the
work of the present stage, standing duties, and last the description for readers.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import (
    advice,
    approvals,
    completion,
    conditions,
    duties,
    ending,
    failover,
    identity,
    notices,
    overrides,
    phases,
    policies,
    policy_gates,
    rebuild,
    repair,
    requests,
    serving,
    starting,
    waiting,
    walk,
)
from tidegate.rollout.turn import IDLE_SECONDS, RUNNING_SECONDS, Turn
from tidegate.traffic.refusals import REASON as UNSUPPORTED

UNSUPPORTED_LOOK_SECONDS = 60.0


def decide(seen: model.Observation) -> actions.Decision:
    """What to do now. Errors: none; a spec that cannot be carried out becomes phase `Invalid`.

    Source: architecture.md, 1; api.md, 6.2.
    """
    seen = policies.bound(seen)
    status = replace(seen.status, operator=seen.operator or seen.status.operator)
    turn = rebuild.rebuild(Turn(seen=seen, status=status))
    if seen.meta.deleting:
        turn = ending.terminate(turn, finalizer=duties.FINALIZER)
    elif seen.spec is None:
        turn = _invalid(turn)
    elif turn.hindrances:
        turn = _invalid(repair.repair(turn))
        turn = _in_phase(duties.tidy(_only_keep_safe(_heard(turn))))
    else:
        turn = _heard(repair.repair(turn))
        turn = _in_phase(duties.tidy(_work(starting.follow_spec(turn))))
    turn = policies.keep(serving.keep(advice.keep(identity.keep(turn))))
    status = conditions.describe(turn)
    requeue = turn.requeue_after_seconds
    if turn.active_rollout is not None:
        requeue = min(requeue, RUNNING_SECONDS)
    return actions.Decision(
        status=status,
        actions=turn.actions,
        events=turn.events,
        requeue_after_seconds=min(requeue, IDLE_SECONDS),
        rejections=turn.rejections,
    )


def _heard(turn: Turn) -> Turn:
    """What people ask for, and what they have decided about gates."""
    turn = overrides.heard(approvals.pinned(requests.handle(turn)))
    reason = approvals.rejection(turn)
    return ending.roll_back(turn, reason=reason, by=approvals.BY) if reason else turn


def _work(turn: Turn) -> Turn:
    rollout = turn.active_rollout
    if rollout is None:
        return failover.keep(turn)
    if rollout.ending:
        return starting.follow_on(ending.work_rolling_back(turn))
    return walk.work(policy_gates.renewed(turn))


def _only_keep_safe(turn: Turn) -> Turn:
    """No forward move: the newest spec cannot be carried out, but a breach still rolls back."""
    rollout = turn.active_rollout
    if rollout is None:
        return failover.keep(turn)
    if not rollout.ending and rollout.exposure.is_visited:
        turn = walk.watch(turn).look_again(turn.spec.analysis.interval_seconds)
    if turn.rollout.ending:
        return ending.work_rolling_back(turn)
    return failover.keep(turn)


def _invalid(turn: Turn) -> Turn:
    """Say what to change, once for each problem. Where no spec was ever read, nothing is touched."""
    turn = turn.with_status(replace(turn.status, phase=model.Phase.INVALID))
    if any(one.reason == UNSUPPORTED for one in turn.hindrances):
        turn = turn.look_again(UNSUPPORTED_LOOK_SECONDS)  # nothing tells when a Gateway learns it
    text = notices.hindrance_text(turn)
    told = notices.told_text(turn.seen, notices.INVALID)
    return turn.warn(notices.INVALID, text) if text and text != told else turn


def _in_phase(turn: Turn) -> Turn:
    phase = phase_of(turn)
    if phase is turn.status.phase:
        return turn
    return turn.with_status(replace(turn.status, phase=phase))


def phase_of(turn: Turn) -> model.Phase:
    """The phase that people see, derived from the rollout and its result."""
    rollout = turn.active_rollout
    if turn.seen.blocked is not None and turn.seen.blocked.reason == "InvalidTemplate":
        return model.Phase.INVALID
    ends = rollout is not None and rollout.ending
    if turn.hindrances and not ends:
        return model.Phase.INVALID
    if rollout is not None:
        return _phase_of_active(turn, rollout)
    desired = turn.seen.desired
    if not turn.stable:
        return model.Phase.FAILED
    served = desired is not None and desired.hash == turn.stable
    done = served or completion.is_completed(turn)
    return model.Phase.HEALTHY if done else model.Phase.ROLLED_BACK


def _phase_of_active(turn: Turn, rollout: model.Rollout) -> model.Phase:
    if conditions.rollback_unconfirmed(turn):
        return model.Phase.FAILED
    return phases.phase_of(rollout, stands_still=waiting.stands_still(turn))
