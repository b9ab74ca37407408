"""People's requests by annotation: checked, answered once, and carried out (api.md, 7).

Answer and effect are one status write, so a request is never carried out twice. A malformed one
is answered with a reason and never stops the reconcile.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from tidegate import model
from tidegate.rollout import ending, reach, silence, waiting
from tidegate.rollout.turn import Turn

LONGEST_AGE = timedelta(hours=1)
SHOWN_CHARACTERS = 63
ENDED_BY_PROMOTE = frozenset(
    {
        model.Waiting.INCONCLUSIVE,
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
    }
)


def handle(turn: Turn) -> Turn:
    """Answer the request annotation, if it is a new one."""
    request = turn.seen.request
    if request is None or _handled(turn, request):
        return turn
    kind = _kind(request)
    refusal = "UnknownRequest" if kind is None else _refusal(turn, kind, request)
    if kind is None or refusal:
        return _refuse(turn, request, refusal)
    if kind is model.RequestKind.ABORT and not _abortable(turn):
        return _answer(turn, request, outcome="NoOp", reason="NotActive")
    text = f"{kind} of {request.revision}" + (f": {request.reason}" if request.reason else "")
    turn = _answer(turn, request, outcome="Accepted").say("RequestAccepted", text[:500])
    return _carry_out(turn, kind)


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
    if kind is model.RequestKind.PROMOTE and not _waits_for_promote(turn):
        return "NotWaiting"
    if kind is model.RequestKind.RESUME and not _waits_for(turn, {model.Waiting.REQUEST}):
        return "NotWaiting"
    if kind is model.RequestKind.RETRY and not _rejected(turn, request.revision):
        return "NotActive"
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
    return _waits_for(turn, ENDED_BY_PROMOTE) or bool(silence.lasts(turn))


def _rejected(turn: Turn, revision: str) -> bool:
    idle = turn.active_rollout is None
    return idle and turn.status.rejects(revision)


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
            return waiting.stop_waiting(turn)
        case model.RequestKind.PROMOTE:
            if _step_confirmed(turn):
                return reach.pass_step(turn)
            return waiting.stop_waiting(silence.forget(turn))
        case model.RequestKind.PROMOTE_FULL:
            return reach.promote_fully(turn)
        case _ as never:
            assert_never(never)


def _step_confirmed(turn: Turn) -> bool:
    step, stage = turn.rollout.step, turn.rollout.stage
    proves = stage is not None and stage.needs_proof
    return proves and step is not None and step.confirmed_at is not None


def _forget_rejection(turn: Turn) -> Turn:
    return turn.with_status(ending.forget(turn.status, turn.desired.hash))


def _refuse(turn: Turn, request: model.Request, reason: str) -> Turn:
    text = f"{_short(request.request)} of {_short(request.revision)}: {reason}"
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
