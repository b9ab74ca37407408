"""Who is watched, and by which metrics: training data or a threshold, whatever became of their template."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import World
from watch_bench import Bench, metric, run, template
from watch_world import TRAINED, watched

from tidegate import model
from tidegate.controller.watch.served import Served, served_of
from tidegate.controller.workqueue import Key
from tidegate.evidence.terms import Query, Selector, Template, Value
from tidegate.model import Outcome

KEY = Key(namespace="ml", name="iris")


def of(world: World, **found: Template) -> Served:
    served = served_of(KEY, world.observe(), found=found)
    assert served is not None
    return served


def test_a_distribution_with_training_data_is_watched() -> None:
    served = of(watched(TRAINED), skew=template())
    assert TRAINED in served.metrics
    assert served.templates == {"skew": template()}


LIMITED = model.Metric(name="limited", query="up", threshold=model.Threshold(min=0.5))
LATE = model.Labels(delay_seconds=60.0)


@pytest.mark.parametrize(
    ("metric", "against"),
    [
        (TRAINED, model.Against.TRAINING),
        (LIMITED, model.Against.THRESHOLD),
        (replace(LIMITED, threshold=model.Threshold(max=0.5)), model.Against.THRESHOLD),
        (replace(LIMITED, dry_run=True), model.Against.THRESHOLD),
        (replace(LIMITED, threshold=model.NO_THRESHOLD), None),
        (replace(LIMITED, threshold=model.NO_THRESHOLD, compare=model.Compare()), None),
        (replace(LIMITED, pairs=True), None),
        (replace(LIMITED, labels=LATE), model.Against.LABELS),
        (replace(LIMITED, threshold=model.NO_THRESHOLD, drift=model.Drift()), None),
    ],
)
def test_what_a_metric_is_held_against(metric: model.Metric, against: object) -> None:
    assert model.against_of(metric) is against
    world = watched(metric)
    assert (metric in of(world).metrics) is (against is not None)


@pytest.mark.parametrize("measure", [Value(series=Selector(metric="up")), Query(promql="up")])
def test_a_threshold_is_watched_by_what_gives_a_number(measure: Value | Query) -> None:
    found = replace(template(), measure=measure)
    assert of(watched(LIMITED), limited=found).templates == {"limited": found}
    assert of(watched(LIMITED), limited=template()).templates == {}


@pytest.mark.parametrize(
    "found",
    [{}, {"skew": replace(template(), measure=Value(series=Selector(metric="up")))}],
    ids=["gone", "other"],
)
def test_a_metric_without_its_template_is_watched_and_cannot_be_looked_at(
    found: dict[str, Template],
) -> None:
    served = of(watched(TRAINED), **found)
    assert TRAINED in served.metrics
    assert served.templates == {}


def test_nobody_is_watched_who_did_not_ask_or_goes() -> None:
    world = watched(TRAINED)
    world.deleting = True
    assert served_of(KEY, world.observe(), found={}) is None
    world = watched(TRAINED)
    assert world.spec is not None
    world.spec = replace(world.spec, monitoring=None)
    assert served_of(KEY, world.observe(), found={}) is None


def test_a_template_that_is_deleted_is_missing_data_and_others_go_on() -> None:
    both = (metric("one", template=model.TemplateRef(kind="MetricTemplate", name="t")), metric())

    async def scenario(bench: Bench) -> None:
        reference = bench.watched[0].references["skew"]
        bench.edit(
            metrics=both,
            templates={one.name: template() for one in both},
            references={one.name: reference for one in both},
        )
        await bench.rows(slices=13)
        bench.edit(templates={"skew": template()})
        one, two = await bench.rows(slices=13)
        assert (one.name, one.outcome, one.reason) == ("one", Outcome.NO_DATA, "NoData")
        assert "template t cannot be used" in one.message
        assert (two.name, two.outcome) == ("skew", Outcome.PASS)

    run(scenario)


def test_the_only_template_that_is_deleted_is_missing_data_as_well() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=13)
        bench.edit(templates={})
        (row,) = await bench.rows(slices=2)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, "NoData")
        assert "query or preset cannot be used" in row.message

    run(scenario)


def test_without_anything_to_watch_there_are_no_rows_and_no_error() -> None:
    async def scenario(bench: Bench) -> None:
        bench.edit(metrics=(), templates={}, references={})
        assert await bench.rows(slices=2) == ()
        assert not bench.recorder.problems

    run(scenario)
