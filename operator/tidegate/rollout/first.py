"""The first revision: it serves as soon as it is ready, since there is nothing to compare it with."""

from __future__ import annotations

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import admission, ending, lateness, links, plan, policies, waiting
from tidegate.rollout.turn import CONFIRM_LOOK_SECONDS, Turn


def work(turn: Turn) -> Turn:
    """One pass: ready, then written, then confirmed; at the progress deadline it fails."""
    rollout = turn.rollout
    revision = rollout.revision.hash
    if held := policies.held(turn) or _paused(turn):
        return waiting.wait_for(turn, *held)
    turn = admission.admit(waiting.stop_waiting(turn, only=waiting.BY_POLICIES))
    finding = links.missing_link(turn, 100.0)
    if finding is not None and finding == links.route_unusable(turn):
        turn = turn.act(_write(revision))  # a route of the user may come after our Services
    if finding is not None:
        return _wait_or_fail(turn, finding)
    turn = waiting.stop_waiting(turn, only=waiting.ANY - {model.Waiting.ROUTE_NOT_READY})
    traffic = turn.seen.traffic
    serves = traffic.weights.get(revision, 0.0) >= 100 and traffic.entry_exists
    if not serves:
        return turn.act(_write(revision)).look_again(CONFIRM_LOOK_SECONDS)
    if not traffic.accepted:
        message = f"{traffic.pending_reason}: {traffic.pending_message}".strip(": ")
        return _wait_or_fail(
            turn, links.Finding(reason=model.Waiting.ROUTE_NOT_READY, message=message)
        )
    turn = plan.end_step(links.warn_unreachable(turn), model.StepState.PASSED)
    turn = ending.close(
        ending.become_stable(turn),
        result=model.RolloutResult.PROMOTED,
        reason="first revision is ready",
        by="Readiness",
    )
    return turn.say("Promoted", f"{rollout.revision.model_version} serves all traffic")


def _paused(turn: Turn) -> tuple[model.Waiting, str] | None:
    """Somebody wants nobody to be answered by it yet; 0 pods are a size, and no pause."""
    return None if turn.spec.replicas == 0 else waiting.asked_to_pause(turn)


def _write(revision: str) -> actions.SetTraffic:
    return actions.SetTraffic(stable=revision, candidate="", exposure=model.NO_TRAFFIC)


def _wait_or_fail(turn: Turn, finding: links.Finding) -> Turn:
    tried = links.wait_for(turn, finding)
    left = turn.spec.progress_deadline_seconds - turn.stalled_seconds
    if left > 0:
        return tried.look_again(min(left + 0.1, 60.0))
    return lateness.give_up(turn, tried=tried, load=100.0)
