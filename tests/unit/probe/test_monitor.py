"""A monitor counts every prediction once, and never fails one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe_examples import fraud, reading, readings
from prometheus_client import CollectorRegistry

from tidegate_probe import Monitor, ProfileError

NOON = 1_796_040_000.0  # 2026-11-30T12:00Z


class Clock:
    """Time as a test wants it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Breaks(Mapping[str, object]):
    """Features of a server that has gone wrong: whatever is asked of them fails."""

    def __getitem__(self, key: str) -> object:
        raise RuntimeError(f"the value of {key} is secret")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("the names are secret")

    def __len__(self) -> int:
        raise RuntimeError("the number is secret")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def monitor(registry: CollectorRegistry, clock: Clock) -> Monitor:
    return Monitor(fraud(), registry=registry, clock=clock)


def test_every_bin_of_the_profile_is_exported_from_the_start(
    monitor: Monitor, registry: CollectorRegistry
) -> None:
    for name, field in monitor.profile.features.items():
        for label in field.bins.labels:
            assert reading(registry, "feature_observations_total", feature=name, bin=label) == 0
    assert reading(registry, "failures_total", stage="observe") == 0


def test_one_prediction(monitor: Monitor, registry: CollectorRegistry) -> None:
    monitor.observe(
        {"amount": 1.5, "country": "XX", "unknown": 1}, {"score": 0.75, "class": "good"}
    )
    assert readings(registry, "feature_observations_total") == {"2/amount": 1, "other/country": 1}
    assert readings(registry, "output_observations_total") == {"0.9/score": 1, "good/class": 1}
    assert reading(registry, "predictions_total") == 1
    assert readings(registry, "scored_total") == {"positive": 1}
    assert readings(registry, "score_sum_total") == {"positive": 0.75}


def test_what_is_not_given_is_missing(monitor: Monitor, registry: CollectorRegistry) -> None:
    monitor.observe({"amount": None})
    observed = readings(registry, "feature_observations_total")
    assert observed == {"missing/amount": 1, "missing/country": 1}
    assert readings(registry, "output_observations_total") == {
        "missing/class": 1,
        "missing/score": 1,
    }
    assert readings(registry, "scored_total") == {}


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf"), 10**400, "0.5", None])
def test_a_score_that_is_no_chance_is_not_summed(
    monitor: Monitor, registry: CollectorRegistry, score: object
) -> None:
    monitor.observe({}, {"score": score})
    assert readings(registry, "scored_total") == {}
    assert readings(registry, "failures_total") == {}
    assert reading(registry, "predictions_total") == 1


VALUES = st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=3), st.booleans())
ROWS = st.lists(
    st.fixed_dictionaries(
        {}, optional={"amount": VALUES, "country": st.sampled_from(["DE", "FR", "XX", 3])}
    ),
    min_size=1,
    max_size=20,
)


@given(rows=ROWS, scores=st.lists(VALUES, min_size=20, max_size=20))
def test_a_batch_is_counted_as_its_rows_are(
    rows: list[dict[str, object]], scores: list[object]
) -> None:
    single, batch = CollectorRegistry(), CollectorRegistry()
    one_by_one = Monitor(fraud(), registry=single)
    for row, score in zip(rows, scores, strict=False):
        one_by_one.observe(row, {"score": score})
    columns = {name: [row.get(name) for row in rows] for name in ("amount", "country")}
    Monitor(fraud(), registry=batch).observe_batch(columns, {"score": scores[: len(rows)]})
    for metric in ("feature_observations", "output_observations", "predictions", "scored"):
        assert readings(single, f"{metric}_total") == readings(batch, f"{metric}_total")
    assert readings(batch, "failures_total") == {}
    for field in ("amount", "country"):
        observed = readings(batch, "feature_observations_total", feature=field)
        assert sum(observed.values()) == len(rows)


def test_a_batch_of_arrays(monitor: Monitor, registry: CollectorRegistry) -> None:
    monitor.observe_batch(
        {"amount": np.array([0.1, 1.0, np.nan]), "country": np.array(["DE", "FR", "DE"])},
        {"score": np.array([0.2, 0.5, 0.95], dtype=np.float64)},
        prediction_ids=["a", "b", "c"],
    )
    assert readings(registry, "feature_observations_total", feature="amount") == {
        "0.5": 1,
        "2": 1,
        "missing": 1,
    }
    assert readings(registry, "scored_total") == {"negative": 1, "positive": 2}
    assert readings(registry, "score_sum_total") == {"negative": 0.2, "positive": 1.45}
    monitor.label("b", 1)
    assert sum(readings(registry, "correct_total").values()) == 1


@pytest.mark.parametrize(
    ("features", "ids"),
    [
        ({}, ()),
        ({"amount": [1.0], "country": ["DE", "FR"]}, ()),
        ({"amount": [1.0]}, ("a", "b")),
        ({"amount": 3}, ()),
    ],
)
def test_an_uneven_batch_is_a_failure_of_which_nothing_is_counted(
    monitor: Monitor,
    registry: CollectorRegistry,
    features: dict[str, list[object]],
    ids: tuple[str, ...],
) -> None:
    monitor.observe_batch(features, prediction_ids=ids)
    assert readings(registry, "failures_total") == {"observe": 1}
    assert readings(registry, "feature_observations_total") == {}


def test_a_failure_is_counted_and_logged_once_a_minute_without_values(
    monitor: Monitor, registry: CollectorRegistry, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="tidegate_probe"):
        for second in (0, 59, 60):
            clock.now = NOON + second
            monitor.observe(Breaks())
    assert readings(registry, "failures_total") == {"observe": 3}
    assert readings(registry, "feature_observations_total") == {}
    assert caplog.messages == ["observe failed and was not counted: RuntimeError"] * 2


def test_threads_lose_no_count(monitor: Monitor, registry: CollectorRegistry) -> None:
    def predict(at: int) -> None:
        monitor.observe({"amount": at % 3}, {"score": 0.5}, prediction_id=str(at))
        monitor.label(str(at), at % 2)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(predict, range(2000)))
    assert sum(readings(registry, "feature_observations_total", feature="amount").values()) == 2000
    assert readings(registry, "labelled_total") == {"2026-11-30T12:00Z": 2000}
    assert readings(registry, "correct_total") == {"2026-11-30T12:00Z": 1000}


def test_one_monitor_for_a_registry(monitor: Monitor, registry: CollectorRegistry) -> None:
    with pytest.raises(ProfileError, match="close\\(\\) it first"):
        Monitor(fraud(), registry=registry)
    monitor.close()
    assert list(registry.collect()) == []
    Monitor(fraud(), registry=registry).observe({})
    assert reading(registry, "predictions_total") == 1


def test_the_profile_is_told(monitor: Monitor, registry: CollectorRegistry) -> None:
    digest = monitor.profile.digest[:12]
    assert reading(registry, "profile_info", model="fraud", model_version="v7", digest=digest) == 1
