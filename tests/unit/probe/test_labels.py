"""Labels come later, and are counted by when their prediction was made."""

from __future__ import annotations

import pytest
from probe_examples import NAMED, SCORED, fraud, reading, readings
from prometheus_client import CollectorRegistry

from tidegate_probe import Monitor, Profile
from tidegate_probe.cohorts import MOST_COHORTS
from tidegate_probe.fields import Positive

NOON = 1_796_040_000.0  # 2026-11-30T12:00Z
HOUR = 3600


class Scene:
    """A monitor whose time a test moves."""

    def __init__(
        self, positive: Positive | None, *, remember: int = 1000, cohort_seconds: int = HOUR
    ) -> None:
        self.now = NOON
        self.registry = CollectorRegistry()
        self.monitor = Monitor(
            fraud(positive=positive),
            registry=self.registry,
            clock=lambda: self.now,
            remember=remember,
            cohort_seconds=cohort_seconds,
        )

    def predict(self, name: str, *, score: object = None, kind: object = None) -> None:
        self.monitor.observe({}, {"score": score, "class": kind}, prediction_id=name)

    def read(self, metric: str) -> dict[str, float]:
        return readings(self.registry, metric)


def test_cohorts_are_of_the_prediction_not_of_the_label() -> None:
    scene = Scene(SCORED)
    scene.predict("a", score=0.9)
    scene.now += HOUR
    scene.predict("b", score=0.9)
    scene.monitor.label("a", 1)
    assert scene.read("labelled_total") == {"2026-11-30T12:00Z": 1}
    assert scene.read("cohort_predictions_total") == {
        "2026-11-30T12:00Z": 1,
        "2026-11-30T13:00Z": 1,
    }
    later = reading(scene.registry, "labelled_total", cohort="2026-11-30T13:00Z")
    assert later == 0


@pytest.mark.parametrize(
    ("score", "label", "outcome"),
    [
        (0.5, 1, "tp"),
        (0.5, False, "fp"),
        (0.49, "1", "fn"),
        (0.49, "false", "tn"),
        (3.0, True, "tp"),
        (-3.0, 0.0, "tn"),
    ],
)
def test_outcomes_of_a_score(score: float, label: object, outcome: str) -> None:
    scene = Scene(SCORED)
    scene.predict("a", score=score)
    scene.monitor.label("a", label)
    assert scene.read("outcomes_total") == {f"2026-11-30T12:00Z/{outcome}": 1}
    right = {"2026-11-30T12:00Z": 1.0} if outcome[0] == "t" else {}
    assert scene.read("correct_total") == right


@pytest.mark.parametrize(
    ("kind", "label", "outcome"),
    [("fraud", "fraud", "tp"), ("fraud", "good", "fp"), ("good", True, "fn"), ("x", "good", "tn")],
)
def test_outcomes_of_a_class(kind: str, label: object, outcome: str) -> None:
    scene = Scene(NAMED)
    scene.predict("a", kind=kind)
    scene.monitor.label("a", label)
    assert scene.read("outcomes_total") == {f"2026-11-30T12:00Z/{outcome}": 1}


@pytest.mark.parametrize(("label", "right"), [("good", 1), ("fraud", 0), ("unheard of", 0)])
def test_classes_without_a_positive_one(label: str, right: int) -> None:
    scene = Scene(None)
    scene.predict("a", kind="good")
    scene.monitor.label("a", label)
    assert sum(scene.read("correct_total").values()) == right
    assert scene.read("labelled_total") == {"2026-11-30T12:00Z": 1}
    assert scene.read("outcomes_total") == {}


def test_labels_of_a_model_without_classes_are_unknown() -> None:
    registry = CollectorRegistry()
    scores = Profile("m", "1", 100, fraud().features, {"score": fraud().outputs["score"]})
    monitor = Monitor(scores, registry=registry)
    monitor.observe({}, {"score": 0.5}, prediction_id="a")
    monitor.label("a", 0.5)
    assert readings(registry, "unmatched_labels_total") == {"unknown": 1}


def test_a_label_counts_once() -> None:
    scene = Scene(SCORED)
    scene.predict("a", score=0.9)
    for _ in range(3):
        scene.monitor.label("a", 1)
    assert scene.read("labelled_total") == {"2026-11-30T12:00Z": 1}
    assert scene.read("unmatched_labels_total") == {"unknown": 2}


