"""Numbers of status that move with each evaluation.

They are refreshed only together with a change that matters, so that a steady rollout writes nothing
(invariant S9).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tidegate import model
from tidegate.rollout.turn import Turn

ALL_PERCENT = 100.0


def results(turn: Turn) -> tuple[model.MetricResult, ...]:
    """The newest results of all metrics.

    After the last step those that promoted stay until one fails: people are not to read of a
    promoted version that it is undecided.
    """
    newest, kept = turn.seen.analysis.results, turn.status.analysis
    rollout = turn.seen.status.rollout
    stage = rollout.stage if rollout is not None else None
    promoting = stage is not None and stage.kind is model.StageKind.SWITCH
    failed = any(one.outcome is model.Outcome.FAIL and not one.dry_run for one in newest)
    if promoting and kept and not failed:
        return kept
    return newest or kept


def observed(rollout: model.Rollout, percent: float) -> model.Rollout:
    """The rollout with the candidate's measured part of all counted requests.

    Beside a mirror that says how many of the users' requests, all of them stable's, were copied.
    """
    if rollout.exposure.mirror_percent <= 0:
        return replace(
            rollout, observed_candidate_percent=round(percent, 2), observed_mirror_percent=None
        )
    if rollout.exposure.answers_users or percent >= ALL_PERCENT:
        return rollout  # answers and copies are counted alike
    copied = round(100 * percent / (ALL_PERCENT - percent), 2)
    return replace(rollout, observed_mirror_percent=copied)


def counted(turn: Turn, role: model.RevisionStatus | None) -> model.RevisionStatus | None:
    """The role with the pods that its revision has now."""
    state = turn.state_of(role.revision) if role is not None else None
    if role is None or state is None:
        return role
    if (role.replicas, role.ready_replicas) == (state.wanted, state.ready):
        return role
    return replace(role, replicas=state.wanted, ready_replicas=state.ready)


def pods(turn: Turn) -> int:
    """Pods that there are, of all revisions: those that the selector of the scale subresource finds."""
    return sum(state.pods for state in turn.seen.revisions.values())


def without_movement(status: model.Status, old: model.Status) -> model.Status:
    """`status` with the moving numbers of `old`, where they moved without crossing a line."""
    rollout = status.rollout
    if rollout is not None and old.rollout is not None:
        rollout = replace(
            rollout,
            observed_candidate_percent=old.rollout.observed_candidate_percent,
            observed_mirror_percent=old.rollout.observed_mirror_percent,
        )
    same_outcomes = _outcomes(status.analysis) == _outcomes(old.analysis)
    return replace(
        status,
        rollout=rollout,
        analysis=old.analysis if same_outcomes else status.analysis,
        stable=_steady(status.stable, old.stable),
        candidate=_steady(status.candidate, old.candidate),
        previous=_steady(status.previous, old.previous),
        epoch=old.epoch,
    )


def _outcomes(results: Iterable[model.MetricResult]) -> list[tuple[str, str, str]]:
    return [(r.name, r.outcome, r.reason) for r in results]


def _steady(
    new: model.RevisionStatus | None, old: model.RevisionStatus | None
) -> model.RevisionStatus | None:
    """`old` while both have no, some, or all of their pods ready."""
    if new is None or old is None or _fullness(new) != _fullness(old):
        return new
    return replace(new, ready_replicas=old.ready_replicas, replicas=old.replicas)


def _fullness(role: model.RevisionStatus) -> tuple[bool, bool, int]:
    return role.ready_replicas > 0, role.ready_replicas >= role.replicas, role.replicas
