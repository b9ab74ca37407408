"""A bake is held against what stable showed before the switch. Source: ADR 0073."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, V2, World, serving

from tidegate import model
from tidegate.controller import subjects
from tidegate.controller.workqueue import Key
from tidegate.evidence.terms import Ratio, Selector, Template

P = model.Phase
PROVIDERS = list(model.Provider)
COUNTER = Selector(metric="requests_total")
FOUND = {
    "error-ratio": Template(
        name="error-ratio", measure=Ratio(bad=COUNTER, total=COUNTER), source="default"
    )
}
SHOWN = model.MetricResult(
    name="error-ratio",
    outcome=model.Outcome.PASS,
    baseline=model.ArmCounts(total=1e6, bad=1000),
    dispersion=1.0,
)
RECORDED = "judged by what was recorded of stable: error-ratio"


def baking(
    provider: model.Provider = model.Provider.GATEWAY_API,
    *results: model.MetricResult,
    threshold: model.Threshold | None = None,
) -> World:
    world = serving(provider=provider)
    assert world.spec is not None
    (metric,) = world.spec.analysis.metrics
    metric = replace(metric, compare=model.Compare(), threshold=threshold or metric.threshold)
    analysis = replace(world.spec.analysis, metrics=(metric,))
    world.spec = replace(world.spec, analysis=analysis, bake=model.Bake(seconds=600.0))
    world.analysis = replace(ADVANCE, results=results)
    world.deploy(V2)
    world.run_until(P.BAKING)
    world.run_while(lambda: _rollout(world).plan[-1].confirmed_at is None)
    return world


def _rollout(world: World) -> model.Rollout:
    assert world.status.rollout is not None
    return world.status.rollout


def bake(world: World) -> model.Stage:
    return _rollout(world).plan[-1]


def told(world: World) -> str:
    step = _rollout(world).step
    assert step is not None
    return step.estimate


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_numbers_of_the_last_step_beside_stable_judge(provider: model.Provider) -> None:
    world = baking(provider, SHOWN)
    (known,) = bake(world).baseline
    assert bake(world).control is model.Control.RECORDED
    assert (known.total, known.bad) == (1e6, 1000)
    assert 0.001 < known.limit < 0.01
    assert told(world).startswith(RECORDED)
    assert told(world).endswith("; judged by absolute limits: error-ratio")


def test_what_has_no_limit_is_judged_by_its_record() -> None:
    world = baking(model.Provider.GATEWAY_API, SHOWN, threshold=model.NO_THRESHOLD)
    assert told(world).startswith(RECORDED)
    assert "not judged" not in told(world)


@pytest.mark.parametrize(
    "results", [(), (replace(SHOWN, name="other"),), (replace(SHOWN, baseline=model.NO_COUNTS),)]
)
def test_without_a_record_limits_judge_alone_and_that_is_said(
    results: tuple[model.MetricResult, ...],
) -> None:
    world = baking(model.Provider.GATEWAY_API, *results)
    assert (bake(world).control, bake(world).baseline) == (model.Control.LIMITS_ONLY, ())
    text = "nothing was recorded of stable; judged by absolute limits: error-ratio"
    assert told(world) == text


def test_the_subject_is_the_new_version_alone_with_the_record() -> None:
    world = baking(model.Provider.GATEWAY_API, SHOWN)
    assert world.spec is not None
    subject = subjects.subject_of(
        Key(namespace="ml", name="iris"),
        world.observe(),
        rollout=_rollout(world),
        spec=world.spec,
        found=FOUND,
    )
    (metric,) = subject.analysis.metrics
    assert metric.recorded == bake(world).baseline[0]
    assert (metric.compare, subject.control) == (None, "")
    index = len(subject.stages) - 1
    assert [event.step for event in subject.events] == [index], (
        "only what the bake has shown counts"
    )


def test_an_edit_of_the_comparison_judges_anew_by_the_same_numbers() -> None:
    world = baking(model.Provider.GATEWAY_API, SHOWN)
    before = bake(world)
    assert world.spec is not None
    (metric,) = world.spec.analysis.metrics
    careful = replace(metric, compare=model.Compare(detect_ratio=8.0))
    analysis = replace(world.spec.analysis, metrics=(careful,), key="1-other")
    world.spec = replace(world.spec, analysis=analysis)
    world.tick()
    after = bake(world)
    assert after.confirmed_at != before.confirmed_at
    assert after.baseline[0].total == before.baseline[0].total
    assert after.baseline[0].limit > before.baseline[0].limit


def test_an_adopted_plan_keeps_the_record() -> None:
    world = baking(model.Provider.GATEWAY_API, SHOWN)
    known = bake(world)
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=900.0))
    world.ask("repin", V2)
    world.tick()
    after = bake(world)
    assert after.hold_seconds == 900.0
    assert (after.control, after.baseline) == (known.control, known.baseline)