@pytest.mark.parametrize("label", [2, 0.5, "yes", None, "", [1], float("nan")])
def test_a_label_that_says_nothing_is_a_failure_and_the_prediction_waits_on(label: object) -> None:
    scene = Scene(SCORED)
    scene.predict("a", score=0.9)
    scene.monitor.label("a", label)
    assert scene.read("failures_total") == {"label": 1}
    assert scene.read("labelled_total") == {}
    scene.monitor.label("a", 1)
    assert scene.read("labelled_total") == {"2026-11-30T12:00Z": 1}


@pytest.mark.parametrize("label", [None, "", float("nan"), ["good"]])
@pytest.mark.parametrize("positive", [None, NAMED])
def test_a_class_that_says_nothing_is_a_failure(positive: Positive | None, label: object) -> None:
    scene = Scene(positive)
    scene.predict("a", kind="good")
    scene.monitor.label("a", label)
    assert scene.read("failures_total") == {"label": 1}
    assert scene.read("labelled_total") == {}


@pytest.mark.parametrize(("at", "reason"), [(NOON - 1, "before_prediction"), (NOON, None)])
def test_a_truth_older_than_its_prediction(at: float, reason: str | None) -> None:
    scene = Scene(SCORED)
    scene.predict("a", score=0.9)
    scene.monitor.label("a", 1, at=at)
    assert scene.read("unmatched_labels_total") == ({reason: 1} if reason else {})


def test_the_oldest_predictions_are_forgotten_first() -> None:
    scene = Scene(SCORED, remember=2)
    for name in "abc":
        scene.predict(name, score=0.9)
    for name in "abc":
        scene.monitor.label(name, 1)
    assert scene.read("labelled_total") == {"2026-11-30T12:00Z": 2}
    assert scene.read("unmatched_labels_total") == {"unknown": 1}


def test_a_monitor_may_remember_nothing() -> None:
    scene = Scene(SCORED, remember=0)
    scene.predict("a", score=0.9)
    scene.monitor.label("a", 1)
    assert scene.read("cohort_predictions_total") == {}
    assert scene.read("unmatched_labels_total") == {"unknown": 1}


@pytest.mark.parametrize("positive", [SCORED, None])
def test_old_cohorts_go_with_their_series(positive: Positive | None) -> None:
    scene = Scene(positive)
    scene.predict("first", score=0.9, kind="good")
    for _ in range(MOST_COHORTS):
        scene.now += HOUR
        scene.predict(f"at {scene.now}", score=0.9, kind="good")
    cohorts = scene.read("cohort_predictions_total")
    assert len(cohorts) == MOST_COHORTS
    assert "2026-11-30T12:00Z" not in cohorts
    scene.monitor.label("first", 1)
    assert scene.read("unmatched_labels_total") == {"expired": 1}


def test_a_clock_that_jumps_back_reopens_no_old_cohort() -> None:
    scene = Scene(SCORED)
    for hour in range(MOST_COHORTS):
        scene.now = NOON + hour * HOUR
        scene.predict(str(hour), score=0.9)
    scene.now = NOON - HOUR
    scene.predict("early", score=0.9)
    scene.monitor.label("early", 1)
    assert scene.read("unmatched_labels_total") == {"expired": 1}
    assert len(scene.read("cohort_predictions_total")) == MOST_COHORTS


def test_the_width_of_a_cohort() -> None:
    scene = Scene(SCORED, cohort_seconds=24 * HOUR)
    scene.predict("a", score=0.9)
    assert scene.read("cohort_predictions_total") == {"2026-11-30T00:00Z": 1}
    for seconds in (0, 90, -60):
        with pytest.raises(ValueError, match="a multiple of 60"):
            Scene(SCORED, cohort_seconds=seconds)


@pytest.mark.parametrize("name", ["", "x" * 257, 7])
def test_an_unusable_identifier_is_a_failure_of_a_counted_prediction(name: object) -> None:
    scene = Scene(SCORED)
    scene.monitor.observe({}, {"score": 0.9}, prediction_id=name)  # type: ignore[arg-type]
    assert scene.read("failures_total") == {"observe": 1}
    assert reading(scene.registry, "predictions_total") == 1


@pytest.mark.parametrize("positive", [SCORED, NAMED, None])
@pytest.mark.parametrize("said", [None, float("nan"), "x" * 257])
def test_a_prediction_that_says_nothing_waits_for_no_label(
    positive: Positive | None, said: object
) -> None:
    scene = Scene(positive)
    scene.predict("a", score=said, kind=said)
    scene.monitor.label("a", 1)
    assert scene.read("unmatched_labels_total") == {"unknown": 1}
    assert scene.read("failures_total") == {}
