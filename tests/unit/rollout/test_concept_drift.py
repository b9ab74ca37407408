"""Labels of what serves: condition, Events, hook and way back of their drift, and the baseline that stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rollout_world import V1, V2, World
from watch_world import DRIFTS, SOUND, TRAINED, condition, play, serves, settled, told, watched

from tidegate import model
from tidegate.model import HookState, Outcome
from tidegate.rollout.serving import begun

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
TYPE = "ConceptDrift"
QUALITY = model.Metric(
    name="quality",
    preset="label-quality",
    compare=model.Compare(),
    labels=model.Labels(delay_seconds=3600.0),
)
HOOK = model.DriftHook(url="https://train.example.com/start", cooldown_seconds=3600.0)


def first(cohorts: int) -> model.QualityBaseline:
    return model.QualityBaseline(
        cohorts=cohorts,
        total=500.0 * cohorts,
        bad=50.0 * cohorts,
        until=NOON,
        counted_as="Accuracy",
    )


def labels(
    outcome: Outcome, reason: str, *, baseline: model.QualityBaseline | None = None
) -> model.WatchedMetric:
    return model.WatchedMetric(
        name="quality",
        against=model.Against.LABELS,
        outcome=outcome,
        reason=reason,
        message="words",
        baseline=baseline,
    )


LEARNING = labels(Outcome.INCONCLUSIVE, "Warmup", baseline=first(3))
RIGHT = labels(Outcome.PASS, "NoHarmFound", baseline=first(24))
WRONG = labels(Outcome.FAIL, "Drift", baseline=first(24))
ANEW = labels(Outcome.INCONCLUSIVE, "Warmup", baseline=first(24))
LATE = labels(Outcome.NO_DATA, "LabelsImmature")


def says(world: World) -> tuple[str, str]:
    return condition(world, TYPE)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((), ("Unknown", "NotLookedYet")),
        ((LEARNING,), ("Unknown", "Warmup")),
        ((LATE,), ("Unknown", "LabelsImmature")),
        ((RIGHT,), ("False", "NoDriftFound")),
        ((RIGHT, ANEW), ("False", "NoDriftFound")),
        ((RIGHT, LATE), ("Unknown", "LabelsImmature")),
        ((WRONG,), ("True", "Drift")),
        ((RIGHT, WRONG), ("True", "Drift")),
        ((RIGHT, WRONG, LATE), ("True", "Drift")),
        ((RIGHT, WRONG, ANEW), ("True", "Drift")),
        ((RIGHT, WRONG, RIGHT), ("False", "NoDriftFound")),
    ],
)
def test_the_condition_follows_labels(
    rows: tuple[model.WatchedMetric, ...], expected: tuple[str, str]
) -> None:
    world = play(watched(QUALITY), *rows)
    assert says(world) == expected
    assert condition(world) == ("Unknown", "NothingWatched"), "no distribution is watched"


def test_without_labels_there_is_no_such_condition() -> None:
    assert says(play(watched(TRAINED), SOUND)) == ("", "")


def test_a_drift_is_told_once_and_its_end_once() -> None:
    world = play(watched(QUALITY), RIGHT, WRONG, WRONG, LATE, ANEW, WRONG, RIGHT)
    assert told(world) == [TYPE, "DriftEnded"]
    assert world.status.phase is model.Phase.HEALTHY
    new = model.Watch(revision="a", metrics=(replace(WRONG, failing_since=NOON),))
    assert list(begun(new, None)) == [model.Alarm.CONCEPT]


def test_the_condition_names_numbers_and_no_features() -> None:
    world = play(watched(QUALITY), RIGHT, WRONG)
    (found,) = [one for one in world.status.conditions if one.type == TYPE]
    assert "quality against Labels since" in found.message
    assert "the numbers stand in status.monitoring" in found.message


@pytest.mark.parametrize("row", [LATE, labels(Outcome.INCONCLUSIVE, "Warmup")])
def test_the_baseline_stays_whatever_a_look_knows_of_it(row: model.WatchedMetric) -> None:
    for before in (LEARNING, RIGHT, WRONG):
        world = play(watched(QUALITY), before, row)
        assert world.status.monitoring is not None
        (known,) = world.status.monitoring.metrics
        assert known.baseline == before.baseline


@pytest.mark.parametrize(
    ("before", "fails"), [(RIGHT, False), (WRONG, True)], ids=["sound", "drifted"]
)
def test_what_is_counted_otherwise_says_so_and_ends_nothing(
    before: model.WatchedMetric, *, fails: bool
) -> None:
    other = replace(first(0), counted_as="Accuracy, queries 0")
    anew = labels(Outcome.INCONCLUSIVE, "Warmup", baseline=other)
    world = play(watched(QUALITY), before, anew, replace(anew, baseline=None))
    assert world.status.monitoring is not None
    (known,) = world.status.monitoring.metrics
    assert (known.baseline, known.reason, known.fails) == (other, "Warmup", fails)


def test_each_cohort_that_is_learned_is_written_down() -> None:
    world = play(watched(QUALITY), LEARNING)
    before = world.status_writes
    play(world, replace(LEARNING, message="others", value=0.9))
    assert world.status_writes == before
    play(world, replace(LEARNING, baseline=first(4)))
    assert world.status_writes == before + 1


def test_a_new_version_has_a_baseline_of_its_own() -> None:
    world = play(watched(QUALITY), RIGHT)
    world.watched = None
    world.deploy(V2)
    world.settle()
    assert serves(world) == V2.hash
    assert world.status.monitoring is not None
    assert not world.status.monitoring.metrics


def acting(action: model.OnDrift, hook: model.DriftHook | None = None) -> World:
    world = watched(QUALITY, TRAINED)
    assert world.spec is not None
    world.spec = replace(world.spec, monitoring=model.Monitoring(on_drift=action, hook=hook))
    return world


def test_one_hook_for_a_drift_of_inputs_that_labels_prove_later() -> None:
    world = acting(model.OnDrift.HOOK, HOOK)
    for pair in ((RIGHT, SOUND), (RIGHT, DRIFTS), (WRONG, DRIFTS), (WRONG, SOUND), (LATE, SOUND)):
        world.watched = pair
        world.tick(300.0)
    assert world.status.monitoring is not None
    call = world.status.monitoring.hook
    assert call is not None
    assert (call.state, call.ended_at) == (HookState.PENDING, None)
    assert sorted(told(world)) == [TYPE, "DataDrift", "DriftEnded"]


def test_labels_alone_call_the_hook_and_missing_ones_do_not() -> None:
    world = play(acting(model.OnDrift.HOOK, HOOK), RIGHT, LATE, ANEW)
    assert world.status.monitoring is not None
    assert world.status.monitoring.hook is None
    play(world, WRONG)
    assert world.status.monitoring.hook is not None


def test_what_served_before_returns_where_that_is_asked_for() -> None:
    world = acting(model.OnDrift.ROLLBACK)
    world.deploy(V2)
    world.settle()
    settled(play(world, RIGHT, LATE, ANEW))
    assert serves(world) == V2.hash
    settled(play(world, WRONG, WRONG))
    assert serves(world) == V1.hash
    (rejected,) = world.status.rejected
    assert (rejected.revision, rejected.by) == (V2.hash, "Watch")
    assert rejected.reason == "ConceptDrift: quality against Labels: words"
