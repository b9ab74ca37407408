"""The hook that asks for retraining: owed once for each drift, and written down before it is sent.

A drift lasts from the first metric that is proven to have moved until none is. It gets one id, and so
one hook: what is sent again, after a failure or by another process, has the same id. What never looked
like its training data is no drift of the world: a model that is trained anew would be fed as wrongly.
Source: ADR 0081.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tidegate import model
from tidegate.model import HookState
from tidegate.rollout.turn import Turn

DELIVERED, FAILED = "HookDelivered", "HookFailed"
LONGEST_REST_SECONDS = 3600.0  # after a round of tries that failed, while the drift lasts
NOT_READY = "HookNotReady"
CALLED_FOR = frozenset({model.Alarm.DATA, model.Alarm.CONCEPT})


def keep(turn: Turn, watch: model.Watch) -> tuple[Turn, model.Watch]:
    """The watch with what is owed now, and with what came of what was sent."""
    hook, call = _wanted(turn), watch.hook
    drifts = [one for one in watch.metrics if one.fails and one.alarm in CALLED_FOR]
    if hook is None:
        # What was delivered is remembered, should the spec ask for a hook again.
        delivered = call is not None and call.state is HookState.DELIVERED
        return turn, replace(watch, hook=_ended(turn, call, drifts) if delivered else None)
    turn, call = _answered(turn, call)
    call = _ended(turn, call, drifts)
    if drifts and turn.active_rollout is None and not turn.seen.hook.obstacle:
        turn, call = _owed(turn, call, hook)
    return turn, replace(watch, hook=call)


def problem(turn: Turn, watch: model.Watch) -> tuple[str, str] | None:
    """Why no hook can be sent, or why the one that is owed has not arrived: reason and words."""
    if _wanted(turn) is None:
        return None
    obstacle, call = turn.seen.hook.obstacle, watch.hook
    if obstacle:
        return NOT_READY, f"spec.monitoring.onDrift.hook.url: {obstacle}"
    if call is None or call.ended_at is not None or not call.message:
        return None
    return FAILED, call.message


def _wanted(turn: Turn) -> model.DriftHook | None:
    asked = turn.seen.spec.monitoring if turn.seen.spec is not None else None
    if asked is None or asked.on_drift is not model.OnDrift.HOOK:
        return None
    return asked.hook


def _answered(turn: Turn, call: model.HookCall | None) -> tuple[Turn, model.HookCall | None]:
    """What the receiver said of the hook that is under way; each outcome is told once for a drift."""
    seen = turn.seen.hook
    if call is None or call.state is not HookState.PENDING or seen.id != call.id:
        return turn, call
    if not seen.failure:
        done = replace(
            call, state=HookState.DELIVERED, at=turn.now, delivered_at=turn.now, message=""
        )
        return turn.say(DELIVERED, f"retraining was asked for by {call.id}"), done
    failed = replace(call, state=HookState.FAILED, at=turn.now, message=seen.failure)
    known = bool(call.message)
    return (turn if known else turn.warn(FAILED, f"{call.id}: {seen.failure}")), failed


def _ended(
    turn: Turn, call: model.HookCall | None, drifts: list[model.WatchedMetric]
) -> model.HookCall | None:
    if call is None or drifts or call.ended_at is not None:
        return call
    return replace(call, ended_at=turn.now)


def _owed(
    turn: Turn, call: model.HookCall | None, hook: model.DriftHook
) -> tuple[Turn, model.HookCall | None]:
    """One for each drift, a cool-down after the one before; one that failed is tried again."""
    if call is not None and call.state is HookState.PENDING:
        return turn, call
    if call is None or call.ended_at is not None:
        return _begun(turn, call, hook)
    if call.state is HookState.DELIVERED:
        return turn, call
    again_at = call.at + timedelta(seconds=min(hook.cooldown_seconds, LONGEST_REST_SECONDS))
    edited = turn.seen.status.observed_generation < turn.seen.meta.generation
    if turn.now < again_at and not edited:
        return turn.look_at(again_at), call
    return turn, replace(call, state=HookState.PENDING, at=turn.now)


def _begun(
    turn: Turn, before: model.HookCall | None, hook: model.DriftHook
) -> tuple[Turn, model.HookCall | None]:
    delivered_at = before.delivered_at if before is not None else None
    if delivered_at is not None:
        free_at = delivered_at + timedelta(seconds=hook.cooldown_seconds)
        if turn.now < free_at:
            return turn.look_at(free_at), before
    name = f"{turn.seen.meta.name}-{turn.stable}-{turn.now:%Y%m%dT%H%M%SZ}"
    return turn, model.HookCall(
        id=name, state=HookState.PENDING, at=turn.now, delivered_at=delivered_at
    )
