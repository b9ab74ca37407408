"""How rollouts start: the first revision, a new one, one that replaces a running one."""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import ending, links, plan, record, waiting
from tidegate.rollout.turn import Turn

CONFIRM_LOOK_SECONDS = 1.0


def follow_spec(turn: Turn) -> Turn:
    """Start, replace or cancel a rollout so that the spec's revision is the one worked on."""
    desired = turn.seen.desired
    assert desired is not None
    if turn.status.desired != desired:
        turn = turn.with_status(replace(turn.status, desired=desired))
    rollout = turn.active_rollout
    if rollout is None:
        return _start_if_new(turn, desired)
    if rollout.revision.hash == desired.hash:
        return turn
    if ending.marked_as_rolled_back(turn):
        # Whoever decided it died before status said so; replacing the rollout must not lose it.
        turn = ending.reject(turn, reason=ending.FOUND_MARKED, by="Analysis")
    if desired.hash == turn.stable:
        return _back_to_stable(turn)
    text = f"{rollout.revision.model_version} replaced by {desired.model_version}"
    turn = ending.cancel(turn, result=model.RolloutResult.SUPERSEDED, reason=text)
    return _start_if_new(turn.say("Superseded", text), desired)


def _back_to_stable(turn: Turn) -> Turn:
    """Spec asks for what serves: the candidate leaves at once, without steps or rejection."""
    rollout = turn.rollout
    text = f"spec returned to {turn.seen.desired.model_version}" if turn.seen.desired else ""
    turn = ending.cancel(turn, result=model.RolloutResult.ABORTED, reason=text)
    return turn.say("Superseded", f"{rollout.revision.model_version} left: {text}")


def _start_if_new(turn: Turn, desired: model.Revision) -> Turn:
    if desired.hash == turn.stable:
        return turn
    if any(r.revision == desired.hash for r in turn.status.rejected):
        return turn
    return start(turn, desired)


def start(turn: Turn, desired: model.Revision) -> Turn:
    """Begin an attempt for `desired`: freeze the plan; pods and traffic follow."""
    attempt = record.next_attempt(turn, desired.hash)
    first = not turn.stable
    stable = turn.status.stable
    steps = () if first else plan.freeze(turn.spec)
    rollout = model.Rollout(
        id=f"{turn.seen.meta.name}-{desired.hash}-{attempt}",
        revision=desired,
        attempt=attempt,
        active=True,
        started_at=turn.now,
        progress_at=turn.now,
        plan=steps,
        stage=model.Phase.INITIALIZING if first else model.Phase.PENDING,
        analysis_key=turn.spec.analysis.key,
        model_name=turn.spec.model.name,
        model_uri=turn.spec.model.uri,
        from_revision=stable.revision if stable is not None else "",
        from_model_version=stable.model_version if stable is not None else "",
    )
    candidate = model.RevisionStatus(
        revision=desired.hash, model_version=desired.model_version, since=turn.now
    )
    # What was measured belongs to the candidate before, who may have been replaced just now.
    fresh = replace(
        turn.seen, analysis=model.AnalysisState(), ready_url_failure="", ready_url_warning=""
    )
    turn = replace(turn, seen=fresh)
    retiring = tuple(r for r in turn.status.retiring if r.revision != desired.hash)
    status = replace(
        turn.status, rollout=rollout, candidate=candidate, retiring=retiring, analysis=()
    )
    turn = turn.with_status(status).say(
        "RolloutStarted", f"{desired.model_version} (revision {desired.hash}), attempt {attempt}"
    )
    return plan.name_rounding(turn)


def work_initializing(turn: Turn) -> Turn:
    """Serve the first revision directly once it is ready; there is nothing to compare it with."""
    rollout = turn.rollout
    revision = rollout.revision.hash
    finding = links.missing_link(turn, 100.0)
    if finding is not None:
        return _wait_or_fail(turn, finding)
    turn = waiting.stop_waiting(turn, only=waiting.ANY - {model.Waiting.ROUTE_NOT_READY})
    traffic = turn.seen.traffic
    serves = traffic.weights.get(revision, 0.0) >= 100 and traffic.entry_exists
    if not serves:
        action = actions.SetTraffic(stable=revision, candidate="", split=model.NO_TRAFFIC)
        return turn.act(action).look_again(CONFIRM_LOOK_SECONDS)
    if not traffic.accepted:
        message = f"{traffic.pending_reason}: {traffic.pending_message}".strip(": ")
        return _wait_or_fail(
            turn, links.Finding(reason=model.Waiting.ROUTE_NOT_READY, message=message)
        )
    turn = ending.become_stable(links.warn_unreachable(turn))
    turn = ending.close(
        turn, result=model.RolloutResult.PROMOTED, reason="first revision is ready", by="Readiness"
    )
    return turn.say("Promoted", f"{rollout.revision.model_version} serves all traffic")


def _wait_or_fail(turn: Turn, finding: links.Finding) -> Turn:
    waited = turn.stalled_seconds
    deadline = turn.spec.progress_deadline_seconds
    if waited >= deadline:
        reason = f"not ready after {deadline:.0f}s: {finding.message}"
        return ending.roll_back(turn, reason=reason, by="Deadline")
    turn = links.wait_for(turn, finding)
    return turn.look_again(min(deadline - waited + 0.1, 60.0))
