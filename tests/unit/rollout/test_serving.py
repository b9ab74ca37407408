"""What was found of the revision that serves: kept, told once, and ended only by evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout_world import HOLD, V2, World, serving
from watch_world import (
    DRIFTS,
    EARLY,
    FEW,
    OPEN,
    SHIFT,
    SILENT,
    SOUND,
    TRAINED,
    condition,
    known,
    play,
    told,
    watched,
)

from tidegate import model
from tidegate.model import Outcome
from tidegate.rollout import worth
from tidegate.rollout.serving import begun
from tidegate.rollout.worth import Worth

# --- who is watched ------------------------------------------------------------------------------


def test_nobody_is_watched_who_did_not_ask_for_it() -> None:
    world = serving()
    assert world.status.monitoring is None
    assert condition(world) == ("", "")


def test_who_does_not_ask_any_more_is_forgotten() -> None:
    world = play(watched(TRAINED), SOUND, DRIFTS)
    assert world.spec is not None
    world.spec, world.watched = replace(world.spec, monitoring=None), None
    world.tick()
    assert world.status.monitoring is None
    assert condition(world) == ("", "")


def test_without_training_data_the_condition_says_what_to_do() -> None:
    world = watched()
    assert condition(world) == ("Unknown", "NothingWatched")
    (found,) = [one for one in world.status.conditions if one.type == "DataDrift"]
    assert "compare.to TrainingReference" in found.message


def test_before_the_first_look_nobody_knows() -> None:
    assert condition(watched(TRAINED)) == ("Unknown", "NotLookedYet")


def test_a_spec_that_was_never_read_changes_nothing() -> None:
    world = play(watched(TRAINED), SOUND, DRIFTS)
    before, world.spec = world.status.monitoring, None
    world.violations = (model.Violation(path="spec.model", message="is missing"),)
    world.tick()
    assert world.status.monitoring == before


def test_nor_does_it_before_the_first_look() -> None:
    world = watched()
    world.spec = None
    world.violations = (model.Violation(path="spec.model", message="is missing"),)
    world.tick()
    assert condition(world) == ("Unknown", "NotLookedYet")


# --- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ((EARLY,), ("Unknown", "Warmup")),
        ((SILENT,), ("Unknown", "NoData")),
        ((SOUND,), ("False", "NoDriftFound")),
        ((SOUND, OPEN), ("False", "NoDriftFound")),
        ((SOUND, SILENT), ("Unknown", "NoData")),
        ((SOUND, SILENT, EARLY), ("False", "NoDriftFound")),
        ((SOUND, EARLY), ("False", "NoDriftFound")),
        ((OPEN,), ("Unknown", "Undecided")),
        ((SOUND, FEW), ("Unknown", "Insufficient")),
        ((SOUND, FEW, EARLY), ("Unknown", "Insufficient")),
        ((SOUND, FEW, SOUND), ("False", "NoDriftFound")),
        ((SOUND, DRIFTS, FEW), ("True", "Drift")),
        ((SOUND, DRIFTS), ("True", "Drift")),
        ((SOUND, DRIFTS, SILENT), ("True", "Drift")),
        ((SOUND, DRIFTS, OPEN), ("True", "Drift")),
        ((SOUND, DRIFTS, EARLY), ("True", "Drift")),
        ((SOUND, DRIFTS, SOUND), ("False", "NoDriftFound")),
        ((DRIFTS,), ("Unknown", "Drift")),
        ((DRIFTS, SOUND), ("False", "NoDriftFound")),
        ((DRIFTS, SOUND, DRIFTS), ("True", "Drift")),
    ],
)
def test_the_condition_follows_evidence(
    rows: tuple[model.WatchedMetric, ...], says: tuple[str, str]
) -> None:
    assert condition(play(watched(TRAINED), *rows)) == says


def test_what_never_looked_like_its_training_is_skew_and_no_drift() -> None:
    world = play(watched(TRAINED), EARLY, DRIFTS)
    assert condition(world, "SkewSuspected") == ("True", "Drift")
    assert told(world) == ["SkewSuspected"]
    assert known(world).onset == "", "it has not come"
    play(world, SOUND)
    assert condition(world, "SkewSuspected") == ("", "")
    play(world, DRIFTS)
    assert (condition(world)[0], condition(world, "SkewSuspected")[0]) == ("True", "")
    assert told(world) == ["SkewSuspected", "DriftEnded", "DataDrift"]


def test_a_drift_that_lasts_is_told_once_and_keeps_when_it_was_found() -> None:
    world = play(watched(TRAINED), SOUND, DRIFTS)
    since = known(world).failing_since
    assert since == world.now
    play(world, DRIFTS, OPEN, SILENT, EARLY, DRIFTS)
    assert known(world).failing_since == since
    assert told(world) == ["DataDrift"]
    (event,) = world.events
    assert event.type.value == "Warning"
    assert "skew of revision" in event.message
    assert "Sudden for now: words" in event.message


def test_what_is_shown_of_a_drift_stays_while_nothing_can_be_seen() -> None:
    world = play(watched(TRAINED), SOUND, DRIFTS, SILENT)
    assert known(world).shifts == (SHIFT,)
    assert (known(world).outcome, known(world).onset) == (Outcome.NO_DATA, "Sudden")


def test_how_it_came_may_change_while_it_is_young() -> None:
    gradual = replace(DRIFTS, onset="Gradual")
    world = play(watched(TRAINED), SOUND, DRIFTS, gradual)
    assert known(world).onset == "Gradual"
    play(world, gradual, *[DRIFTS] * 30)
    assert known(world).onset == "Sudden"
    play(world, gradual)
    assert known(world).onset == "Sudden", "everything that is kept is drift by now"


# --- which metrics -------------------------------------------------------------------------------


def _drop(world: World, *, violations: tuple[model.Violation, ...] = ()) -> None:
    """The spec does not name the watched metric any more; what is wrong with it, if something is."""
    assert world.spec is not None
    metrics = tuple(one for one in world.spec.analysis.metrics if one.name != TRAINED.name)
    world.spec = replace(world.spec, analysis=replace(world.spec.analysis, metrics=metrics))
    world.generation += 1
    world.violations, world.watched = violations, ()
    world.tick()


def test_a_drift_of_a_metric_that_the_spec_drops_ends_and_says_so() -> None:
    world = play(watched(TRAINED), SOUND, DRIFTS)
    _drop(world)
    assert world.status.monitoring is not None
    assert world.status.monitoring.metrics == ()
    assert condition(world) == ("Unknown", "NothingWatched")
    assert told(world) == ["DataDrift", "DriftEnded"]
    assert "does not ask for it any more" in world.events[-1].message


def test_a_sound_metric_that_the_spec_drops_goes_in_silence() -> None:
    world = play(watched(TRAINED), SOUND)
    _drop(world)
    assert condition(world) == ("Unknown", "NothingWatched")
    assert not told(world)


def test_a_spec_with_an_error_drops_nothing() -> None:
    world = play(watched(TRAINED), SOUND, DRIFTS)
    _drop(world, violations=(model.Violation(path="spec.analysis", message="is wrong"),))
    assert condition(world) == ("True", "Drift")


# --- rollouts ------------------------------------------------------------------------------------


def test_in_a_rollout_it_rests_and_keeps_what_was_found() -> None:
    world = play(watched(TRAINED), SOUND)
    world.analysis = HOLD
    world.deploy(V2)
    world.watched = None
    world.tick()
    assert condition(world) == ("Unknown", "RolloutInProgress")
    assert known(world).outcome is Outcome.PASS


def test_drift_that_lasts_is_told_in_a_rollout_as_well() -> None:
    world = play(watched(TRAINED), SOUND, DRIFTS)
    world.analysis = HOLD
    world.deploy(V2)
    world.watched = None
    world.tick()
    assert condition(world) == ("True", "Drift")


def test_a_new_revision_starts_a_watch_of_its_own() -> None:
    world = play(watched(TRAINED), SOUND, DRIFTS)
    world.deploy(V2)
    world.watched = None
    world.run_until(model.Phase.HEALTHY)
    world.watched = ()
    world.tick()
    assert world.status.monitoring == model.Watch(revision=V2.hash)
    assert condition(world) == ("Unknown", "NotLookedYet")


# --- writes --------------------------------------------------------------------------------------


def test_numbers_that_move_are_no_write() -> None:
    world = play(watched(TRAINED), SOUND)
    writes = world.status_writes
    play(world, *(replace(SOUND, message=f"largest PSI 0.0{n}", shifts=(SHIFT,)) for n in range(9)))
    assert world.status_writes == writes


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (SOUND, DRIFTS, Worth.NOW),
        (DRIFTS, SOUND, Worth.NOW),
        (SOUND, SILENT, Worth.NOW),
        (EARLY, OPEN, Worth.WORDS),
        (OPEN, replace(OPEN, message="other words"), Worth.NOTHING),
        (DRIFTS, replace(DRIFTS, shifts=(replace(SHIFT, psi=0.9),)), Worth.NOTHING),
        (DRIFTS, replace(DRIFTS, shifts=(SHIFT, replace(SHIFT, feature="country"))), Worth.WORDS),
    ],
)
def test_what_a_finding_is_worth(
    before: model.WatchedMetric, after: model.WatchedMetric, says: Worth
) -> None:
    world = play(watched(TRAINED), SOUND, before)
    old = world.status
    play(world, after)
    assert worth.worth(world.status, old) is says


def test_a_reason_without_another_condition_may_wait() -> None:
    world = play(watched(TRAINED), SOUND)
    old = world.status
    play(world, OPEN)
    assert worth.worth(world.status, old) is Worth.WORDS


@given(st.lists(st.sampled_from((DRIFTS, SOUND, EARLY, OPEN, SILENT)), max_size=12))
def test_only_evidence_begins_and_ends_a_drift(rows: list[model.WatchedMetric]) -> None:
    world, drifts = watched(TRAINED), False
    for one in rows:
        play(world, one)
        if one in {DRIFTS, SOUND}:
            drifts = one is DRIFTS
        assert known(world).fails is drifts
        assert world.status.phase is model.Phase.HEALTHY
    begun = [it for it in told(world) if it != "DriftEnded"]
    assert len(begun) - told(world).count("DriftEnded") == drifts


def test_what_has_begun_is_counted_once_by_what_it_is() -> None:
    before = model.Watch(revision="a", metrics=(SOUND,))
    now = play(watched(TRAINED), SOUND).now
    moved = replace(DRIFTS, sound_since=now, failing_since=now)
    skewed = replace(DRIFTS, failing_since=now)
    for row_, kind in ((moved, "DataDrift"), (skewed, "SkewSuspected")):
        after = model.Watch(revision="a", metrics=(row_,))
        assert list(begun(after, before)) == [kind]
        assert list(begun(after, None)) == [kind]
        assert not list(begun(after, after))
        assert not list(begun(None, after))


def test_times_are_those_of_the_passes() -> None:
    world = play(watched(TRAINED), SOUND)
    first = world.now
    play(world, SOUND, DRIFTS)
    assert known(world).sound_since == first
    assert known(world).failing_since == first + timedelta(seconds=600)
