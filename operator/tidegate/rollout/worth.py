"""What a change of status is worth: a write at once, one that may wait for the next, or none.

What a crash must not lose, and what people or Argo CD wait for, is written at once: that is every
field that is not named here. What only tells of the course of things may wait a while, since the
next write takes it along; what has changed back by then is never written.
Source: docs/adr/0033.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tidegate import model
from tidegate.evidence.terms import Reason
from tidegate.rollout import numbers, serving

ANALYSIS, EVIDENCE, TRAFFIC = "AnalysisPassing", "EvidenceReady", "TrafficProgrammed"
# The ordinary course of a step: its evidence begins, grows, and is enough.
_COURSE: Final = frozenset(
    {
        *(Reason.WARMUP, Reason.INSUFFICIENT, Reason.UNDECIDED, Reason.INCONCLUSIVE),
        Reason.INCOMPLETE,
        *(Reason.NON_INFERIOR, Reason.NO_HARM_FOUND, "AllPassing", "NotRunning", ""),
    }
)
# A route is not programmed for a moment after each of our own writes.
_ROUTE_COURSE: Final = frozenset({"RouteAccepted", "RouteNotProgrammed"})


class Worth(enum.Enum):
    """How soon a changed status has to be written."""

    NOTHING = enum.auto()
    EVIDENCE = enum.auto()
    WORDS = enum.auto()
    NOW = enum.auto()


def worth(new: model.Status, old: model.Status) -> Worth:
    """What it is worth to write `new` where `old` stands in the cluster."""
    if new is old:  # as `conditions.describe` gives it back where nothing that matters has changed
        return Worth.NOTHING
    steady = numbers.without_movement(new, old)
    if steady == old:
        return Worth.NOTHING
    course = _without_course(steady, old)
    if course == old:
        return Worth.EVIDENCE if _is_under_way(new) else Worth.WORDS
    return Worth.WORDS if _without_words(course, old) == old else Worth.NOW


def _is_under_way(status: model.Status) -> bool:
    """A write that takes everything along is still to come: a rollout goes on, or pods leave."""
    return status.active_rollout is not None or bool(status.retiring)


def _without_course(new: model.Status, old: model.Status) -> model.Status:
    """`new` with the judgements of `old`, where both are the ordinary course of things.

    So are the pods of a revision that leaves, where the series are that are found as before, and the
    shares that are measured of an exposure.
    """
    rows = all(_is_course(one) for one in (*new.analysis, *old.analysis))
    return replace(
        new,
        analysis=old.analysis if rows else new.analysis,
        evidence=old.evidence if _found(new) == _found(old) else new.evidence,
        rollout=_measured(new.rollout, old.rollout),
        previous=_sized(new.previous, old.previous),
        replicas=old.replicas,
        conditions=_merged(new, old, kept=_same_course),
    )


def _measured(new: model.Rollout | None, old: model.Rollout | None) -> model.Rollout | None:
    if new is None or old is None:
        return new
    return replace(
        new,
        observed_candidate_percent=old.observed_candidate_percent,
        observed_mirror_percent=old.observed_mirror_percent,
    )


def _found(status: model.Status) -> list[tuple[str, str, object]]:
    """The rows of the preflight without words where nothing is amiss."""
    return [(one.metric, one.source, one.reason if one.ready else one) for one in status.evidence]


def _is_course(row: model.MetricResult) -> bool:
    return row.reason in _COURSE and row.outcome in {model.Outcome.PASS, model.Outcome.INCONCLUSIVE}


def _same_course(new: model.Condition, old: model.Condition) -> bool:
    if new.type == EVIDENCE:
        return new.status == "True" and (new.status, new.reason) == (old.status, old.reason)
    return new.type == ANALYSIS and {new.reason, old.reason} <= _COURSE


def _without_words(new: model.Status, old: model.Status) -> model.Status:
    """`new` with the words and numbers for readers that stand in `old`."""
    new = replace(new, rollout=_measured(new.rollout, old.rollout))
    return replace(
        new,
        message=old.message,
        health_message=old.health_message,
        analysis=old.analysis,
        evidence=old.evidence,
        monitoring=serving.without_course(new.monitoring, old.monitoring),
        stable=_sized(new.stable, old.stable),
        candidate=_sized(new.candidate, old.candidate),
        previous=_sized(new.previous, old.previous),
        replicas=old.replicas,
        rollout=_rollout(new.rollout, old.rollout),
        conditions=_merged(new, old, kept=_say_the_same),
    )


def _say_the_same(new: model.Condition, old: model.Condition) -> bool:
    """Only words differ, or what is judged or routed is on its way; a breach is told at once."""
    if (new.status, new.reason) == (old.status, old.reason):
        return True
    if new.type == ANALYSIS:
        return new.status != "False"
    return new.type == TRAFFIC and {new.reason, old.reason} <= _ROUTE_COURSE


def _sized(
    new: model.RevisionStatus | None, old: model.RevisionStatus | None
) -> model.RevisionStatus | None:
    if new is None or old is None:
        return new
    return replace(new, replicas=old.replicas, ready_replicas=old.ready_replicas)


def _rollout(new: model.Rollout | None, old: model.Rollout | None) -> model.Rollout | None:
    """The last progress is found again from the same pods, so it may be written late."""
    if new is None or old is None:
        return new
    waits, waited = new.waiting_for, old.waiting_for
    same_wait = waits is not None and waited is not None and waits.reason is waited.reason
    return replace(
        new,
        progress_at=old.progress_at,
        waiting_for=waited if same_wait else waits,
    )


def _merged(
    new: model.Status,
    old: model.Status,
    *,
    kept: Callable[[model.Condition, model.Condition], bool],
) -> tuple[model.Condition, ...]:
    """The conditions of `new`, and those of `old` in place of what may stay."""
    known = {one.type: one for one in old.conditions}
    pairs = ((one, known.get(one.type)) for one in new.conditions)
    return tuple(was if was is not None and kept(one, was) else one for one, was in pairs)
