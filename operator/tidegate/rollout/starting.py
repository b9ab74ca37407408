"""How rollouts start: the first revision, a new one, one that replaces a running one."""

from __future__ import annotations

from dataclasses import replace

from tidegate import model
from tidegate.rollout import (
    completion,
    conditions,
    ending,
    failover,
    plan,
    policies,
    reach,
    record,
    returning,
)
from tidegate.rollout.strategy.compile import first_plan, plan_of
from tidegate.rollout.turn import Turn


def follow_spec(turn: Turn) -> Turn:
    """Start, replace or cancel a rollout so that the spec's revision is the one worked on."""
    desired = turn.desired
    if turn.status.desired != desired:
        turn = turn.with_status(replace(turn.status, desired=desired))
    rollout = turn.active_rollout
    if rollout is None:
        return _return_if_drifted(_start_if_new(turn, desired))
    if rollout.revision.hash == desired.hash or returning.goes_on(turn):
        return turn
    if rollout.ending:
        return follow_on(_let_go(turn))
    if ending.marked_as_rolled_back(turn):
        # Whoever decided it died before status said so; replacing the rollout must not lose it.
        turn = ending.reject(turn, reason=ending.FOUND_MARKED, by="Analysis")
    return follow_on(_supersede(turn, desired))


def follow_on(turn: Turn) -> Turn:
    """What spec asks for begins as soon as no other rollout is on its way out."""
    return turn if turn.active_rollout is not None else _start_if_new(turn, turn.desired)


def _let_go(turn: Turn) -> Turn:
    """A rollback that was written but that nobody confirms does not keep a new revision away."""
    late = conditions.rollback_unconfirmed(turn) and ending.has_no_traffic(turn)
    return ending.finish(turn) if late else turn


def _supersede(turn: Turn, desired: model.Revision) -> Turn:
    """The candidate leaves without rejection, and what spec asks for comes after it."""
    left = turn.rollout.revision.model_version
    if desired.hash == turn.stable:
        text = f"spec returned to {desired.model_version}"
        return ending.cancel(turn, reason=text).say("Superseded", f"{left} left: {text}")
    text = f"{left} replaced by {desired.model_version}"
    return ending.cancel(turn, reason=text).say("Superseded", text)


def _start_if_new(turn: Turn, desired: model.Revision) -> Turn:
    if desired.hash == turn.stable:
        return turn
    if turn.status.rejects(desired.hash) or completion.is_completed(turn):
        return turn
    return start(turn, desired)


def _return_if_drifted(turn: Turn) -> Turn:
    """What served before comes back where the watch found a drift and the user asked for that."""
    way = returning.due(turn)
    if way is None:
        return turn
    turn = returning.begun(turn, way)
    return start(turn, way.back_to.revision, made_of=way.back_to.model, cause=way.cause)


def start(
    turn: Turn, desired: model.Revision, *, made_of: model.Model | None = None, cause: str = ""
) -> Turn:
    """Begin an attempt for `desired`: freeze the plan; pods and traffic follow.

    What spec does not ask for has a `cause`, and is `made_of` another model than spec names.
    """
    made_of = made_of or turn.spec.model
    attempt = record.next_attempt(turn, desired.hash)
    stable = turn.status.stable
    rollout = model.Rollout(
        id=f"{turn.seen.meta.name}-{desired.hash}-{attempt}",
        revision=desired,
        attempt=attempt,
        active=True,
        started_at=turn.now,
        progress_at=turn.now,
        plan=plan_of(turn.spec) if turn.stable else first_plan(),
        analysis_key=turn.spec.analysis.key,
        model_name=made_of.name,
        model_uri=made_of.uri,
        policies=policies.sources(turn),
        defaults=turn.seen.defaults,
        from_revision=stable.revision if stable is not None else "",
        from_model_version=stable.model_version if stable is not None else "",
        cause=cause,
    )
    candidate = model.RevisionStatus(
        revision=desired.hash, model_version=desired.model_version, since=turn.now
    )
    # What was measured belongs to the candidate before, who may have been replaced just now.
    fresh = replace(
        turn.seen,
        analysis=model.AnalysisState(),
        ready_url_failure="",
        ready_url_warning="",
        ready_url_awaited="",
        probed=None,
        smoke_test=None,
    )
    turn = replace(turn, seen=fresh)
    retiring = tuple(r for r in turn.status.retiring if r.revision != desired.hash)
    status = replace(
        turn.status, rollout=rollout, candidate=candidate, retiring=retiring, analysis=()
    )
    turn = turn.with_status(status).say(
        "RolloutStarted", f"{desired.model_version} (revision {desired.hash}), attempt {attempt}"
    )
    return _skip_steps(reach.go_on(turn, after=-1))


def _skip_steps(turn: Turn) -> Turn:
    """What served a short while ago needs no proof again, and where no pods are there is none."""
    if not turn.stable:
        return turn
    if turn.served_before(turn.rollout.revision.hash):
        text = f"{turn.rollout.revision.model_version} served before and returns without steps"
        return reach.promote_fully(turn).say("ReturnsAtOnce", text)
    if turn.spec.replicas == 0:
        return reach.skip_steps(turn)
    return failover.taken_along(plan.name_rounding(turn))
