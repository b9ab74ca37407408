"""What the evidence advises where a person moves the rollout. Source: api.md, 5.6 and 6.1."""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.rollout import gates, waiting
from tidegate.rollout.turn import Turn

_WITHOUT_ADVICE = frozenset({model.AutomationLevel.FULL, model.AutomationLevel.GATED})


def keep(turn: Turn) -> Turn:
    """Advise in status while a person decides; an Event tells each change of the advice."""
    rollout = turn.active_rollout
    if rollout is None:
        return turn
    known = rollout.recommendation
    if not _is_asked(turn, rollout):
        return turn.with_rollout(replace(rollout, recommendation=None))
    action, reason = _found(turn, rollout)
    if known is not None and (known.action, known.reason) == (action, reason):
        return turn
    advice = model.Recommendation(action=action, reason=reason, at=turn.now)
    turn = turn.with_rollout(replace(rollout, recommendation=advice))
    changed = known is None or known.action is not action
    return turn.say("Recommended", f"{action}: {reason}") if changed else turn


def _is_asked(turn: Turn, rollout: model.Rollout) -> bool:
    if rollout.ending or not turn.stable or turn.seen.spec is None:
        return False
    level = turn.spec.automation.level
    return level not in _WITHOUT_ADVICE or gates.asked(turn) is not None


def _found(turn: Turn, rollout: model.Rollout) -> tuple[model.Advice, str]:
    """Words without numbers: those move with every look, and each change is a write."""
    judged = turn.seen.analysis
    if judged.verdict is model.Verdict.ROLL_BACK:
        return model.Advice.ROLLBACK, "harm is proven"
    if rollout.first_traffic_at is None:
        return _before_traffic(rollout)
    if judged.verdict is not model.Verdict.ADVANCE:
        return model.Advice.HOLD, f"not proven: {judged.reason or 'nothing is measured'}"
    unproven = [stage.name for stage in rollout.plan if stage.ended_by]
    but = f", but for {', '.join(unproven)}" if unproven else ""
    return model.Advice.PROMOTE, f"every metric that decides is proven{but}"


def _before_traffic(rollout: model.Rollout) -> tuple[model.Advice, str]:
    waits = rollout.waiting_for
    if waits is not None and waits.reason in waiting.GATES:
        return model.Advice.PROMOTE, "its pods are ready; nothing is measured yet"
    return model.Advice.HOLD, "it is being prepared"
