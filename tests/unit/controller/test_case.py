"""The interval table of a rollout: the same after restarts and failures, and proof against junk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import beside
import evidence_build as build
import port_fakes
import pytest
from analyst_bench import START, Bench, Pod, metric, run, two_sources
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_source import Row

from tidegate import model
from tidegate.model import Outcome, Verdict
from tidegate.ports import Fatal, Ok, RawAnswer

# The same lines thousands of times: the tables cover them, and a tracer doubles the time.
pytestmark = pytest.mark.no_cover

NO_LIMIT = model.NO_THRESHOLD
LATENCY = {"threshold": NO_LIMIT, "preset": "latency-p95"}


def erring(**more: object) -> Pod:
    fields: dict[str, Any] = {"error_share": 0.012, "born_at": START - 300, "bad_from": START}
    return Pod(**{"revision": build.CANDIDATE, **fields, **more})


def scene(**more: Any) -> Bench:
    """Two metrics, errors and slow requests, a pod that comes and goes, and restarted counters."""
    bench = Bench(
        metric(),
        metric("slow", dry_run=True, **LATENCY),  # harm would end the table
        candidate=erring(slow_share=0.01),
        stable_error_share=0.01,
        **more,
    )
    bench.tsdb.pods += [
        erring(name="late", born_at=START + 400, bad_from=START + 400),
        erring(name="gone", dies_at=START + 500),
        Pod(revision=build.STABLE, name="again", restarts_at=START + 640, error_share=0.02),
        Pod(revision=build.STABLE, name="other", edges=("0.1", "0.25", "0.5", "2.5")),
    ]
    return bench


# --- the same after a restart --------------------------------------------------------------------


async def digest_after(bench: Bench, *, restarts: tuple[int, ...] = (), until: int = 900) -> str:
    """The digest of all rows at the end, with looks every scrape and restarts in between."""
    instants = sorted({*restarts, until})
    for at in instants:
        await bench.states(seconds=at - bench.clock.monotonic(), every=15.0)
        bench.restart()
    return (await bench.state()).digest


@cache
def undisturbed(late_seconds: float) -> str:
    """The digest of the scene when nothing happens; samples come so late."""
    bench = scene()
    bench.tsdb.late_seconds = late_seconds
    return asyncio.run(digest_after(bench))


@pytest.mark.parametrize("late_seconds", [14.0, 0.0])  # the tests below share the second scene
def test_restarts_at_any_moment_change_no_row(late_seconds: float) -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.late_seconds = late_seconds

        assert await digest_after(bench, restarts=(75, 105, 165, 420, 510, 780)) == calm

    calm = undisturbed(late_seconds)
    assert calm
    run(scenario, scene())


@pytest.mark.parametrize("ahead_seconds", [15.0, 30.0, 3600.0])
def test_a_clock_that_was_ahead_for_a_while_changes_no_row(ahead_seconds: float) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=300, every=15.0)
        bench.clock.wall_offset_seconds = bench.tsdb.late_seconds = ahead_seconds
        await bench.states(seconds=45, every=15.0)
        bench.clock.wall_offset_seconds = bench.tsdb.late_seconds = 0.0
        (*_, after) = await bench.states(seconds=900 - bench.clock.monotonic(), every=15.0)

        assert after.digest == calm

    calm = undisturbed(0.0)
    run(scenario, scene())


def test_a_restart_changes_no_verdict_and_no_number() -> None:
    async def scenario(bench: Bench) -> None:
        (*_, before) = await bench.states(seconds=1000)
        bench.restart()
        after = await bench.state()

        assert _undated(after) == _undated(before)

    run(scenario, scene())


def _undated(state: model.AnalysisState) -> model.AnalysisState:
    """A restart looks at once, and not only after the next scrape."""
    return replace(state, results=tuple(replace(one, evaluated_at=None) for one in state.results))


@pytest.mark.parametrize("hours", [2, 25])
def test_a_long_rollout_is_counted_in_pieces_after_a_restart(hours: int) -> None:
    async def scenario(bench: Bench) -> None:
        bench.edit(spec=_with_interval(bench.request.spec, 300.0))
        await bench.states(seconds=hours * 3600, every=300)
        before = await bench.state()
        bench.restart()
        spans = len(bench.tsdb.queries)
        after = await bench.state()
        while after.message.endswith("still being counted"):
            await bench.clock.advance(300)
            after = await bench.state()

        assert len(bench.tsdb.queries) - spans >= hours
        assert after.results[0].intervals >= before.results[0].intervals > hours * 10

    run(scenario)


def test_sources_that_scrape_at_different_times_share_one_grid() -> None:
    async def scenario(bench: Bench) -> None:
        slower = replace(bench.sources["other"], scrape_interval_seconds=60.0)
        bench.sources = {**bench.sources, "other": slower}
        bench.restart()
        (*_, before) = await bench.states(seconds=3 * 3600, every=60)
        lengths = {row["t1"] - row["t0"] for row in bench.rows()}
        bench.restart()
        after = await bench.state()

        assert lengths == {120.0}
        assert (after.verdict, after.digest) == (before.verdict, before.digest)
        assert {it.outcome for it in after.results} == {Outcome.PASS}

    run(scenario, two_sources())


def _with_interval(spec: model.Spec, seconds: float) -> model.Spec:
    return replace(spec, analysis=replace(spec.analysis, interval_seconds=seconds))


# --- one source fails ----------------------------------------------------------------------------


def test_what_a_source_missed_is_filled_in_as_if_it_had_never_failed() -> None:
    async def scenario(bench: Bench) -> None:
        calm = two_sources(candidate=erring(error_share=0.0))
        (*_, undisturbed) = await calm.states(seconds=900)
        await bench.states(seconds=300)
        bench.tsdb.down.add("other")
        (*_, down) = await bench.states(seconds=300)
        bench.tsdb.down.clear()
        (*_, state) = await bench.states(seconds=300)

        assert (down.verdict, down.reason) == (Verdict.HOLD, "MetricsUnavailable")
        assert down.consecutive_errors >= 20  # one per scrape of the source that answers
        assert down.without_data_since == port_fakes.EPOCH + timedelta(seconds=300.5)
        intervals = {it.name: it.intervals for it in down.results}
        assert intervals["error-ratio"] > intervals["answers"] > 0
        assert state.digest == undisturbed.digest
        assert state.results == undisturbed.results
        assert (state.consecutive_errors, state.without_data_since) == (0, None)

    run(scenario, two_sources(candidate=erring(error_share=0.0)))


@pytest.mark.parametrize("how", ["down", "hanging"])
@pytest.mark.parametrize("since", [0, 200])
def test_the_other_metrics_are_judged_while_a_source_fails(how: str, since: int) -> None:
    async def scenario(bench: Bench) -> None:
        bench.give_up_soon("other")
        if since:
            await bench.states(seconds=since)
        getattr(bench.tsdb, how).add("other")
        async with asyncio.timeout(beside.PATIENCE_SECONDS):
            (*_, state) = await bench.states(seconds=300, every=15)

        assert state.verdict is Verdict.ROLL_BACK
        outcomes = {it.name: it.outcome for it in state.results}
        assert outcomes["error-ratio"] is Outcome.FAIL
        assert outcomes["answers"] is Outcome.ERROR

    run(scenario, two_sources(candidate=erring(error_share=0.5, bad_from=START + 150)))


def test_history_that_could_not_be_read_is_asked_again() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.down.add("default")
        assert (await bench.state()).estimates == ()
        states = await bench.states(seconds=150)
        assert {it.reason for it in states} == {"Warmup", "MetricsUnavailable"}

        bench.tsdb.down.clear()
        (*_, state) = await bench.states(seconds=150)
        assert len(state.estimates) == 1
        assert state.results[0].dispersion_source == "Measured"

    run(scenario, Bench(candidate=erring(), stable_error_share=0.01))


def test_a_dry_run_whose_source_is_down_counts_no_error() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.down.add("other")
        (*_, state) = await bench.states(seconds=600)

        assert state.verdict is Verdict.ADVANCE
        assert (state.consecutive_errors, state.without_data_since) == (0, None)
        assert state.results[1].outcome is Outcome.ERROR

    run(scenario, two_sources(dry_run=True))


# --- bad input -----------------------------------------------------------------------------------


def _nan(rows: list[Row]) -> None:
    for row in rows:
        row["values"] = [[at, "NaN"] for at, _ in row["values"]]


def _negative(rows: list[Row]) -> None:
    for row in rows:
        row["values"] = [[at, f"-{text}"] for at, text in row["values"]]


def _stale(rows: list[Row]) -> None:
    for row in rows:
        row["values"] = [[at, text] for at, text in row["values"] if at <= START + 130]


def _no_stable(rows: list[Row]) -> None:
    rows[:] = [row for row in rows if row["metric"]["revision"] != build.STABLE]


def _no_candidate(rows: list[Row]) -> None:
    rows[:] = [row for row in rows if row["metric"]["revision"] != build.CANDIDATE]


def _few_buckets(rows: list[Row]) -> None:
    rows[:] = [row for row in rows if row["metric"].get("le", "0.1") in {"0.1", "0.5", "+Inf"}]


def _idle(rows: list[Row]) -> None:
    for row in rows:
        row["values"] = [[at, "7"] for at, _ in row["values"]]


def _huge(rows: list[Row]) -> None:
    for row in rows:
        row["values"] = [[at, f"{1.7e308 if at > START + 90 else 0}"] for at, _ in row["values"]]


SPOILT: dict[str, tuple[Callable[[list[Row]], None], dict[str, object], str]] = {
    "NaN": (_nan, {}, "NoData"),
    "negative counters": (_negative, {}, "NoData"),
    "stale": (_stale, {}, "Stale"),
    "no stable": (_no_stable, {}, "NoBaseline"),
    "no candidate": (_no_candidate, {}, "NoData"),
    "no requests": (_idle, {}, "NoData"),
    "numbers that are no counts": (_huge, {}, "Stale"),
    "few buckets": (_few_buckets, LATENCY, "IncompatibleBuckets"),
    "no buckets": (_no_candidate, LATENCY, "NoData"),
    "a limit above all buckets": (
        lambda _: None,
        {**LATENCY, "threshold": model.Threshold(max=30)},
        "Saturated",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_data_that_cannot_be_used_hold_with_their_reason(case: str) -> None:
    spoil, fields, reason = SPOILT[case]

    async def scenario(bench: Bench) -> None:
        bench.tsdb.spoil = lambda rows, _: spoil(rows)
        states = await bench.states(seconds=190)

        assert {it.verdict for it in states} == {Verdict.HOLD}
        assert states[-1].reason == reason, states[-1].message
        assert states[-1].without_data_since is not None
        assert not states[-1].only_proof_is_missing or reason == "NoBaseline"
        results = {it.name: it.reason for it in states[-1].results}
        assert results["judged"] == reason

    run(scenario, Bench(metric("judged", **{"preset": "error-ratio", **fields})))


def test_a_guard_without_usable_data_keeps_the_others_from_advancing() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.spoil = lambda rows, promql: _few_buckets(rows) if "bucket" in promql else None
        (*_, state) = await bench.states(seconds=600)

        assert (state.verdict, state.reason) == (Verdict.HOLD, "IncompatibleBuckets")
        results = {it.name: it.outcome for it in state.results}
        assert results["error-ratio"] is Outcome.PASS

    run(scenario, Bench(metric(), metric("slow", **LATENCY)))


def test_usable_data_after_bad_ones_are_judged() -> None:
    async def scenario(bench: Bench) -> None:
        def spoil(rows: list[Row], _: str) -> None:
            if bench.clock.monotonic() < 300:
                _nan(rows)

        bench.tsdb.spoil = spoil
        await bench.states(seconds=300)
        (*_, state) = await bench.states(seconds=300)

        assert state.verdict is Verdict.ADVANCE

    run(scenario, Bench())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Ok(RawAnswer(result_type="matrix", result=[], warnings=("a",))), "MetricsUnavailable"),
        (Fatal(reason="TooLarge", message="the answer is larger than 4 MiB"), "Error"),
        (Fatal(reason="Status403", message="403"), "MetricsUnavailable"),
        (Ok(RawAnswer(result_type="", result=None)), "Error"),
    ],
)
def test_answers_that_are_no_data_hold(answer: object, reason: str) -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.answer = lambda _: answer  # type: ignore[assignment,return-value]
        states = await bench.states(seconds=200)

        assert {it.verdict for it in states} == {Verdict.HOLD}
        assert states[-1].reason in {reason, "MetricsUnavailable"}
        assert states[-1].results[0].outcome is Outcome.ERROR

    run(scenario, Bench())


_TEXTS = st.sampled_from(["1", "-1", "NaN", "+Inf", "1e308", "7e307", "x", "", "3"]) | st.text()
_INSTANTS = (
    st.sampled_from([START + 60 + 15 * k for k in range(8)]) | st.floats() | st.just(10**400)
)
_SAMPLES = st.lists(st.tuples(_INSTANTS, _TEXTS).map(list), max_size=8)
_LABELS = st.fixed_dictionaries(
    {
        "namespace": st.just("ml"),
        "model_deployment": st.just("iris"),
        "revision": st.sampled_from([build.CANDIDATE, build.STABLE]),
    },
    optional={
        "pod": st.sampled_from(["a", "b"]),
        "le": st.sampled_from(["0.1", "1", "1.0", "-Inf", "+Inf", "NaN", "9"]) | st.text(),
        "status_code": st.sampled_from(["200", "500", "5" * 300]),
    },
)
_ROWS = st.lists(st.fixed_dictionaries({"metric": _LABELS, "values": _SAMPLES}), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(_ROWS | _JSON)
def test_no_answer_whatsoever_raises_or_advances(result: Any) -> None:
    async def scenario(bench: Bench) -> None:
        answer = Ok(RawAnswer(result_type="matrix", result=result))
        bench.tsdb.answer = lambda _: answer
        states = await bench.states(seconds=240, every=30)

        assert Verdict.ADVANCE not in {it.verdict for it in states}

    slow = metric("slow", preset="latency-p99", threshold=model.Threshold(max=1), critical=True)
    run(scenario, Bench(metric(), slow))
