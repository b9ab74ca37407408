"""By which limits a rollout is judged where its steps have some of their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import V2, World, make_spec, serving

from tidegate import model
from tidegate.controller import subjects
from tidegate.controller.analysis.subject import Subject
from tidegate.controller.workqueue import Key
from tidegate.evidence.terms import Ratio, Selector, Template

COUNTER = Selector(metric="requests_total")
FOUND = {
    "error-ratio": Template(
        name="error-ratio", measure=Ratio(bad=COUNTER, total=COUNTER), source="default"
    )
}
LOOSE = (model.StepLimit(name="error-ratio", threshold=model.Threshold(max=0.2)),)
TIGHT = (model.StepLimit(name="error-ratio", threshold=model.Threshold(max=0.001)),)


def judged(*limits: tuple[model.StepLimit, ...], confirmed: int) -> Subject:
    """The subject of a rollout of which so many steps are confirmed."""
    world: World = serving()
    spec = make_spec(weights=tuple(10.0 * (i + 1) for i in range(len(limits))))
    spec = replace(
        spec, steps=tuple(replace(s, limits=it) for s, it in zip(spec.steps, limits, strict=True))
    )
    world.spec = spec
    world.deploy(V2)
    world.tick()
    rollout = world.status.active_rollout
    assert rollout is not None
    now = world.now
    plan = tuple(
        replace(stage, confirmed_at=now + timedelta(seconds=index)) if index < confirmed else stage
        for index, stage in enumerate(rollout.plan)
    )
    rollout = replace(rollout, plan=plan)
    key = Key(namespace="ml", name="iris")
    return subjects.subject_of(key, world.observe(), rollout=rollout, spec=spec, found=FOUND)


@pytest.mark.parametrize(
    ("confirmed", "limit"),
    [(0, 0.2), (1, 0.2), (2, 0.001), (3, 0.01)],
)
def test_the_limits_of_the_last_confirmed_step_hold(confirmed: int, limit: float) -> None:
    subject = judged(LOOSE, TIGHT, (), confirmed=confirmed)
    assert subject.analysis.metrics[0].threshold.max == limit


@pytest.mark.parametrize(
    ("limits", "share"),
    [
        (((), (), ()), 1),
        ((LOOSE, LOOSE, LOOSE), 1),
        ((LOOSE, (), ()), 2),
        ((LOOSE, TIGHT, LOOSE), 3),
    ],
)
def test_each_time_evidence_begins_anew_takes_its_share_of_the_error_budget(
    limits: tuple[tuple[model.StepLimit, ...], ...], share: int
) -> None:
    subject = judged(*limits, confirmed=1)
    assert subject.analysis.false_rollback == pytest.approx(0.01 / share)


def test_an_opened_gate_is_no_other_subject() -> None:
    """Otherwise everything would be counted again because a person agreed to something."""
    subject = judged((), (), (), confirmed=1)
    assert all(stage.gates == () for stage in subject.stages)
