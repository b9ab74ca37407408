"""A threshold that what serves breaks: told once, ended by evidence, and a way back where it was asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import V1, V2, World
from watch_world import DRIFTS, SOUND, TRAINED, condition, play, serves, settled, told, watched

from tidegate import model
from tidegate.model import Outcome
from tidegate.rollout.serving import begun

TYPE = "ThresholdBreached"
LIMIT = model.Threshold(max=0.01)


def errors(outcome: Outcome, reason: str, value: float | None = None) -> model.WatchedMetric:
    return model.WatchedMetric(
        name="error-ratio",
        against=model.Against.THRESHOLD,
        outcome=outcome,
        reason=reason,
        message="words",
        value=value,
        threshold=LIMIT,
    )


BROKEN = errors(Outcome.FAIL, "SloBreach", 0.2)
KEPT = errors(Outcome.PASS, "NoHarmFound", 0.0)
EARLY = errors(Outcome.INCONCLUSIVE, "Warmup", 0.0)
SILENT = errors(Outcome.NO_DATA, "NoData")


def says(world: World) -> tuple[str, str]:
    return condition(world, TYPE)


def both(world: World, *pairs: tuple[model.WatchedMetric, model.WatchedMetric]) -> World:
    """Looks that find something of a limit and of a distribution at once."""
    for pair in pairs:
        world.watched = pair
        world.tick(300.0)
    return world


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((), ("Unknown", "NotLookedYet")),
        ((EARLY,), ("Unknown", "Warmup")),
        ((SILENT,), ("Unknown", "NoData")),
        ((KEPT,), ("False", "WithinThresholds")),
        ((KEPT, EARLY), ("False", "WithinThresholds")),
        ((KEPT, SILENT), ("Unknown", "NoData")),
        ((BROKEN,), ("True", "Breached")),
        ((KEPT, BROKEN), ("True", "Breached")),
        ((KEPT, BROKEN, SILENT), ("True", "Breached")),
        ((KEPT, BROKEN, EARLY), ("True", "Breached")),
        ((KEPT, BROKEN, KEPT), ("False", "WithinThresholds")),
    ],
)
def test_the_condition_follows_evidence(
    rows: tuple[model.WatchedMetric, ...], expected: tuple[str, str]
) -> None:
    world = play(watched(), *rows)
    assert says(world) == expected
    assert condition(world) == ("Unknown", "NothingWatched"), "no distribution is watched"


def test_without_a_threshold_there_is_no_such_condition() -> None:
    world = watched(TRAINED)
    assert world.spec is not None
    analysis = replace(world.spec.analysis, metrics=(TRAINED,))
    world.spec = replace(world.spec, analysis=analysis)
    play(world, SOUND)
    assert says(world) == ("", "")


def test_a_breach_is_told_once_and_its_end_once_with_its_numbers() -> None:
    world = play(watched(), KEPT, BROKEN, BROKEN, SILENT, BROKEN, KEPT, KEPT)
    assert told(world) == [TYPE, "BreachEnded"]
    assert world.status.phase is model.Phase.HEALTHY
    assert world.status.monitoring is not None
    (known,) = world.status.monitoring.metrics
    assert (known.value, known.threshold, known.failing_since) == (0.0, LIMIT, None)


def test_what_moves_within_its_limits_is_not_written() -> None:
    world = play(watched(), KEPT)
    before = world.status_writes
    play(world, replace(KEPT, value=0.004, message="other words"))
    assert world.status_writes == before


def test_a_limit_that_spec_does_not_ask_for_any_more_is_no_breach() -> None:
    world = play(watched(TRAINED), BROKEN)
    assert world.spec is not None
    analysis = replace(world.spec.analysis, metrics=(TRAINED,))
    world.spec, world.watched = replace(world.spec, analysis=analysis), None
    world.tick()
    assert says(world) == ("", "")
    assert told(world) == [TYPE, "BreachEnded"]


def test_a_drift_and_a_breach_are_two_things() -> None:
    world = both(watched(TRAINED), (KEPT, SOUND), (BROKEN, DRIFTS))
    assert (says(world), condition(world)) == (("True", "Breached"), ("True", "Drift"))
    assert sorted(told(world)) == ["DataDrift", TYPE]
    both(world, (KEPT, DRIFTS))
    assert (says(world)[0], condition(world)[0]) == ("False", "True")


def test_what_is_counted_of_breaches_is_their_beginning() -> None:
    old = model.Watch(revision="a", metrics=(KEPT,))
    new = replace(old, metrics=(replace(BROKEN, failing_since=watched().now),))
    assert list(begun(new, old)) == [model.Alarm.BREACH]
    assert not list(begun(new, new))


# --- a way back ----------------------------------------------------------------------------------


def two(*, action: model.WatchAction = model.WatchAction.ROLLBACK, **more: object) -> World:
    """The second version serves, and the first one served before."""
    world = watched(TRAINED)
    assert world.spec is not None
    metrics = tuple(
        replace(one, **more) if one.name == "error-ratio" else one  # type: ignore[arg-type]
        for one in world.spec.analysis.metrics
    )
    world.spec = replace(
        world.spec,
        monitoring=model.Monitoring(on_breach=action),
        analysis=replace(world.spec.analysis, metrics=metrics),
    )
    world.deploy(V2)
    world.settle()
    world.events.clear()
    return world


def test_what_served_before_returns_where_that_is_asked_for() -> None:
    world = settled(play(two(), KEPT, BROKEN, BROKEN))
    assert serves(world) == V1.hash
    (rejected,) = world.status.rejected
    assert (rejected.revision, rejected.by) == (V2.hash, "Watch")
    assert rejected.reason == "ThresholdBreached: error-ratio against Threshold: words"
    assert "BreachRollback" in told(world)


@pytest.mark.parametrize(
    "world",
    [
        two(action=model.WatchAction.ALERT),
        two(dry_run=True),
        two(on_breach=model.OnBreach.ALERT),
    ],
    ids=["nobody asked", "dry run", "of the metric"],
)
def test_never_where_it_is_not_asked_for(world: World) -> None:
    settled(play(world, KEPT, BROKEN, BROKEN))
    assert serves(world) == V2.hash
    assert says(world) == ("True", "Breached")


def test_missing_data_never_take_anybody_out_of_service() -> None:
    world = settled(play(two(), KEPT, SILENT, SILENT, EARLY))
    assert serves(world) == V2.hash
    assert "BreachRollback" not in told(world)


def test_a_drift_does_not_use_what_is_asked_for_a_breach() -> None:
    world = settled(both(two(), (KEPT, SOUND), (KEPT, DRIFTS), (KEPT, DRIFTS)))
    assert serves(world) == V2.hash
    assert condition(world, "DriftNotRolledBack") == ("", "")


def test_why_there_is_no_way_back_is_told_under_its_name() -> None:
    world = watched(TRAINED)
    assert world.spec is not None
    asked = model.Monitoring(on_breach=model.WatchAction.ROLLBACK)
    world.spec = replace(world.spec, monitoring=asked)
    play(world, KEPT, BROKEN, BROKEN)
    assert condition(world, "BreachNotRolledBack") == ("True", "NothingBefore")
    assert told(world).count("BreachNotRolledBack") == 1
