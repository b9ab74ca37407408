"""People's requests by annotation: checked, answered once, and carried out (api.md, 7).

Answer and effect are one status write, so a request is never carried out twice. A malformed one
is answered with a reason and never stops the reconcile.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from tidegate import model
from tidegate.rollout import (
    adoption,
    completion,
    ending,
    gates,
    plan,
    reach,
    silence,
    waiting,
)
from tidegate.rollout.turn import Turn

LONGEST_AGE = timedelta(hours=1)
SHOWN_CHARACTERS = 63
LONGEST_TEXT = 500
ENDED_BY_PROMOTE = frozenset(
    {
        model.Waiting.MANUAL_STEP,
        model.Waiting.INCONCLUSIVE,
        model.Waiting.STALLED,
        model.Waiting.NO_DATA,
        model.Waiting.METRICS_UNAVAILABLE,
    }
)
NEEDS_ROLLOUT = frozenset(
    {
        model.RequestKind.PROMOTE,
        model.RequestKind.PROMOTE_FULL,
        model.RequestKind.PAUSE,
        model.RequestKind.RESUME,
        model.RequestKind.SKIP_STEP,
        model.RequestKind.REPIN,
    }
)
# What a refusal means, for the Event; the command line adds what to do.
_REFUSALS = {
    "UnknownRequest": "there is no such request",
    "Malformed": "requested-at is no time with a zone",
    "Expired": f"it is older than {LONGEST_AGE.total_seconds() / 3600:g} h",
    "NotActive": "no rollout of it is running, or no rejection of it stands",
    "OtherRevision": "another revision is worked on",
    "UnknownStep": "the plan has no step of this name",
    "OtherStep": "another step is worked on",
    "NotWaiting": "it waits for no person",
    "GateOpen": "a gate is to be opened first, by the request promote or by approvals",
    "ApprovalNeeded": "its gate is opened by RolloutApprovals, not by a request",
    "PolicyForbids": "a policy keeps the step from beginning",
    "NotSkippable": "what is worked on proves nothing, or is not reached yet",
    "InvalidSpec": "the spec cannot be carried out",
    "PlanTooLong": "with the stages that were reached the plan would be too long",
}


def handle(turn: Turn) -> Turn:
    """Answer the request annotation, if it is a new one."""
    request = turn.seen.request
    if request is None or _handled(turn, request):
        return turn
    kind = _kind(request)
    refusal = "UnknownRequest" if kind is None else _refusal(turn, kind, request)
    if kind is None or refusal:
        return _refuse(turn, request, refusal)
    if nothing := _nothing_to_do(turn, kind):
        return _answer(turn, request, outcome="NoOp", reason=nothing)
    text = f"{kind} of {request.revision}" + (f": {request.reason}" if request.reason else "")
    turn = _answer(turn, request, outcome="Accepted").say("RequestAccepted", text[:LONGEST_TEXT])
    return _carry_out(turn, kind)


def _nothing_to_do(turn: Turn, kind: model.RequestKind) -> str:
    """Why the request changes nothing, empty where it does."""
    if kind is model.RequestKind.ABORT and not _abortable(turn):
        return "NotActive"
    if kind is model.RequestKind.REPIN and not adoption.difference(turn):
        return "SamePlan"
    return ""


def _handled(turn: Turn, request: model.Request) -> bool:
    last = turn.status.last_handled_request
    return last is not None and last.requested_at == _short(request.requested_at)


def _kind(request: model.Request) -> model.RequestKind | None:
    try:
        return model.RequestKind(request.request)
    except ValueError:
        return None


def _refusal(turn: Turn, kind: model.RequestKind, request: model.Request) -> str:
    """The reason why a request cannot be carried out, empty when it can."""
    asked_at = _instant(request.requested_at)
    if asked_at is None:
        return "Malformed"
    if kind is not model.RequestKind.ABORT and turn.now - asked_at > LONGEST_AGE:
        return "Expired"
    if kind in NEEDS_ROLLOUT and not _abortable(turn):
        return "NotActive"
    if request.revision != _expected_revision(turn, kind):
        return "OtherRevision"
    if kind in NEEDS_ROLLOUT and (other := _other_step(turn, request)):
        return other
    return _refusal_of_kind(turn, kind, request)


def _other_step(turn: Turn, request: model.Request) -> str:
    """A request that names a step holds for that step, and only while it is worked on."""
    rollout = turn.rollout
    if not request.step or (rollout.step is not None and rollout.step.name == request.step):
        return ""
    known = any(stage.name == request.step for stage in rollout.plan)
    return "OtherStep" if known else "UnknownStep"


def _refusal_of_kind(turn: Turn, kind: model.RequestKind, request: model.Request) -> str:
    if kind is model.RequestKind.PROMOTE and not _waits_for_promote(turn):
        return "ApprovalNeeded" if gates.need_approval(turn) else "NotWaiting"
    paused = _waits_for(turn, {model.Waiting.REQUEST})
    if kind is model.RequestKind.RESUME and not (paused or _waits_for(turn, gates.OPENABLE)):
        return "NotWaiting"
    if kind is model.RequestKind.RESUME and not paused and gates.need_approval(turn):
        return "ApprovalNeeded"
    if kind is model.RequestKind.RETRY and not _may_be_retried(turn, request.revision):
        return "NotActive"
    if kind is model.RequestKind.SKIP_STEP and gates.asked(turn) is not None:
        return "GateOpen"
    if kind is model.RequestKind.SKIP_STEP and gates.closed(turn) is not None:
        return "PolicyForbids"
    if kind is model.RequestKind.SKIP_STEP and not reach.may_skip(turn):
        return "NotSkippable"
    if kind is model.RequestKind.REPIN and turn.hindrances:
        return "InvalidSpec"
    if kind is model.RequestKind.REPIN and not adoption.fits(turn):
        return "PlanTooLong"
    return ""


def _expected_revision(turn: Turn, kind: model.RequestKind) -> str:
    rollout = turn.active_rollout
    if kind is model.RequestKind.RETRY or rollout is None:
        return turn.seen.desired.hash if turn.seen.desired else ""
    return rollout.revision.hash


def _abortable(turn: Turn) -> bool:
    rollout = turn.active_rollout
    return rollout is not None and not rollout.ending


def _waits_for(turn: Turn, reasons: frozenset[model.Waiting] | set[model.Waiting]) -> bool:
    rollout = turn.active_rollout
    waits = rollout.waiting_for if rollout is not None else None
    return waits is not None and waits.reason in reasons


def _waits_for_promote(turn: Turn) -> bool:
    waits = gates.can_open(turn) or _waits_for(turn, ENDED_BY_PROMOTE)
    return waits or bool(silence.lasts(turn))


def _may_be_retried(turn: Turn, revision: str) -> bool:
    idle = turn.active_rollout is None
    return idle and (turn.status.rejects(revision) or completion.is_completed(turn))


def _carry_out(turn: Turn, kind: model.RequestKind) -> Turn:
    match kind:
        case model.RequestKind.ABORT:
            return ending.roll_back(turn, reason="aborted by request", by="User")
        case model.RequestKind.RETRY:
            return _forget_rejection(turn)
        case model.RequestKind.PAUSE:
            return waiting.wait_for(
                turn, model.Waiting.REQUEST, "paused by request; resume to go on"
            )
        case model.RequestKind.RESUME:
            return _resume(turn)
        case model.RequestKind.PROMOTE:
            return _promote(turn)
        case model.RequestKind.PROMOTE_FULL:
            return reach.promote_fully(gates.kept_for_switch(turn))
        case model.RequestKind.SKIP_STEP:
            return reach.skip_step(turn)
        case model.RequestKind.REPIN:
            return _repin(turn)
        case _ as never:
            assert_never(never)


def _resume(turn: Turn) -> Turn:
    """End a pause that was asked for; a gate that is asked for at the moment is opened."""
    if _waits_for(turn, gates.OPENABLE):
        turn = gates.opened(turn)
    return waiting.stop_waiting(turn)


def _promote(turn: Turn) -> Turn:
    if gates.can_open(turn):
        turn = gates.opened(turn)
        return turn if gates.asked(turn) else waiting.stop_waiting(turn, only=waiting.GATES)
    if _step_confirmed(turn):
        return reach.pass_step(turn, by=ending.BY_PEOPLE)
    return waiting.stop_waiting(silence.forget(turn))


def _repin(turn: Turn) -> Turn:
    text = f"the edited plan is adopted: {adoption.difference(turn)}"
    turn = turn.with_rollout(adoption.adopted(turn.rollout, turn.spec))
    return plan.name_rounding(turn.say("PlanAdopted", text[:LONGEST_TEXT]))


def _step_confirmed(turn: Turn) -> bool:
    step, stage = turn.rollout.step, turn.rollout.stage
    proves = stage is not None and stage.needs_proof
    return proves and step is not None and step.confirmed_at is not None


def _forget_rejection(turn: Turn) -> Turn:
    return turn.with_status(ending.forget(turn.status, turn.desired.hash))


def _refuse(turn: Turn, request: model.Request, reason: str) -> Turn:
    step = f", step {_short(request.step)}" if request.step else ""
    subject = f"{_short(request.request)} of {_short(request.revision)}{step}"
    text = f"{subject}: {reason}: {_REFUSALS[reason]}"
    turn = _answer(turn, request, outcome="Refused", reason=reason)
    return turn.warn("RequestRefused", text)


def _answer(turn: Turn, request: model.Request, *, outcome: str, reason: str = "") -> Turn:
    answer = model.HandledRequest(
        request=_short(request.request),
        revision=_short(request.revision),
        requested_at=_short(request.requested_at),
        handled_at=turn.now,
        outcome=outcome,
        reason=reason,
    )
    return turn.with_status(replace(turn.status, last_handled_request=answer))


def _short(text: str) -> str:
    return text[:SHOWN_CHARACTERS]


def _instant(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else None
