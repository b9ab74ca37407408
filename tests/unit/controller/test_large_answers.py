"""What is too large for one answer is asked for in parts, and counted as if it had been small."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from analyst_bench import Bench, Tsdb, flow, metric, run

from tidegate import model
from tidegate.controller.analysis import fetch, look
from tidegate.model import Verdict
from tidegate.ports import Fatal, Ok, RawAnswer, Result, Retryable

SLOW = metric("latency-p95", threshold=model.NO_THRESHOLD)
MANY_EDGES = tuple(f"{0.05 * number:.2f}" for number in range(1, 41))


@dataclass
class Bounded(Tsdb):
    """Refuses answers above some bytes, as the adapter does, or gives them up as too slow."""

    most_bytes: int = 0
    slow: bool = False
    refused: int = 0
    largest: int = 0

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> Result[RawAnswer]:
        result = await super().query(source, promql=promql, at=at, namespace=namespace)
        if not isinstance(result, Ok):
            return result
        size = len(json.dumps(result.value.result))
        if size > self.most_bytes:
            self.refused += 1
            if self.slow:
                return Retryable(message="the answer came too slowly")
            return Fatal(reason="TooLarge", message="the answer is too large")
        self.largest = max(self.largest, size)
        return result


def _bench(
    *metrics: model.Metric,
    pods: int,
    most_bytes: int,
    edges: Sequence[str] = (),
    slow: bool = False,
) -> tuple[Bench, Bounded]:
    """Stable has so many pods; everything is served by sources with a bound."""
    bench = Bench(*(metrics or (metric(), SLOW)), candidate=flow(0.0, per_second=40.0))
    (candidate, stable, _) = bench.tsdb.pods
    shape = {"edges": tuple(edges)} if edges else {}
    everybody = [
        replace(candidate, **shape),
        *(replace(stable, name=f"{index}", per_second=60.0, **shape) for index in range(pods)),
    ]
    source = Bounded(pods=everybody, most_bytes=most_bytes, slow=slow)
    bench.tsdb = source
    bench.restart()
    return bench, source


def _after(bench: Bench, *, away: float, seconds: float = 60.0) -> model.AnalysisState:
    """The state after an operator that was away came back."""
    found: list[model.AnalysisState] = []

    async def scenario(bench: Bench) -> None:
        await bench.clock.advance(away)
        found.extend(await bench.states(seconds=seconds, every=15.0))

    run(scenario, bench)
    return found[-1]


BENCHES: dict[str, Callable[[int], tuple[Bench, Bounded]]] = {
    "many pods": lambda most: _bench(pods=8, most_bytes=most),
    "many buckets of one pod": lambda most: _bench(pods=1, most_bytes=most, edges=MANY_EDGES),
}


@pytest.mark.parametrize("case", BENCHES)
@pytest.mark.parametrize("most_bytes", [120_000, 24_000])
def test_a_restart_counts_the_same_rows_from_several_smaller_answers(
    case: str, most_bytes: int
) -> None:
    free, _ = BENCHES[case](10**9)
    tight, source = BENCHES[case](most_bytes)

    expected, state = _after(free, away=1500.0), _after(tight, away=1500.0)

    assert source.refused > 0
    assert 0 < source.largest <= most_bytes
    assert state.digest == expected.digest != ""
    assert (state.verdict, state.reason) == (expected.verdict, expected.reason)
    assert state.reason not in {"Error", "MetricsUnavailable"}


def test_what_was_too_large_is_not_tried_again_at_every_look() -> None:
    bench, source = BENCHES["many pods"](24_000)
    _after(bench, away=1500.0)
    refused = source.refused

    _after(bench, away=0.0, seconds=120.0)

    assert source.refused <= refused + 4


def test_an_answer_that_never_comes_in_time_is_asked_for_in_shorter_spans() -> None:
    bench, source = _bench(pods=8, most_bytes=60_000, slow=True)

    state = _after(bench, away=1500.0, seconds=600.0)

    assert source.refused > 0
    assert state.reason != "MetricsUnavailable", state.message
    assert [it.candidate.total > 0 for it in state.results] == [True, True, True]


@pytest.mark.parametrize(
    ("most_bytes", "says"),
    [
        pytest.param(20_000, "of stable's history the last ", id="shorter"),
        pytest.param(1_500, "stable's history could not be read: ", id="none"),
    ],
)
def test_what_could_not_be_read_of_the_history_stands_in_status(most_bytes: int, says: str) -> None:
    bench, _ = _bench(SLOW, pods=1, most_bytes=most_bytes, edges=MANY_EDGES)

    state = _after(bench, away=10.0, seconds=30.0)

    (estimate,) = state.estimates
    assert says in estimate.text


@pytest.mark.parametrize(
    ("most", "says"),
    [
        pytest.param(3_000, "of stable's history the last ", id="shorter"),
        pytest.param(300, "samples are more than the 300 that are read of it", id="none"),
    ],
)
def test_no_more_samples_of_the_history_are_kept_than_said(
    most: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "MAX_HISTORY_SAMPLES", most)
    bench, _ = _bench(SLOW, pods=1, most_bytes=10**9, edges=MANY_EDGES)

    state = _after(bench, away=10.0, seconds=30.0)

    (estimate,) = state.estimates
    assert says in estimate.text


def test_what_is_too_many_samples_at_once_is_counted_in_shorter_spans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free, _ = BENCHES["many buckets of one pod"](10**9)
    expected = _after(free, away=1500.0)
    monkeypatch.setattr(fetch, "MAX_SAMPLES", 4_000)
    tight, _ = BENCHES["many buckets of one pod"](10**9)

    state = _after(tight, away=1500.0)

    assert state.digest == expected.digest != ""


def test_more_samples_than_any_span_may_have_are_named_and_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetch, "MAX_SAMPLES", 10)
    bench, _ = BENCHES["many buckets of one pod"](10**9)

    state = _after(bench, away=600.0)

    assert (state.verdict, state.reason) == (Verdict.HOLD, "Error")
    assert "more than 10 samples" in state.message


def test_what_fits_in_no_part_is_an_error_that_says_so_and_holds() -> None:
    bench, _ = _bench(pods=4, most_bytes=300)

    state = _after(bench, away=600.0, seconds=120.0)

    assert state.verdict is Verdict.HOLD
    assert state.reason == "Error"
    assert "too large" in state.message
