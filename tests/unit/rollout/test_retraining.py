"""The hook that a drift owes: one for each drift, one id, a cool-down, and nothing for anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import V2, World
from watch_world import DRIFTS, EARLY, OPEN, SILENT, SOUND, TRAINED, condition, play, told, watched

from tidegate import model
from tidegate.model import HookState
from tidegate.rollout import worth
from tidegate.rollout.worth import Worth

HOUR = 3600.0
COOLDOWN = 2 * HOUR
HOOK = model.DriftHook(url="https://train.example.com/start", cooldown_seconds=COOLDOWN)


def asking(hook: model.DriftHook | None = HOOK) -> World:
    world = watched(TRAINED)
    ask(world, hook)
    return world


def ask(world: World, hook: model.DriftHook | None) -> None:
    assert world.spec is not None
    action = model.OnDrift.HOOK if hook is not None else model.OnDrift.ALERT
    world.spec = replace(world.spec, monitoring=model.Monitoring(on_drift=action, hook=hook))
    world.generation += 1
    world.tick()
    world.events.clear()


def call(world: World) -> model.HookCall | None:
    return world.status.monitoring.hook if world.status.monitoring is not None else None


def owed(world: World) -> model.HookCall:
    found = call(world)
    assert found is not None
    return found


def answer(world: World, failure: str = "") -> World:
    world.hook = model.SeenHook(id=owed(world).id, failure=failure)
    world.tick(1.0)
    world.hook = model.SeenHook()
    return world


@pytest.mark.parametrize(
    ("rows", "pending"),
    [
        ((EARLY,), False),
        ((SOUND,), False),
        ((SOUND, OPEN), False),
        ((SOUND, SILENT), False),
        ((DRIFTS,), False),
        ((EARLY, DRIFTS, DRIFTS), False),
        ((SOUND, DRIFTS), True),
        ((SOUND, DRIFTS, SILENT), True),
        ((SOUND, DRIFTS, EARLY), True),
    ],
)
def test_only_a_drift_of_what_was_sound_owes_a_hook(
    rows: tuple[model.WatchedMetric, ...], *, pending: bool
) -> None:
    found = call(play(asking(), *rows))
    assert (found is not None and found.state is HookState.PENDING) is pending


def test_with_alert_no_drift_owes_a_hook() -> None:
    assert call(play(asking(None), SOUND, DRIFTS)) is None


def test_a_hook_is_owed_once_for_each_drift_and_keeps_its_id() -> None:
    world = play(asking(), SOUND, DRIFTS)
    first = owed(world)
    assert told(world) == ["DataDrift"]
    answer(world)
    assert told(world) == ["DataDrift", "HookDelivered"]
    play(world, DRIFTS, SILENT, DRIFTS, EARLY, OPEN, DRIFTS, seconds=COOLDOWN)
    assert (owed(world).id, owed(world).state) == (first.id, HookState.DELIVERED)
    assert told(world) == ["DataDrift", "HookDelivered"]


def test_the_answer_to_another_hook_changes_nothing() -> None:
    world = play(asking(), SOUND, DRIFTS)
    world.hook = model.SeenHook(id="iris-other-20260101T000000Z")
    world.tick()
    assert owed(world).state is HookState.PENDING


def test_a_second_drift_waits_for_the_cool_down_and_has_an_id_of_its_own() -> None:
    world = answer(play(asking(), SOUND, DRIFTS))
    first = owed(world)
    play(world, SOUND, DRIFTS)
    assert owed(world).id == first.id
    assert owed(world).ended_at is not None
    play(world, DRIFTS, seconds=COOLDOWN)
    assert (owed(world).id != first.id, owed(world).state) == (True, HookState.PENDING)
    answer(world)
    assert told(world).count("HookDelivered") == 2


def test_a_drift_that_ended_in_the_cool_down_owes_nothing() -> None:
    world = answer(play(asking(), SOUND, DRIFTS))
    first = owed(world)
    play(world, SOUND, DRIFTS, SOUND)
    play(world, SOUND, seconds=COOLDOWN)
    assert (owed(world).id, owed(world).state) == (first.id, HookState.DELIVERED)


def test_a_receiver_that_fails_is_told_once_and_asked_again_with_the_same_id() -> None:
    world = answer(play(asking(), SOUND, DRIFTS), "answered 503")
    first = owed(world)
    assert first.state is HookState.FAILED
    assert condition(world, "HookFailed") == ("True", "HookFailed")
    assert world.status.health_status == "Healthy"
    play(world, DRIFTS, seconds=HOUR)
    assert (owed(world).id, owed(world).state) == (first.id, HookState.PENDING)
    assert condition(world, "HookFailed") == ("True", "HookFailed"), "it has not arrived yet"
    answer(world, "answered 503")
    assert told(world).count("HookFailed") == 1
    play(world, DRIFTS, seconds=HOUR)
    answer(world)
    assert owed(world).state is HookState.DELIVERED
    assert condition(world, "HookFailed") == ("", "")


def test_one_that_failed_is_tried_at_once_when_the_spec_is_edited() -> None:
    world = answer(play(asking(), SOUND, DRIFTS), "answered 404")
    ask(world, replace(HOOK, url="https://train.example.com/begin"))
    assert owed(world).state is HookState.PENDING


def test_a_failure_is_over_with_its_drift() -> None:
    world = answer(play(asking(), SOUND, DRIFTS), "answered 503")
    play(world, SOUND)
    assert condition(world, "HookFailed") == ("", "")


def test_an_obstacle_is_told_before_any_drift_and_nothing_is_owed_while_it_lasts() -> None:
    world = asking()
    world.hook = model.SeenHook(obstacle="host a is not allowed")
    play(world, SOUND, DRIFTS)
    assert condition(world, "HookFailed") == ("True", "HookNotReady")
    assert call(world) is None
    world.hook = model.SeenHook()
    world.tick()
    assert owed(world).state is HookState.PENDING
    assert condition(world, "HookFailed") == ("", "")


@pytest.mark.parametrize("delivered", [True, False])
def test_only_what_was_delivered_is_remembered_while_nobody_asks(*, delivered: bool) -> None:
    world = answer(play(asking(), SOUND, DRIFTS), "" if delivered else "answered 503")
    ask(world, None)
    assert (call(world) is not None) is delivered
    assert condition(world, "HookFailed") == ("", "")
    first = call(world)
    ask(world, HOOK)
    again = owed(world)
    assert again.state is (HookState.DELIVERED if delivered else HookState.PENDING)
    assert first is None or again.id == first.id


def test_the_cool_down_outlives_the_revision_and_no_rollout_owes_a_hook() -> None:
    world = answer(play(asking(), SOUND, DRIFTS))
    first = owed(world)
    assert world.spec is not None
    world.desired = V2
    world.watched = None
    world.tick()
    assert owed(world).id == first.id
    assert world.status.active_rollout is not None


def test_what_is_owed_is_written_at_once() -> None:
    world = play(asking(), SOUND)
    before = world.status
    play(world, DRIFTS)
    assert worth.worth(world.status, before) is Worth.NOW
    sent = world.status
    answer(world)
    assert worth.worth(world.status, sent) is Worth.NOW


ROWS = st.sampled_from([SOUND, DRIFTS, EARLY, OPEN, SILENT])
ANSWERS = st.sampled_from(["", "answered 503", None])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ROWS, ANSWERS), max_size=12))
def test_no_drift_is_delivered_twice(steps: list[tuple[model.WatchedMetric, str | None]]) -> None:
    world = asking(replace(HOOK, cooldown_seconds=0.0))
    delivered: list[str] = []
    for row, said in steps:
        play(world, row)
        found = call(world)
        if found is not None and found.state is HookState.PENDING and said is not None:
            answer(world, said)
            delivered += [found.id] if not said else []
    begun = told(world).count("DataDrift")
    assert len(set(delivered)) == len(delivered) <= begun
