"""The watch by labels before a metric source: what it asks, what it makes of answers, and of odd ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from rollout_world import World
from watch_bench import SLICE, Bench, run, served
from watch_world import serves, watched

from tidegate import model
from tidegate.controller.watch import labels
from tidegate.controller.watch.served import served_of
from tidegate.controller.workqueue import Key
from tidegate.evidence.drift import (  # SciPy, loaded before a look has to be in time
    moves as _moves,  # noqa: F401
)
from tidegate.evidence.terms import (
    LabelMatch,
    Labels,
    Measure,
    Operator,
    Ratio,
    Selector,
    Template,
    Variable,
)
from tidegate.evidence.verdict.concept import BASELINE_COHORTS
from tidegate.model import Outcome

PREDICTIONS, LABELLED, CORRECT = "predictions_total", "labelled_total", "correct_total"
MEASURE = Labels(
    predictions=Selector(metric=PREDICTIONS),
    labelled=Selector(metric=LABELLED),
    correct=Selector(metric=CORRECT),
)
READ = Template(name="quality", measure=MEASURE, source="default", mode=model.IdentityMode.LABEL)
QUALITY = model.Metric(
    name="quality",
    preset="label-quality",
    compare=model.Compare(),
    labels=model.Labels(delay_seconds=SLICE, cohort_seconds=SLICE),
)
KEPT = 20

Row = tuple[Mapping[str, str], float]
Sums = Callable[[str], Sequence[Row]]
Counts = Callable[[int], tuple[float, float, float]]  # predictions, labels, right ones


def counted(bench: Bench, counts: Counts, *, name: Callable[[float], str] | None = None) -> Sums:
    """Counters of the last cohorts, whose labels come as soon as they are old enough."""

    def rows(promql: str) -> list[Row]:
        now = bench.clock.now().timestamp()
        found = []
        for back in range(KEPT, -1, -1):
            begin = (now // SLICE - back) * SLICE
            predictions, labelled, correct = counts(int(begin // SLICE))
            if begin + 2 * SLICE > now:
                labelled = correct = 0.0
            value = {PREDICTIONS: predictions, LABELLED: labelled, CORRECT: correct}
            text = name(begin) if name is not None else _text(begin)
            found.append(({"cohort": text}, value[_metric(promql)]))
        return found

    return rows


def _metric(promql: str) -> str:
    return next(one for one in (PREDICTIONS, LABELLED, CORRECT) if one in promql)


def _text(begin: float) -> str:
    return f"{datetime.fromtimestamp(begin, tz=UTC):%Y-%m-%dT%H:%MZ}"


def right(_: int) -> tuple[float, float, float]:
    return 1000.0, 500.0, 450.0


def wrong(_: int) -> tuple[float, float, float]:
    return 1000.0, 500.0, 350.0


def bench_of(counts: Counts = right, *, metric: model.Metric = QUALITY, **more: Any) -> Bench:
    templates = {"quality": more.pop("template", READ)}
    bench = Bench(served(metrics=(metric,), templates=templates, references={}, **more))
    bench.source.sums = counted(bench, counts)
    return bench


def test_first_cohorts_become_the_baseline_and_a_fall_is_drift() -> None:
    async def scenario(bench: Bench) -> None:
        (row,) = await bench.rows(slices=10)
        assert (row.outcome, row.reason) == (Outcome.INCONCLUSIVE, "Warmup"), row
        assert row.baseline is not None
        (row,) = await bench.rows(slices=BASELINE_COHORTS)
        assert row.baseline is not None
        assert row.baseline.cohorts == BASELINE_COHORTS
        assert (row.baseline.total, row.baseline.bad) == (12_000.0, 1_200.0)
        bench.source.sums = counted(bench, wrong)
        (row,) = await bench.rows(slices=8)
        assert (row.outcome, row.reason) == (Outcome.FAIL, "Drift"), row
        assert row.against is model.Against.LABELS
        assert row.value is not None
        assert row.value < 0.8

    run(scenario, bench_of())


def test_another_process_goes_on_with_what_status_has_recorded() -> None:
    async def scenario(bench: Bench) -> None:
        (row,) = await bench.rows(slices=BASELINE_COHORTS + 6)
        assert row.baseline is not None
        bench.restart()
        bench.edit(baselines={"quality": row.baseline})
        bench.source.sums = counted(bench, wrong)
        (row,) = await bench.rows(slices=8)
        assert (row.outcome, row.reason) == (Outcome.FAIL, "Drift"), row

    run(scenario, bench_of())


def test_a_limit_alone_needs_no_baseline() -> None:
    limited = replace(QUALITY, compare=None, threshold=model.Threshold(min=0.8))

    async def scenario(bench: Bench) -> None:
        (row,) = await bench.rows(slices=12)
        assert (row.outcome, row.reason) == (Outcome.FAIL, "SloBreach"), row
        assert (row.baseline, row.threshold) == (None, model.Threshold(min=0.8))

    run(scenario, bench_of(wrong, metric=limited))


def test_a_look_asks_for_the_counters_as_they_stand() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=2)
        asked = sorted(promql for promql, _ in bench.source.queries)
        assert len(asked) == 3
        for promql in asked:
            assert promql.startswith("sum by (namespace, model_deployment, revision, cohort) (")
            assert "rate(" not in promql

    run(scenario, bench_of())


def odd(**more: Any) -> Callable[[Bench], Sums]:
    return lambda bench: counted(bench, more.pop("counts", right), **more)


def without(metric: str) -> Callable[[Bench], Sums]:
    def sums(bench: Bench) -> Sums:
        usual = counted(bench, wrong)
        return lambda promql: [] if metric in promql else usual(promql)

    return sums


@pytest.mark.parametrize(
    ("sums", "reason", "says"),
    [
        (lambda _: lambda _: [], "NoData", "no predictions are counted by cohort"),
        (lambda _: lambda _: [({}, 9.0)], "Error", "have no label cohort"),
        (odd(name=lambda _: "yesterday"), "UnknownCohort", "is no time"),
        (odd(name=lambda at: _text(at + 9 * SLICE)), "UnknownCohort", "before it began"),
        (odd(name=lambda at: _text(at + 60)), "UnknownCohort", "is none of 300 s"),
        (odd(counts=lambda _: (-1.0, 500.0, 450.0)), "Error", "which is no count"),
        (odd(counts=lambda _: (100.0, 500.0, 450.0)), "UnknownCohort", "nobody counted"),
        (odd(counts=lambda _: (1000.0, 0.0, 0.0)), "LabelsImmature", "are waited for"),
        (without(CORRECT), "LabelsImmature", "0 labels of 1000"),
        (without(LABELLED), "LabelsImmature", "0 labels of 1000"),
        (without(PREDICTIONS), "UnknownCohort", "500 labels of 0 predictions"),
    ],
    ids=[
        "nothing",
        "no cohort",
        "no time",
        "label before prediction",
        "between two cohorts",
        "negative",
        "more labels than predictions",
        "no labels",
        "nobody says what is right",
        "nobody says how many",
        "no predictions",
    ],
)
def test_odd_labels_have_a_reason_and_are_no_drift(
    sums: Callable[[Bench], Sums], reason: str, says: str
) -> None:
    async def scenario(bench: Bench) -> None:
        (row,) = await bench.rows(slices=BASELINE_COHORTS + 6)
        known = row.baseline
        bench.source.sums = sums(bench)
        (row,) = await bench.rows(slices=8)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, reason), row
        assert says in row.message, row
        assert row.baseline == known

    run(scenario, bench_of())


@pytest.mark.parametrize("text", ["NaN", "+Inf"])
@pytest.mark.parametrize("measure", [Measure.ACCURACY, Measure.RECALL])
def test_numbers_that_are_none_are_no_zeros(measure: Measure, text: str) -> None:
    cells = {"tp": Selector(metric=CORRECT), "fn": Selector(metric=LABELLED)}
    by_cells = replace(MEASURE, correct=None, cells=cells, measure=measure)
    template = READ if measure is Measure.ACCURACY else replace(READ, measure=by_cells)

    async def scenario(bench: Bench) -> None:
        bench.source.number = lambda number: text if number == 450.0 else repr(number)
        (row,) = await bench.rows(slices=10)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, "Error"), row
        assert "which is no count" in row.message, row
        assert row.baseline is None

    run(scenario, bench_of(template=template))


OTHERS: dict[str, Labels] = {
    "another metric": replace(MEASURE, correct=Selector(metric="top1_correct_total")),
    "another selector": replace(
        MEASURE,
        correct=Selector(
            metric=CORRECT,
            matches=(LabelMatch(label="k", operator=Operator.IN, values=("${k}",)),),
        ),
    ),
    "another measure": replace(
        MEASURE,
        correct=None,
        cells={"tp": Selector(metric=CORRECT), "fp": Selector(metric="top1_correct_total")},
        measure=Measure.PRECISION,
    ),
}


def _top1(bench: Bench) -> Sums:
    """What it asks for now is right less often than what it asked for before."""
    usual = counted(bench, lambda _: (1000.0, 500.0, 300.0))
    return lambda promql: usual(promql.replace("top1_correct_total", CORRECT))


@pytest.mark.parametrize("restarted", [False, True], ids=["same process", "another process"])
@pytest.mark.parametrize("measure", OTHERS.values(), ids=list(OTHERS))
def test_an_edited_template_is_no_drift(measure: Labels, *, restarted: bool) -> None:
    variables = (Variable(name="k", default="1"),)

    async def scenario(bench: Bench) -> None:
        (before,) = await bench.rows(slices=BASELINE_COHORTS + 6)
        assert before.baseline is not None
        if restarted:
            bench.restart()
        edited = replace(READ, measure=measure, variables=variables)
        bench.edit(baselines={"quality": before.baseline}, templates={"quality": edited})
        bench.source.sums = _top1(bench)
        await bench.rows()
        for _ in range(16):
            (row,) = await bench.rows()
            assert (row.outcome, row.reason) == (Outcome.INCONCLUSIVE, "Warmup"), row
            assert row.baseline is not None
            assert row.baseline.counted_as != before.baseline.counted_as
        assert 8 < row.baseline.cohorts < BASELINE_COHORTS

    run(scenario, bench_of())


def test_another_value_of_a_variable_begins_anew() -> None:
    template = replace(
        READ, measure=OTHERS["another selector"], variables=(Variable(name="k", default="5"),)
    )

    async def scenario(bench: Bench) -> None:
        (before,) = await bench.rows(slices=8)
        bench.edit(metrics=(replace(QUALITY, variables=(("k", "1"),)),))
        (row,) = await bench.rows()
        assert before.baseline is not None
        assert row.baseline is not None
        assert row.baseline.cohorts < before.baseline.cohorts
        assert row.baseline.counted_as != before.baseline.counted_as

    run(scenario, bench_of(template=template))


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"templates": {}}, "NoData", "it is of another type than Labels"),
        (
            {"metrics": (replace(QUALITY, threshold=model.Threshold(max=0.5)),)},
            "Error",
            "quality.threshold.max: a quality has a lower limit only",
        ),
        (
            {"templates": {"quality": replace(READ, missing="nothing exports it")}},
            "NoData",
            "nothing exports it",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_named_and_ends_nothing(
    change: dict[str, Any], reason: str, says: str
) -> None:
    async def scenario(bench: Bench) -> None:
        (before,) = await bench.rows(slices=8)
        bench.edit(**change)
        (row,) = await bench.rows(slices=2)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, reason), row
        assert says in row.message, row
        if "templates" not in change:
            assert row.baseline == before.baseline

    run(scenario, bench_of())


def test_a_metric_that_breaks_saw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        raise OverflowError("nobody thought of it")

    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=8)
        monkeypatch.setattr(labels, "_looked", broken)
        (row,) = await bench.rows(slices=1)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, "Error")
        assert row.baseline is not None

    run(scenario, bench_of())


def test_recall_is_told_by_its_cells() -> None:
    cells = {"tp": Selector(metric=CORRECT), "fn": Selector(metric="missed_total")}
    measure = replace(MEASURE, correct=None, cells=cells, measure=Measure.RECALL)
    limited = replace(QUALITY, compare=None, threshold=model.Threshold(min=0.95))

    async def scenario(bench: Bench) -> None:
        usual = bench.source.sums
        assert usual is not None
        missed = counted(bench, lambda _: (1000.0, 500.0, 50.0))
        bench.source.sums = lambda promql: (
            missed(promql.replace("missed_total", CORRECT))
            if "missed_total" in promql
            else usual(promql)
        )
        (row,) = await bench.rows(slices=12)
        assert (row.outcome, row.reason) == (Outcome.FAIL, "SloBreach"), row
        assert row.value == pytest.approx(0.9)

    run(scenario, bench_of(metric=limited, template=replace(READ, measure=measure)))


# --- what status has recorded --------------------------------------------------------------------


def recorded(world: World, revision: str) -> Mapping[str, model.QualityBaseline]:
    baseline = model.QualityBaseline(
        cohorts=3, total=9.0, bad=1.0, until=world.now, counted_as="Accuracy"
    )
    row = model.WatchedMetric(
        name="quality",
        against=model.Against.LABELS,
        outcome=Outcome.INCONCLUSIVE,
        baseline=baseline,
    )
    other = replace(row, name="other", baseline=None)
    seen = world.observe()
    watch = model.Watch(revision=revision, metrics=(row, other))
    seen = replace(seen, status=replace(seen.status, monitoring=watch))
    found = served_of(Key(namespace="ml", name="iris"), seen, found={"quality": READ})
    assert found is not None
    assert found.templates == {"quality": READ}
    return found.baselines


def test_a_baseline_is_that_of_the_revision_that_serves() -> None:
    world = watched(QUALITY)
    assert list(recorded(world, serves(world))) == ["quality"]
    assert recorded(world, "0123456789") == {}


def test_only_labels_are_watched_as_labels() -> None:
    ratio = replace(READ, measure=Ratio(bad=Selector(metric="a"), total=Selector(metric="b")))
    found = served_of(
        Key(namespace="ml", name="iris"), watched(QUALITY).observe(), found={"quality": ratio}
    )
    assert found is not None
    assert found.templates == {}
