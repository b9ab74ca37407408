"""Which changes of status are written at once, and which may wait for the next write."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from status_examples import FULL_STATUS, NOON

from tidegate import model
from tidegate.evidence.terms import Reason
from tidegate.rollout.worth import Worth, worth

ROLLOUT = FULL_STATUS.rollout
assert ROLLOUT is not None
ROW = replace(
    FULL_STATUS.analysis[0], outcome=model.Outcome.INCONCLUSIVE, reason=Reason.INSUFFICIENT
)


def condition(type_: str, status: str, reason: str, message: str = "") -> model.Condition:
    return model.Condition(
        type=type_,
        status=status,
        reason=reason,
        message=message,
        last_transition_at=NOON,
        observed_generation=7,
    )


CONDITIONS = (
    condition("Ready", "False", "RolloutInProgress", "serving 1.4.0"),
    condition("AnalysisPassing", "Unknown", "Warmup"),
    condition("TrafficProgrammed", "True", "RouteAccepted"),
    condition("Available", "True", "StableReady"),
    condition("EvidenceReady", "True", "SeriesFound", "errors: prometheus has them"),
)
FOUND = model.Preflight(
    metric="errors",
    source="prometheus",
    reason=model.PreflightReason.SERIES_FOUND,
    ready=True,
    message="prometheus has them",
)
STATUS = replace(FULL_STATUS, analysis=(ROW,), conditions=CONDITIONS, evidence=(FOUND,))


def with_condition(changed: model.Condition) -> model.Status:
    others = (one for one in CONDITIONS if one.type != changed.type)
    return replace(STATUS, conditions=(*others, changed))


def reordered(changed: model.Condition) -> model.Status:
    """The conditions in the order of before, one of them changed."""
    new = {one.type: one for one in with_condition(changed).conditions}
    return replace(STATUS, conditions=tuple(new[one.type] for one in CONDITIONS))


def with_rollout(**changes: object) -> model.Status:
    assert STATUS.rollout is not None
    return replace(STATUS, rollout=replace(STATUS.rollout, **changes))  # type: ignore[arg-type]


def with_row(outcome: model.Outcome, reason: str) -> model.Status:
    return replace(STATUS, analysis=(replace(ROW, outcome=outcome, reason=reason),))


def with_series(**changes: Any) -> model.Status:
    return replace(STATUS, evidence=(replace(FOUND, **changes),))


def sized(role: model.RevisionStatus | None, replicas: int, ready: int) -> model.RevisionStatus:
    assert role is not None
    return replace(role, replicas=replicas, ready_replicas=ready)


def other_wait(reason: model.Waiting, message: str) -> model.Status:
    wait = model.WaitingFor(reason=reason, since=NOON, message=message)
    return with_rollout(waiting_for=wait)


WAITS = other_wait(model.Waiting.PODS_NOT_READY, "1 of 5 pods ready")
EVIDENCE = {
    "a metric has its first results": with_row(model.Outcome.INCONCLUSIVE, Reason.UNDECIDED),
    "a metric is proven": with_row(model.Outcome.PASS, Reason.NON_INFERIOR),
    "the verdict is good": reordered(condition("AnalysisPassing", "True", "AllPassing")),
    "no metric was looked at yet": replace(STATUS, analysis=()),
    "pods of the one before": replace(STATUS, previous=sized(STATUS.previous, 0, 0)),
    "pods of all": replace(STATUS, replicas=STATUS.replicas + 1),
    "where series are that are found as before": with_series(message="of another revision"),
    "words of a condition about them": reordered(
        condition("EvidenceReady", "True", "SeriesFound", "of another revision")
    ),
}
WORDS = {
    "message": replace(STATUS, message="serving 1.4.0; 1.5.0 waits"),
    "words of health": replace(STATUS, health_message="1.5.0 waits"),
    "pods of stable": replace(STATUS, stable=sized(STATUS.stable, 6, 0)),
    "pods of the candidate": replace(STATUS, candidate=sized(STATUS.candidate, 8, 8)),
    "last progress": with_rollout(progress_at=NOON + timedelta(hours=1)),
    "rows of the preflight": replace(STATUS, evidence=()),
    "series that are missing now": with_series(
        ready=False, reason=model.PreflightReason.METRIC_MISSING
    ),
    "series of another source": with_series(source="thanos"),
    "a source is silent": with_row(model.Outcome.NO_DATA, Reason.NO_DATA),
    "a metric of the candidate alone fails": with_row(model.Outcome.FAIL, Reason.LIMIT),
    "an incident of both": reordered(condition("AnalysisPassing", "Unknown", "SharedIncident")),
    "words of a condition": reordered(condition("Ready", "False", "RolloutInProgress", "new")),
    "our own write of the route is on its way": reordered(
        condition("TrafficProgrammed", "False", "RouteNotProgrammed", "Pending")
    ),
}
NOW = {
    "a condition that people wait for": reordered(condition("Ready", "True", "Serving")),
    "another reason of it": reordered(condition("Ready", "False", "Paused")),
    "a breach": reordered(condition("AnalysisPassing", "False", "Breached")),
    "a write that is refused": reordered(
        condition("TrafficProgrammed", "False", "WeightNotWritten")
    ),
    "evidence is out of reach": reordered(
        condition("EvidenceReady", "False", "MetricMissing", "errors")
    ),
    "a foreign edit": reordered(condition("TrafficProgrammed", "False", "TrafficDrift")),
    "a condition more": replace(STATUS, conditions=(*CONDITIONS, condition("X", "True", "X"))),
    "a condition less": replace(STATUS, conditions=CONDITIONS[1:]),
    "another wait": other_wait(model.Waiting.CAPACITY, "no node has room"),
    "no wait any more": with_rollout(waiting_for=None),
    "no candidate any more": replace(STATUS, candidate=None),
    "words and a phase": replace(STATUS, message="new", phase=model.Phase.HEALTHY),
    "no rollout": replace(STATUS, rollout=None),
}


@pytest.mark.parametrize("what", sorted(EVIDENCE))
def test_the_course_of_a_step_is_only_told(what: str) -> None:
    assert worth(EVIDENCE[what], STATUS) is Worth.EVIDENCE


@pytest.mark.parametrize("what", sorted(EVIDENCE))
def test_at_rest_no_other_write_will_take_it_along(what: str) -> None:
    assert ROLLOUT is not None
    ended = {"rollout": replace(ROLLOUT, active=False), "retiring": ()}
    new, old = replace(EVIDENCE[what], **ended), replace(STATUS, **ended)
    assert worth(new, old) is Worth.WORDS
    retiring = {**ended, "retiring": (model.Retiring(revision="0a", scale_down_at=NOON),)}
    assert worth(replace(new, **retiring), replace(old, **retiring)) is Worth.EVIDENCE


@pytest.mark.parametrize("what", sorted(WORDS))
def test_words_and_numbers_may_wait(what: str) -> None:
    assert worth(WORDS[what], STATUS) is Worth.WORDS


@pytest.mark.parametrize("what", sorted(NOW))
def test_what_somebody_waits_for_is_written_at_once(what: str) -> None:
    assert worth(NOW[what], STATUS) is Worth.NOW


def test_new_words_of_the_same_wait_may_wait() -> None:
    later = other_wait(model.Waiting.PODS_NOT_READY, "2 of 5 pods ready")
    assert worth(later, WAITS) is Worth.WORDS


@pytest.mark.parametrize("name", ["observed_candidate_percent", "observed_mirror_percent"])
def test_a_measured_share_is_told_first_and_when_it_has_moved(name: str) -> None:
    before = with_rollout(**{name: 50.0})
    assert worth(before, with_rollout(**{name: None})) is Worth.EVIDENCE
    assert worth(with_rollout(**{name: 54.9}), before) is Worth.NOTHING
    assert worth(with_rollout(**{name: 45.0}), before) is Worth.EVIDENCE
    assert worth(with_rollout(**{name: None}, exposure=model.NO_TRAFFIC), STATUS) is Worth.NOW


def test_moving_numbers_alone_are_worth_nothing() -> None:
    moved = replace(ROW, value=0.9, evidence=1.0)
    assert worth(replace(STATUS, analysis=(moved,), epoch=99), STATUS) is Worth.NOTHING
    assert worth(STATUS, STATUS) is Worth.NOTHING
    assert worth(replace(STATUS), STATUS) is Worth.NOTHING


SHOWN = {"message", "health_message", "evidence", "epoch", "conditions", "analysis", "replicas"}


@pytest.mark.parametrize(
    "name", sorted({field.name for field in dataclasses.fields(model.Status)} - SHOWN)
)
def test_every_other_field_is_written_at_once(name: str) -> None:
    """Whatever a later release adds is durable before anything is done, unless it is named."""
    lost = replace(STATUS, **{name: getattr(model.Status(), name)})
    assert getattr(lost, name) != getattr(STATUS, name)
    assert worth(lost, STATUS) is Worth.NOW


ROLLOUTS_SHOWN = {
    "progress_at",
    "observed_candidate_percent",
    "observed_mirror_percent",
    "waiting_for",
}


@pytest.mark.parametrize(
    "name", sorted({field.name for field in dataclasses.fields(model.Rollout)} - ROLLOUTS_SHOWN)
)
def test_every_other_field_of_a_rollout_is_written_at_once(name: str) -> None:
    assert ROLLOUT is not None
    assert worth(with_rollout(**{name: object()}), STATUS) is Worth.NOW
