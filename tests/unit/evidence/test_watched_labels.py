"""What labels say of a revision that serves: drift from its own first cohorts, and never by missing labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate import model
from tidegate.evidence.drift.cohorts import LabelCounts
from tidegate.evidence.sequential.judgement import Compare
from tidegate.evidence.terms import Measure, Problem, Reason
from tidegate.evidence.verdict import concept, serving
from tidegate.evidence.verdict.concept import BASELINE_COHORTS, WINDOW, Served, Way
from tidegate.evidence.verdict.serving import Look
from tidegate.model import Outcome

HOUR = 3600.0
FIRST = BASELINE_COHORTS
SOUND_AT = FIRST + WINDOW  # cohorts
DOWN = Problem(reason=Reason.METRICS_UNAVAILABLE, message="no answer")

Cohort = Callable[[int], LabelCounts | None]


def way(**more: Any) -> Way:
    fields: dict[str, Any] = {
        "alpha": serving.alpha_of(model.Monitoring(), slice_seconds=HOUR, metrics=1),
        "doubt": 0.01,
        "slice_seconds": HOUR / 2,
        "delay_seconds": HOUR,
        "cohort_seconds": HOUR,
        "measure": Measure.ACCURACY,
        "compare": Compare(),
        "limit": None,
        "failures": 3,
        "out_of": 5,
        "min_samples": 20,
        "queries": "1b4e28ba2f",
        **more,
    }
    return Way(**fields)


WAY = way()
ABSOLUTE = way(compare=None, limit=0.2)


def labels(x: float, *, n: float = 500.0, predictions: float = 1000.0) -> LabelCounts:
    return LabelCounts(predictions=predictions, labelled=n, n=n, x=x)


def usual(index: int) -> LabelCounts:
    return labels(50.0 + index % 3)


def then(after: int, x: float, first: Cohort = usual) -> Cohort:
    return lambda index: labels(x) if index >= after else first(index)


def then_as(after: int, later: Cohort, first: Cohort = usual) -> Cohort:
    return lambda index: later(index) if index >= after else first(index)


class Play:
    """Looks at the full and the half hour. A cohort that is not `delay` old has no label yet."""

    def __init__(self, using: Way = WAY, first: int = 0) -> None:
        self.using, self.state, self.hour = using, Served(), float(first)
        self.looks: list[Look] = []

    def until(self, hour: float, cohort: Cohort, *, kept: int = 100) -> Play:
        while self.hour < hour:
            self.hour += 0.5
            self.look(self.seen(cohort, kept=kept))
        return self

    def seen(self, cohort: Cohort, *, kept: int = 100) -> dict[float, LabelCounts]:
        delay = self.using.delay_seconds / HOUR
        found = {}
        for index in range(max(0, int(self.hour) - kept), int(self.hour) + 1):
            one = cohort(index)
            if one is None:
                continue
            is_late = index + 1 + delay > self.hour
            found[index * HOUR] = replace(one, labelled=0.0, n=0.0, x=0.0) if is_late else one
        return found

    def look(self, observed: concept.ByCohort | Problem) -> Look:
        self.state = concept.resumed(self.state, recorded=None, way=self.using)
        self.state, look = concept.looked(
            self.state, observed=observed, at=self.hour * HOUR, way=self.using
        )
        self.looks.append(look)
        return look

    def restart(self) -> Play:
        """Another process knows what status has recorded, and nothing else."""
        recorded = self.state.baseline
        self.state = concept.resumed(Served(), recorded=recorded, way=self.using)
        return self

    @property
    def newest(self) -> tuple[Outcome, Reason]:
        return self.looks[-1].outcome, self.looks[-1].reason

    @property
    def alarms(self) -> int:
        return sum(one.outcome is Outcome.FAIL for one in self.looks)


@cache
def _sound(using: Way) -> Play:
    play = Play(using).until(SOUND_AT + 4, usual)
    assert play.newest == (Outcome.PASS, Reason.NO_HARM_FOUND), play.looks[-1]
    return play


def sound(using: Way = WAY) -> Play:
    """What has learned its baseline, and was sound for a window."""
    known = _sound(using)
    play = Play(using)
    play.state, play.hour, play.looks = known.state, known.hour, list(known.looks)
    return play


def test_first_cohorts_are_learned_and_then_a_window_is_sound() -> None:
    play = Play().until(FIRST, usual)
    assert play.newest == (Outcome.INCONCLUSIVE, Reason.WARMUP)
    assert "23 of the first 24 cohorts have counted" in play.looks[-1].message
    play.until(FIRST + 5, usual)
    assert play.state.baseline is not None
    assert (play.state.baseline.cohorts, play.state.baseline.total) == (FIRST, 500.0 * FIRST)
    assert "of 12 cohorts have counted" in play.looks[-1].message
    play.until(SOUND_AT + 4, usual)
    assert play.newest == (Outcome.PASS, Reason.NO_HARM_FOUND)
    assert play.looks[-1].value == pytest.approx(0.898, abs=0.002)
    assert not play.alarms


def test_a_drop_is_found_within_a_few_cohorts_and_ends_after_a_sound_window() -> None:
    play = sound()
    began = int(play.hour)
    play.until(began + 8, then(began, 120.0))
    assert play.newest == (Outcome.FAIL, Reason.DRIFT)
    text = play.looks[-1].message
    assert "against 89.8% of 12000 in its first 24 cohorts; below 88" in text, text
    play.until(began + 8 + 3 * WINDOW, lambda i: labels(120.0 if began <= i < began + 8 else 50.0))
    assert play.newest == (Outcome.PASS, Reason.NO_HARM_FOUND)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.5, 0.8])
def test_a_collapse_within_a_cohort_is_found_as_soon_as_one_between_two(part: float) -> None:
    """That cohort lies between the others, so two neighbours differ: one step, and no clumps."""
    play = Play(way(compare=None, limit=0.4)).until(WINDOW + 4, usual)
    began = int(play.hour)
    collapsed = then_as(began + 1, lambda _: labels(495.0), then(began, 495.0 * part))
    play.until(began + 7.0, collapsed)
    assert play.newest[0] is Outcome.FAIL, play.looks[-1]


@pytest.mark.parametrize("x", [52.0, 56.0, 40.0, 0.0])
def test_what_is_tolerated_or_better_is_no_drift(x: float) -> None:
    play = sound()
    play.until(play.hour + 3 * WINDOW, then(int(play.hour), x))
    assert not play.alarms
    assert play.newest[0] is Outcome.PASS


def test_two_bad_cohorts_are_none_however_bad() -> None:
    play = sound()
    began = int(play.hour)
    play.until(began + WINDOW, lambda i: labels(500.0) if i in {began, began + 1} else usual(i))
    assert not play.alarms
    assert play.newest == (Outcome.INCONCLUSIVE, Reason.UNDECIDED)


def test_a_limit_needs_no_baseline_and_half_a_window() -> None:
    play = Play(ABSOLUTE).until(5, lambda _: labels(200.0))
    assert play.newest == (Outcome.INCONCLUSIVE, Reason.WARMUP)
    play.until(9, lambda _: labels(200.0))
    assert play.newest == (Outcome.FAIL, Reason.SLO_BREACH)
    assert "accuracy 60.0% of" in play.looks[-1].message
    assert "below 80.0% in 5 of the last 5 cohorts" in play.looks[-1].message


def test_the_nearer_of_limit_and_baseline_decides() -> None:
    strict = sound(way(limit=0.11))
    strict.until(strict.hour + 10, then(int(strict.hour), 100.0))
    assert strict.newest == (Outcome.FAIL, Reason.SLO_BREACH)
    loose = sound(way(limit=0.5))
    loose.until(loose.hour + 10, then(int(loose.hour), 100.0))
    assert loose.newest == (Outcome.FAIL, Reason.DRIFT)


def test_a_limit_within_which_all_is_sound() -> None:
    play = Play(ABSOLUTE).until(WINDOW + 4, usual)
    assert play.newest == (Outcome.PASS, Reason.NO_HARM_FOUND)
    assert play.state.baseline is None


def test_few_labels_prove_nothing() -> None:
    few = Play(way(compare=None, limit=0.2, min_samples=1000))
    few.until(WINDOW + 4, lambda _: labels(40.0, n=80.0, predictions=160.0))
    assert few.newest == (Outcome.INCONCLUSIVE, Reason.INSUFFICIENT)
    assert "1000 are needed" in few.looks[-1].message


def test_clumps_of_wrong_ones_are_no_drift() -> None:
    """An hour is as wrong as another one is right: its neighbours say so."""
    rng = np.random.default_rng(1)
    play = Play().until(
        60, lambda index: labels(float(25 * np.random.default_rng(index).binomial(20, 0.1)))
    )
    began = int(play.hour)
    worse = [float(25 * rng.binomial(20, 0.12)) for _ in range(50)]
    play.until(began + 24, lambda index: labels(worse[index % 50]))
    assert play.state.baseline is not None
    assert play.state.baseline.dispersion > 5
    assert not play.alarms


# --- missing labels ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cohort", "reason", "says"),
    [
        (lambda _: labels(0.0, n=0.0), "LabelsImmature", "of them are waited for"),
        (lambda _: labels(200.0, n=200.0), "LabelsImmature", "200 labels of 1000 predictions"),
        (
            lambda _: LabelCounts(predictions=100.0, labelled=200.0, n=200.0, x=200.0),
            "UnknownCohort",
            "labels of predictions that nobody counted",
        ),
        (
            lambda _: LabelCounts(predictions=0.0, labelled=200.0, n=200.0, x=200.0),
            "UnknownCohort",
            "200 labels of 0 predictions",
        ),
        (lambda _: None, "NoData", "no predictions are counted since cohort"),
    ],
    ids=["no labels", "few labels", "more labels than predictions", "no prediction", "no cohort"],
)
def test_what_is_missing_begins_nothing_and_ends_nothing(
    cohort: Cohort, reason: str, says: str
) -> None:
    play = sound()
    began = int(play.hour)
    play.until(began + 20, then_as(began - 1, cohort))
    assert play.newest == (Outcome.NO_DATA, Reason(reason)), play.looks[-1]
    assert says in play.looks[-1].message, play.looks[-1]
    assert all(one.outcome is Outcome.NO_DATA for one in play.looks[-8:])
    assert not play.alarms
    drifts = sound().until(began + 10, then(began, 150.0))
    assert drifts.newest[0] is Outcome.FAIL
    drifts.until(began + 30, then_as(began + 9, cohort, then(began, 150.0)))
    assert drifts.newest[0] is Outcome.NO_DATA
    assert not any(one.outcome is Outcome.PASS for one in drifts.looks[-40:])


def test_nothing_at_all_is_named() -> None:
    play = sound()
    known = play.state
    assert play.look({}).reason is Reason.NO_DATA
    assert play.look({play.hour * HOUR: labels(0.0, n=0.0, predictions=0.0)}).message
    assert play.look(DOWN).reason is Reason.METRICS_UNAVAILABLE
    assert play.state == known


def test_a_cohort_that_says_nothing_of_the_measure_counts_for_nothing() -> None:
    play = Play(way(measure=Measure.RECALL))
    empty = LabelCounts(predictions=1000.0, labelled=500.0, n=0.0, x=0.0)
    play.until(8, lambda _: empty)
    assert play.state.baseline is None
    assert play.looks[-1].value is None
    assert "no label counts yet" in play.looks[-1].message


def test_without_final_cohorts_all_predictions_must_have_labels() -> None:
    play = Play(way(delay_seconds=HOUR * 50)).until(53, usual)
    assert play.state.baseline is None
    full = Play(way(delay_seconds=HOUR * 50)).until(53, lambda _: labels(50.0, predictions=500.0))
    assert full.state.baseline is not None


# --- one age -------------------------------------------------------------------------------------


def test_what_was_ripe_before_anybody_looked_is_not_judged() -> None:
    late = Play(first=60).until(63, lambda i: labels(400.0) if i < 58 else usual(i))
    assert late.state.baseline is not None
    assert late.state.baseline.cohorts <= 4
    assert late.state.baseline.bad / late.state.baseline.total < 0.11


def test_cohorts_that_ripen_during_an_outage_of_the_source_are_not_judged() -> None:
    play = sound()
    began = int(play.hour)
    play.hour += 10
    many = len(play.state.judged)
    play.until(began + 11, then(began, 400.0))
    assert len(play.state.judged) <= many + 2


def test_a_cohort_counts_once_whatever_comes_later() -> None:
    play = Play().until(10, usual)
    known = play.state
    for change in (labels(400.0), labels(0.0, n=0.0), labels(50.0)):
        play.look({**play.seen(usual), 3 * HOUR: change})
    assert play.state.baseline == known.baseline
    assert play.state.events == known.events


def test_a_cohort_whose_labels_come_later_than_usual_counts_when_they_have() -> None:
    play = Play().until(10, lambda i: labels(5.0, n=50.0) if i == 8 else usual(i))
    before = play.state.baseline
    play.until(10.5, usual)
    assert before is not None
    assert play.state.baseline is not None
    assert play.state.baseline.cohorts == before.cohorts + 1


@pytest.mark.parametrize("using", [WAY, ABSOLUTE], ids=["compared", "limited"])
def test_a_cohort_that_an_answer_lacks_does_not_count_again(using: Way) -> None:
    play = sound(using)
    bad = int(play.hour)
    play.until(bad + 2, lambda i: labels(500.0) if i == bad else usual(i))
    assert play.state.events[-1] == (500.0, 500.0)
    for _ in range(WINDOW):
        play.hour += 0.25
        seen = play.seen(lambda i: labels(500.0) if i == bad else usual(i))
        play.look({start: one for start, one in seen.items() if start != bad * HOUR})
        play.look(seen)
    assert sum(one == (500.0, 500.0) for one in play.state.events) == 1
    assert not play.alarms


def test_what_has_counted_is_forgotten_once_it_is_gone_and_old() -> None:
    play = sound()
    known = play.state.judged
    play.until(play.hour + 10, usual, kept=4)
    assert len(play.state.judged) <= 4
    assert not play.state.judged & known


# --- another process -----------------------------------------------------------------------------


def test_another_process_goes_on_with_the_baseline() -> None:
    play = Play().until(12, usual)
    assert play.state.baseline is not None
    many = play.state.baseline.cohorts
    play.restart().until(14, usual)
    assert play.state.baseline.cohorts == many + 2
    play.until(SOUND_AT + 6, usual)
    began = int(play.hour)
    play.restart().until(began + 8, then(began, 120.0))
    assert play.newest == (Outcome.FAIL, Reason.DRIFT)


@pytest.mark.parametrize(
    "change", [{"delay_seconds": 2 * HOUR}, {"queries": "0000000000"}], ids=["delay", "queries"]
)
def test_what_is_counted_otherwise_begins_anew(change: dict[str, Any]) -> None:
    play = sound()
    recorded = play.state.baseline
    other = way(**change)
    assert concept.resumed(play.state, recorded=recorded, way=other) == Served(
        counted_as=other.counted_as
    )
    assert concept.resumed(play.state, recorded=None, way=WAY) == play.state
    assert concept.resumed(Served(), recorded=recorded, way=WAY).baseline == recorded


def test_a_baseline_of_no_cohort_replaces_one_that_was_counted_otherwise() -> None:
    play = sound()
    recorded = play.state.baseline
    other = way(queries="0000000000")
    anew = concept.resumed(play.state, recorded=recorded, way=other)
    found = concept.begun_anew(anew, recorded=recorded, at=play.hour * HOUR)
    assert found is not None
    assert (found.cohorts, found.counted_as) == (0, other.counted_as)
    assert concept.resumed(Served(), recorded=found, way=other).baseline is None
    for known, before in ((anew, found), (anew, None), (Served(), recorded)):
        assert concept.begun_anew(known, recorded=before, at=play.hour * HOUR) is None


# --- properties ----------------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    x=st.lists(st.integers(0, 500), min_size=FIRST, max_size=FIRST),
    doubt=st.floats(1e-6, 0.2),
)
def test_what_is_tolerated_is_never_below_the_first_cohorts(x: list[int], doubt: float) -> None:
    play = Play(way(doubt=doubt)).until(FIRST + 3, lambda i: labels(float(x[min(i, FIRST - 1)])))
    first = play.state.baseline
    assert first is not None
    assert first.cohorts == FIRST
    assert first.bad == sum(x)
    again = Play(way(doubt=doubt))
    again.state = replace(play.state, events=((first.total, first.bad),) * WINDOW)
    again.hour = play.hour
    assert again.look(play.seen(usual)).outcome is not Outcome.FAIL


@pytest.mark.parametrize("seed", range(8))
def test_without_change_there_is_no_alarm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = [float(rng.binomial(200, 0.1)) for _ in range(200)]
    play = Play().until(100, lambda i: labels(drawn[i], n=200.0, predictions=250.0), kept=40)
    assert not play.alarms
