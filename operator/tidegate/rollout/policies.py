"""What policies have against going forward: asked before every step, and never on the way back.

A violated rule or a closed window keeps a stage from beginning. It keeps nobody from what was
given already, which is confirmed and judged, and nothing from going back: those paths do not ask.
Where users have a part that nobody would judge otherwise, the stage is completed.
Source: api.md, 9.3; house.md, H5; docs/adr/0084.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from tidegate import model
from tidegate.model import objects
from tidegate.model.fields import TEXT
from tidegate.model.policy import VIOLATIONS_MAX_ITEMS
from tidegate.policy import breaker, exemptions, gates, judge, windows
from tidegate.policy.approvals import OVERRIDE
from tidegate.policy.case import Case
from tidegate.policy.rules import STOP
from tidegate.rollout import admission, policy_gates
from tidegate.rollout.strategy.compile import first_plan, plan_of
from tidegate.rollout.turn import Turn

_SMOKE_TEST = ("strategy", "blueGreen", "prePromotion", "job", "template")
_ENFORCE = model.EnforcementAction.ENFORCE
_ENDED = "ExemptionEnded"
_REASONS = (
    (_ENFORCE, False, "PolicyViolation"),
    (model.EnforcementAction.WARN, True, "PolicyWarning"),
)
Held = tuple[model.Waiting, str]


def held(turn: Turn) -> Held | None:
    """What keeps the active stage from beginning, with words; None where nothing does."""
    rollout = turn.active_rollout
    if not turn.policies or rollout is None or rollout.ending or not _begins(turn, rollout):
        return None
    if policy_gates.goes_back(turn, rollout):
        return None
    found = judge.judge(turn.policies, _case(turn), at=turn.now)
    enforced = [it for it in found.violations if it.action is _ENFORCE]
    if found.conflict:
        return model.Waiting.POLICY, found.conflict
    if enforced:
        return model.Waiting.POLICY, f"{text(*enforced)}{_way_out(turn, enforced)}"
    closed = found.freeze
    if closed.closed_by and not (rollout.begun and not closed.holds_begun):
        by = f"{closed.closed_by}{_ended_text(turn, closed)}"
        return model.Waiting.FREEZE, f"closed{_until(closed.changes_at)} by {by}"
    for broken in _tripped(turn, _ENFORCE):
        return model.Waiting.FREEZE, _breaks(broken)
    return admission.held(turn)


def _way_out(turn: Turn, found: Sequence[model.PolicyViolation]) -> str:
    """Who may let it through, where every policy that holds it names somebody."""
    holding = {it.policy for it in found}
    groups = [it.override_groups for it in turn.policies if it.id in holding]
    if not all(groups) or any(it.rule == STOP for it in found):
        return ""
    named = " and ".join(sorted({" or ".join(sorted(it)) for it in groups}))
    return f"; {named} may let it through by gate {OVERRIDE}"


def _ended_text(turn: Turn, closed: model.Freeze) -> str:
    """The exemptions from windows that have ended, of the policies that close."""
    policies, rule = turn.policies, windows.RULE
    closing = (it.id for it in policies if f"{it.id} (" in closed.closed_by)
    found = (exemptions.ended(policies, policy=it, rule=rule, at=turn.now) for it in closing)
    return "".join(f"; {text}" for text in found if text)


def bound(seen: model.Observation) -> model.Observation:
    """What is seen, with policies as they bind this ModelDeployment now."""
    policies = exemptions.binding(
        seen.policies, namespace=seen.meta.namespace, name=seen.meta.name, at=seen.now
    )
    return replace(seen, policies=policies)


def _until(instant: datetime | None) -> str:
    return f" until {instant:%Y-%m-%d %H:%M} UTC" if instant else ""


def _tripped(turn: Turn, *actions: model.EnforcementAction) -> Iterator[breaker.Tripped]:
    """The circuit breakers that hold now, of the policies that do one of these about it."""
    found = breaker.tripped(turn.policies, turn.seen.rollbacks, turn.now)
    return (it for it in found if it.policy.action_of(breaker.RULE) in actions)


def _breaks(broken: breaker.Tripped) -> str:
    """In words; whom else it is about is not for every tenant to read."""
    return (
        f"closed{_until(broken.until)} by {broken.policy.id} ({breaker.RULE}): "
        f"{broken.rollbacks} ModelDeployments were rolled back lately, look for what they share"
    )


def text(*violations: model.PolicyViolation) -> str:
    """Which policy asks for what, for people."""
    return "; ".join(f"{it.policy}, {it.rule}: {it.message}" for it in violations)


def keeps_out(turn: Turn) -> bool:
    """No request reaches the candidate, and none may: it needs no pods yet."""
    rollout = turn.active_rollout
    if not turn.policies or rollout is None or rollout.begun or _is_met(turn, rollout):
        return False
    return held(turn) is not None


def keep(turn: Turn) -> Turn:
    """What policies say at this look in status; what they only warn of is told once by an Event.

    While a window is closed the next look comes when that changes, and it comes when an exemption ends.
    """
    if turn.seen.spec is None:
        return turn
    state = _state(turn)
    before = turn.seen.status.policy or model.PolicyState()
    for one in state.violations if state is not None else ():
        if one.action is model.EnforcementAction.WARN and one not in before.violations:
            turn = turn.warn("PolicyViolation", text(one))
    rollout = turn.active_rollout
    waits = rollout.waiting_for if rollout is not None else None
    if waits is not None and waits.reason is model.Waiting.FREEZE:
        turn = turn.look_at(_reopens_at(turn))
    turn = turn.look_at(exemptions.next_end(turn.policies, at=turn.now))
    return turn.with_status(replace(turn.status, policy=state))


def _reopens_at(turn: Turn) -> datetime | None:
    """The first instant at which a window or a circuit breaker may let it go on."""
    opens = windows.freeze(turn.policies, turn.now).changes_at
    known = [opens, *(it.until for it in _tripped(turn, _ENFORCE))]
    return min((it for it in known if it is not None), default=None)


def compliance(turn: Turn) -> tuple[bool | None, str, str] | None:
    """Status, reason and message of condition `PolicyCompliant`; None where no policy applies."""
    state = turn.status.policy
    if state is None:
        return None
    if conflict := judge.conflict(turn.policies):
        return None, "PolicyConflict", conflict
    for action, holds, reason in _REASONS:
        if found := [it for it in state.violations if it.action is action]:
            over = _ENDED if action is _ENFORCE and _by_an_end(turn, found) else reason
            return holds, over, text(*found)
    if passed := turn.active_rollout and turn.active_rollout.overrides:
        return True, "Overridden", "; ".join(map(exemptions.override_text, passed))
    exempt = "; ".join(
        f"{policy.id}: {exemptions.text(it)}"
        for policy, it in exemptions.in_force(turn.policies, at=turn.now)
    )
    return (True, "Exempt", exempt) if exempt else (True, "Compliant", "")


def _by_an_end(turn: Turn, found: Iterable[model.PolicyViolation]) -> bool:
    """All of them were allowed until an exemption ended."""
    policies, now = turn.policies, turn.now
    return all(exemptions.ended(policies, policy=it.policy, rule=it.rule, at=now) for it in found)


def _state(turn: Turn) -> model.PolicyState | None:
    """As status can hold it, so that what was told before is known again."""
    policies = turn.policies
    if not policies:
        return None
    broken = judge.violations(policies, _case(turn), at=turn.now)
    beside = (*admission.violations(turn), *_told(turn), *_gates_tried_out(turn))
    found = sorted((*broken, *beside), key=_weight)
    kept = (replace(it, message=it.message[:TEXT]) for it in found[:VIOLATIONS_MAX_ITEMS])
    return model.PolicyState(
        sources=sources(turn), violations=tuple(kept), defaults=turn.seen.defaults
    )


def _told(turn: Turn) -> Iterator[model.PolicyViolation]:
    """The circuit breakers that hold nobody, and would."""
    for one in _tripped(turn, model.EnforcementAction.WARN, model.EnforcementAction.AUDIT):
        action = one.policy.action_of(breaker.RULE)
        yield model.PolicyViolation(
            rule=breaker.RULE, policy=one.policy.id, action=action, message=_breaks(one)
        )


def _gates_tried_out(turn: Turn) -> Iterator[model.PolicyViolation]:
    for policy, one in policy_gates.tried_out(turn):
        point = f"{one.before_weight:g} % of the users" if one.before_weight else "the promotion"
        yield model.PolicyViolation(
            rule=gates.RULE,
            policy=policy.id,
            action=policy.action_of(gates.RULE),
            message=f"gate {one.gate.name} would be asked before {point}",
        )


def _weight(violation: model.PolicyViolation) -> int:
    """What is enforced comes first: status has room for so many only."""
    return list(model.EnforcementAction).index(violation.action)


def case_of(spec: model.Spec, status: model.Status) -> Case:
    """What is judged of a ModelDeployment: its running plan, else that of its next rollout."""
    rollout = status.active_rollout
    if rollout is not None and not rollout.ending:
        return _running(spec, status, rollout)
    serves = status.stable is not None and status.stable.revision
    return Case(spec=spec, plan=plan_of(spec) if serves else first_plan())


def _case(turn: Turn) -> Case:
    """With the smoke test that will run, which no edit of the spec changes, and with the last rollback."""
    frozen = turn.seen.frozen_for(turn.active_rollout)
    template = objects.at(frozen.spec, *_SMOKE_TEST) if frozen is not None else None
    job = objects.mapping(template) if frozen is not None else None
    return replace(
        case_of(turn.spec, turn.status),
        smoke_test=job,
        rolled_back_at=rolled_back_at(turn.seen.records),
        now=turn.now,
    )


def rolled_back_at(records: Iterable[model.KeptRecord]) -> datetime | None:
    """When a version that requests had reached was last taken back, by these records."""
    back = {model.RolloutResult.ROLLED_BACK, model.RolloutResult.ABORTED}
    return max((it.finished_at for it in records if it.reached and it.result in back), default=None)


def sources(turn: Turn) -> tuple[str, ...]:
    """The policies that apply, each with its version."""
    return tuple(it.source for it in turn.policies)


def _begins(turn: Turn, rollout: model.Rollout) -> bool:
    """The active stage would give more than there is; a bake does where it lost what it had."""
    stage, step = rollout.stage, rollout.step
    if stage is None or (stage.kind is model.StageKind.BAKE and not rollout.withdrawn):
        return False
    if step is not None and step.confirmed_at is not None:
        return False
    if stage.kind is model.StageKind.FIRST and _is_met(turn, rollout):
        return False
    if _fails_over(turn.status.failover, rollout):
        return True
    return not policy_gates.is_given(rollout)


def _is_met(turn: Turn, rollout: model.Rollout) -> bool:
    """Requests are sent to it, whatever was meant."""
    revision, traffic = rollout.revision.hash, turn.seen.traffic
    return revision in traffic.answering or traffic.mirrors.get(revision, 0.0) > 0


def _fails_over(known: model.Failover | None, rollout: model.Rollout) -> bool:
    """It has what it has because stable is down."""
    moved = known is not None and known.moved_at is not None
    return moved and known is not None and known.revision == rollout.revision.hash


def _running(spec: model.Spec, status: model.Status, rollout: model.Rollout) -> Case:
    known = status.failover
    share = rollout.exposure.live_percent
    if known is not None and _fails_over(known, rollout):
        share = known.percent_before
    before = rollout.judged_stage
    if before is not None and before.confirmed_at is not None:
        share = max(share, before.exposure.live_percent)  # what it lost with its pods it gets again
    at = rollout.step.index if rollout.step is not None else 0
    return Case(spec=spec, plan=rollout.plan, at=at, share=share)
