"""The watch beside the passes: one query for all, bounded state, and nothing but rows for a pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
from watch_bench import MOVED, SLICE, WINDOW, Bench, metric, run, served, template

from tidegate import model
from tidegate.controller.watch import distributions, family
from tidegate.evidence.drift import (  # SciPy, loaded before a look has to be in time
    moves as _moves,  # noqa: F401
)
from tidegate.evidence.terms import Distribution, Form, Problem, Reason, Selector, TrainingData
from tidegate.evidence.verdict import serving
from tidegate.model import Outcome
from tidegate.ports import Fatal, Retryable


def test_before_the_first_look_nothing_is_said() -> None:
    async def scenario(bench: Bench) -> None:
        assert bench.watcher.newest(bench.watched[0]) == ()

    run(scenario)


def test_a_window_without_drift_is_sound_and_says_so_once() -> None:
    async def scenario(bench: Bench) -> None:
        woken = bench.woken()
        (early,) = await bench.rows(slices=11)
        (row,) = await bench.rows(slices=2)
        assert (early.outcome, early.reason) == (Outcome.INCONCLUSIVE, "Warmup")
        assert (row.name, row.against, row.outcome) == (
            "skew",
            model.Against.TRAINING,
            Outcome.PASS,
        )
        known = len(woken)
        await bench.rows(slices=5)
        assert len(woken) == known

    run(scenario)


def test_drift_is_found_with_its_features_and_asks_for_a_pass() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=14)
        woken = bench.woken()
        bench.source.mix = {"amount": MOVED}
        (row,) = await bench.rows(slices=8)
        assert (row.outcome, row.reason) == (Outcome.FAIL, "Drift")
        assert [one.feature for one in row.shifts] == ["amount"]
        assert woken

    run(scenario)


def test_a_thousand_models_on_one_template_cost_a_query_per_two_hundred() -> None:
    names = [f"iris-{number}" for number in range(1000)]

    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=1)
        bench.source.queries.clear()
        await bench.rows(slices=1)
        assert len(bench.source.queries) == 5
        assert len({at for _, at in bench.source.queries}) == 1
        assert all(bench.watcher.newest(one) for one in bench.watched)

    run(scenario, Bench(*map(served, names)))


def test_models_that_began_at_other_instants_are_asked_for_together() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=1)
        await bench.clock.advance(SLICE / 3)
        bench.watched.append(served("later"))
        bench.source.queries.clear()
        await bench.rows(slices=1)
        assert len(bench.source.queries) == 1
        assert "later" in bench.source.queries[0][0]

    run(scenario)


def test_a_look_asks_for_the_rates_of_one_slice_when_its_samples_have_come() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=2)
        (promql, at), *_ = bench.source.queries
        assert promql.startswith("sum by (namespace, model_deployment, revision, feature, bin) (")
        assert f"[{SLICE:.0f}s]" in promql
        assert at.timestamp() % SLICE == 0

    run(scenario)


def test_a_slice_holds_four_scrapes_at_least() -> None:
    async def scenario(bench: Bench) -> None:
        bench.edit(monitoring=model.Monitoring(window_seconds=600.0))
        await bench.rows(slices=1)
        assert "[60s]" in bench.source.queries[0][0]

    run(scenario)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Retryable(message="503"), "MetricsUnavailable"),
        (Fatal(reason="Status400", message="bad query"), "MetricsUnavailable"),
    ],
)
def test_a_source_that_fails_is_named_and_heals(failure: Retryable | Fatal, reason: str) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=14)
        bench.source.failure = failure
        (row,) = await bench.rows(slices=3)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, reason)
        bench.source.failure = None
        (row,) = await bench.rows(slices=1)
        assert row.outcome is Outcome.PASS

    run(scenario)


@pytest.mark.parametrize("number", [lambda _: "NaN", lambda _: "+Inf"])
def test_what_is_no_number_is_no_data(number: object) -> None:
    async def scenario(bench: Bench) -> None:
        bench.source.number = number  # type: ignore[assignment]
        (row,) = await bench.rows(slices=8)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, "NoData")

    run(scenario)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"missing": "no template of this name"}, "NoData"),
        ({"mode": None}, "NoData"),
        (
            {
                "measure": Distribution(
                    series=Selector(metric="9 no name"),
                    form=Form.BINS,
                    bin_label="bin",
                    dimension_label="feature",
                )
            },
            "Error",
        ),
        (
            {
                "measure": Distribution(
                    series=Selector(metric="m_total"),
                    form=Form.BINS,
                    bin_label="bucket",
                    dimension_label="feature",
                )
            },
            "Error",
        ),
    ],
)
def test_what_cannot_be_asked_or_read_is_named(changes: dict[str, object], reason: str) -> None:
    async def scenario(bench: Bench) -> None:
        bench.edit(templates={"skew": replace(template(), **changes)})
        (row,) = await bench.rows(slices=8)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, reason), row

    run(scenario)


def test_a_histogram_is_watched_by_what_falls_into_each_bucket() -> None:
    measure = Distribution(
        series=Selector(metric="score"),
        form=Form.HISTOGRAM,
        bin_label="",
        dimension_label="feature",
    )
    cumulative = {"1": 0.3, "5": 0.7, "+Inf": 1.0}

    async def scenario(bench: Bench) -> None:
        bench.edit(
            templates={"skew": replace(template(), measure=measure)},
            references={"skew": TrainingData(counts={"amount": {"1": 3e4, "5": 4e4, "+Inf": 3e4}})},
        )
        bench.source.mix = {"amount": cumulative}
        bench.source.bin_label = "le"
        (row,) = await bench.rows(slices=13)
        assert row.outcome is Outcome.PASS, row
        assert "score_bucket{" in bench.source.queries[0][0]
        assert (
            "by (namespace, model_deployment, revision, feature, le)"
            in (bench.source.queries[0][0])
        )

    run(scenario)


@pytest.mark.parametrize("part", ["asking", "reading", "judging"])
def test_a_metric_that_breaks_stops_no_other_one(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    owner, name = {
        "asking": (family, "asked"),
        "reading": (distributions, "_observed"),
        "judging": (serving, "looked"),
    }[part]
    whole, calls = getattr(owner, name), []

    def raising(*args: object, **named: object) -> object:
        calls.append(args)
        broken = not isinstance(named.get("observed"), Problem) and len(calls) % 3 == 1
        if broken:
            raise OverflowError("nobody thought of it")
        return whole(*args, **named)

    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=14)
        monkeypatch.setattr(owner, name, raising)
        odd, other = await bench.rows(slices=1)
        assert (odd.outcome, odd.reason) == (Outcome.NO_DATA, "Error")
        assert "nobody thought of it" in odd.message
        assert other.outcome is Outcome.PASS

    both = (metric("odd"), metric("other"))
    references = served().references["skew"]
    model_of_two = served(
        metrics=both,
        templates={one.name: template() for one in both},
        references={one.name: references for one in both},
    )
    run(scenario, Bench(model_of_two))


def test_without_a_profile_the_reason_is_that_of_the_profile() -> None:
    problem = Problem(reason=Reason.PROFILE_MISMATCH, message="it is of v1")

    async def scenario(bench: Bench) -> None:
        bench.edit(references={"skew": TrainingData(problem=problem)})
        (row,) = await bench.rows(slices=2)
        assert (row.outcome, row.reason, row.message) == (
            Outcome.NO_DATA,
            "ProfileMismatch",
            "it is of v1",
        )
        bench.edit(references={})
        (row,) = await bench.rows(slices=1)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, "NoBaseline")

    run(scenario)


def test_a_profile_that_is_mended_judges_what_has_been_seen() -> None:
    async def scenario(bench: Bench) -> None:
        good = bench.watched[0].references
        moved = {label: 1e5 * share for label, share in MOVED.items()}
        bench.edit(references={"skew": TrainingData(counts={"amount": moved})})
        (row,) = await bench.rows(slices=8)
        assert row.outcome is Outcome.FAIL
        bench.edit(references=good)
        (row,) = await bench.rows(slices=1)
        assert row.outcome is Outcome.INCONCLUSIVE, row

    run(scenario)


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": "0123456789"},
        {"monitoring": model.Monitoring(window_seconds=2 * WINDOW)},
        {"templates": {"skew": template(variables=())}, "revision": "0123456789"},
    ],
)
def test_another_revision_or_way_of_counting_begins_its_own_watch(
    changes: dict[str, object],
) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=14)
        bench.edit(**changes)
        assert bench.watcher.newest(bench.watched[0]) == ()

    run(scenario)


def test_who_is_not_watched_any_more_is_not_asked_for() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=2)
        bench.watcher.forget("uid-iris")
        bench.source.queries.clear()
        await bench.clock.advance(5 * SLICE)
        assert not bench.source.queries
        assert bench.watcher.newest(bench.watched[0]) == ()

    run(scenario)


def test_only_the_leader_asks() -> None:
    async def scenario(bench: Bench) -> None:
        bench.leading = False
        await bench.rows(slices=3)
        assert not bench.source.queries
        bench.leading = True
        await bench.rows(slices=1)
        assert bench.source.queries

    run(scenario)


def test_a_clock_that_is_set_back_costs_looks_and_no_false_alarm() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=14)
        bench.clock.wall_offset_seconds = -1.5 * SLICE
        (row,) = await bench.rows(slices=6)
        assert row.outcome is not Outcome.FAIL

    run(scenario)


def test_another_process_needs_a_window_of_its_own() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=14)
        bench.background.end()
        bench.restart()
        (row,) = await bench.rows(slices=2)
        assert (row.outcome, row.reason) == (Outcome.INCONCLUSIVE, "Warmup")

    run(scenario)


def test_two_metrics_on_one_template_are_asked_for_once() -> None:
    async def scenario(bench: Bench) -> None:
        both = (metric("one"), metric("two"))
        bench.edit(
            metrics=both,
            templates={one.name: template() for one in both},
            references={one.name: bench.watched[0].references["skew"] for one in both},
        )
        rows = await bench.rows(slices=13)
        assert [one.name for one in rows] == ["one", "two"]
        assert {one.outcome for one in rows} == {Outcome.PASS}
        instants = {at for _, at in bench.source.queries}
        assert len(bench.source.queries) == len(instants) >= 12

    run(scenario)
