from __future__ import annotations

from dataclasses import replace

import pytest
from evidence_build import END, arm, look

from tidegate.evidence import history
from tidegate.evidence.model import Measurement, Problem, Reason, StepEvidence

NOTHING = StepEvidence(requests=7)


def _problem(reason: Reason) -> Measurement:
    return look(arm(problem=Problem(reason=reason, message="")))


def _record(evidence: StepEvidence, at: float, **measurements: Measurement) -> StepEvidence:
    return history.record(
        evidence,
        measurements=measurements,
        required=frozenset({"a", "b"}),
        keep=3,
        at=at,
    )


def test_looks_with_new_samples_are_kept_up_to_the_limit() -> None:
    evidence = NOTHING
    for index in range(5):
        evidence = _record(evidence, END, a=look(arm(newest=END + index)))

    assert [it.candidate.newest for it in evidence.tracks["a"].history] == [1062, 1063, 1064]
    assert evidence.requests == 7


def test_a_look_without_a_new_sample_does_not_count_but_is_shown() -> None:
    first = _record(NOTHING, END, a=look(arm(0.1)))
    second = _record(first, END + 5, a=look(arm(0.2)))

    assert second.tracks["a"].latest.candidate.value == 0.2
    assert len(second.tracks["a"].history) == 1


def test_a_look_without_data_does_not_count() -> None:
    evidence = _record(NOTHING, END, a=_problem(Reason.NO_DATA), b=look(arm(newest=None)))

    assert evidence.tracks["a"].history == ()
    assert evidence.tracks["b"].history == ()


@pytest.mark.parametrize(
    ("reason", "errors"),
    [
        (Reason.METRICS_UNAVAILABLE, 2),
        (Reason.ERROR, 2),
        (Reason.NO_DATA, 0),
        (Reason.STALE, 0),
    ],
)
def test_errors_in_a_row_and_the_time_without_data_are_counted(reason: Reason, errors: int) -> None:
    evidence = NOTHING
    for at in (100.0, 105.0):
        evidence = _record(evidence, at, a=_problem(reason), b=look(arm()))

    assert evidence.consecutive_errors == errors
    assert evidence.without_data_since == 100.0


def test_one_good_look_ends_both() -> None:
    evidence = replace(NOTHING, consecutive_errors=4, without_data_since=1.0)

    evidence = _record(evidence, END, a=look(arm()), b=look(arm()))

    assert evidence.consecutive_errors == 0
    assert evidence.without_data_since is None


def test_metrics_that_never_act_count_neither() -> None:
    evidence = _record(NOTHING, END, a=look(arm()), dry=_problem(Reason.ERROR))

    assert evidence.consecutive_errors == 0
    assert evidence.without_data_since is None


def test_a_metric_that_is_gone_is_forgotten() -> None:
    evidence = _record(NOTHING, END, a=look(arm()), b=look(arm()))

    assert _record(evidence, END, a=look(arm())).tracks.keys() == {"a"}
