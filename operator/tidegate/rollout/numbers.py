"""Numbers of status that move with each evaluation.

They are refreshed only together with a change that matters, so that a steady rollout writes nothing
(invariant S9).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tidegate import model
from tidegate.rollout import serving
from tidegate.rollout.turn import Turn

ALL_PERCENT = 100.0
# A measured share that is off by less than this is no news.
SHARE_NEWS_POINTS = 5.0


def results(turn: Turn) -> tuple[model.MetricResult, ...]:
    """The newest results of all metrics.

    After the last step those that promoted stay until one fails: people are not to read of a
    promoted version that it is undecided.
    """
    newest, kept = turn.seen.analysis.results, turn.status.analysis
    rollout = turn.seen.status.rollout
    stage = rollout.stage if rollout is not None else None
    promoting = stage is not None and stage.kind is model.StageKind.SWITCH
    failed = any(one.outcome is model.Outcome.FAIL and one.acts for one in newest)
    if promoting and kept and not failed:
        return kept
    return newest or kept


def measured(turn: Turn) -> model.Rollout | None:
    """The rollout with the share that was measured of the exposure that it has.

    What was measured of another exposure says nothing about it, and the step before is judged until
    the present one is confirmed.
    """
    rollout, before = turn.status.rollout, turn.seen.status.rollout
    if rollout is None or not rollout.active:
        return rollout
    if before is not None and before.exposure != rollout.exposure:
        rollout = replace(rollout, observed_candidate_percent=None, observed_mirror_percent=None)
    percent, judged = turn.seen.analysis.observed_candidate_percent, rollout.judged_stage
    if percent is None or judged is None or judged.exposure != rollout.exposure:
        return rollout
    return observed(rollout, percent)


def observed(rollout: model.Rollout, percent: float) -> model.Rollout:
    """The rollout with the candidate's measured part of all counted requests.

    Beside a mirror that says how many of the users' requests were copied. Answers and copies are counted
    alike, so a share of the users is taken to be what was written.
    """
    if rollout.exposure.mirror_percent <= 0:
        return replace(
            rollout, observed_candidate_percent=round(percent, 2), observed_mirror_percent=None
        )
    if percent >= ALL_PERCENT:
        return rollout  # stable answered nobody
    live = rollout.exposure.live_percent
    seen = (ALL_PERCENT - live) * percent / (ALL_PERCENT - percent)
    copied = round(max(seen - live, 0.0), 2)
    return replace(rollout, observed_candidate_percent=None, observed_mirror_percent=copied)


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
    rollout = _with_measured(status.rollout, old.rollout)
    same_outcomes = _outcomes(status.analysis) == _outcomes(old.analysis)
    return replace(
        status,
        rollout=rollout,
        analysis=old.analysis if same_outcomes else status.analysis,
        monitoring=serving.without_movement(status.monitoring, old.monitoring),
        stable=_steady(status.stable, old.stable),
        candidate=_steady(status.candidate, old.candidate),
        previous=_steady(status.previous, old.previous),
        epoch=old.epoch,
    )


def _with_measured(new: model.Rollout | None, old: model.Rollout | None) -> model.Rollout | None:
    """The shares of `old`, while `new` has the same ones and they have hardly moved.

    The first one is measured of few requests: what was read then must not stand for the whole step.
    """
    if new is None or old is None or _has_moved(new, old):
        return new
    return replace(
        new,
        observed_candidate_percent=old.observed_candidate_percent,
        observed_mirror_percent=old.observed_mirror_percent,
    )


def _has_moved(new: model.Rollout, old: model.Rollout) -> bool:
    pairs = (
        (new.observed_candidate_percent, old.observed_candidate_percent),
        (new.observed_mirror_percent, old.observed_mirror_percent),
    )
    return any(_is_news(now, before) for now, before in pairs)


def _is_news(now: float | None, before: float | None) -> bool:
    if now is None or before is None:
        return now is not before
    return abs(now - before) >= SHARE_NEWS_POINTS


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
