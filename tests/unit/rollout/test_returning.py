"""The way back that a drift takes where the user asked for it: once, with pods first, and by evidence alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from policy_examples import policy
from rollout_world import V1, V2, V3, World, made_once, make_spec
from watch_world import (
    DRIFTS,
    EARLY,
    OPEN,
    SILENT,
    SOUND,
    TRAINED,
    condition,
    play,
    serves,
    settled,
    told,
    watched,
)

from tidegate import model
from tidegate.api import policies
from tidegate.model import AutomationLevel, OnDrift, RolloutResult
from tidegate.rollout import worth
from tidegate.rollout.worth import Worth

FAILED = "DriftNotRolledBack"
CLOSED = policies.read_policy(
    policy(
        {
            "freezeWindows": [
                {"name": "now", "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
            ]
        }
    )
)[0]


@made_once
def returning(*, action: OnDrift = OnDrift.ROLLBACK, **more: object) -> World:
    """The second version serves, is watched, and the first one served before."""
    world = watched(TRAINED)
    assert world.spec is not None
    monitoring = model.Monitoring(on_drift=action)
    world.spec = replace(world.spec, monitoring=monitoring)
    world.deploy(V2)
    world.settle()
    assert serves(world) == V2.hash
    if more:
        world.spec = replace(world.spec, **more)  # type: ignore[arg-type]
        world.generation += 1
        world.settle()
    world.events.clear()
    world.rejections.clear()
    return world


def test_what_served_before_returns_and_what_has_drifted_is_rejected() -> None:
    world = settled(play(returning(), SOUND, DRIFTS, DRIFTS))
    assert serves(world) == V1.hash
    assert world.status.phase is model.Phase.ROLLED_BACK
    (rejected,) = world.status.rejected
    assert (rejected.revision, rejected.by, rejected.attempt) == (V2.hash, "Watch", 1)
    assert rejected.reason == "DataDrift: skew against Training: words"
    assert world.rejections == ["Watch"]
    assert "DriftRollback" in told(world)
    assert told(world).count("RolledBack") == 1
    assert world.status.message.endswith(f"rejected: {rejected.reason}")


def test_its_record_says_who_and_why() -> None:
    world = settled(play(returning(), SOUND, DRIFTS, DRIFTS))
    last = world.status.last_rollout
    assert last is not None
    assert (last.result, last.by, last.revision) == (RolloutResult.FAST_PROMOTED, "Watch", V1.hash)
    assert last.reason.startswith("DataDrift: skew")
    record = world.records[last.record]
    assert record.rollout is not None
    assert (record.rollout.model_name, record.rollout.from_revision) == ("iris", V2.hash)


def test_what_returns_is_named_by_its_own_model() -> None:
    world = returning()
    world.frozen[V1.hash] = replace(
        world.frozen[V1.hash], model=model.Model(name="iris", version="1.0", uri="s3://first")
    )
    play(world, SOUND, DRIFTS, DRIFTS)
    assert world.status.rollout is not None
    assert world.status.rollout.model_uri == "s3://first"


def test_it_begins_when_status_tells_of_the_drift() -> None:
    world = play(returning(), SOUND, DRIFTS)
    assert world.status.active_rollout is None
    decision = world.tick(0.0)
    assert world.status.active_rollout is not None
    assert decision.status.monitoring is not None
    assert decision.status.monitoring.rollback is not None
    assert decision.status.monitoring.rollback.revision == V1.hash


def test_the_look_that_finds_it_asks_for_the_next_one_at_once() -> None:
    world = play(returning(), SOUND)
    world.watched = (DRIFTS,)
    assert world.tick(300.0).requeue_after_seconds <= 1.0


def test_what_never_looked_like_its_training_goes_as_well() -> None:
    world = settled(play(returning(), EARLY, DRIFTS, DRIFTS))
    assert serves(world) == V1.hash
    assert world.status.rejected[0].reason.startswith("SkewSuspected: skew")


@pytest.mark.parametrize(
    "rows",
    [
        (SOUND, SOUND),
        (SOUND, OPEN),
        (EARLY, EARLY),
        (SOUND, SILENT, SILENT),
        (SILENT, SILENT),
        (SOUND, DRIFTS),
    ],
)
def test_nothing_else_takes_anybody_out_of_service(rows: tuple[model.WatchedMetric, ...]) -> None:
    world = play(returning(), *rows)
    assert world.status.active_rollout is None
    assert serves(settled(world)) == V2.hash


@pytest.mark.parametrize("blind", [SILENT, EARLY, OPEN])
def test_a_drift_that_no_look_proves_again_waits(blind: model.WatchedMetric) -> None:
    world = play(returning(action=OnDrift.ALERT), SOUND, DRIFTS)
    ask(world)
    play(world, *[blind] * 3)
    assert (serves(world), world.status.active_rollout) == (V2.hash, None)
    assert serves(settled(play(world, DRIFTS, DRIFTS))) == V1.hash


def ask(world: World, action: OnDrift = OnDrift.ROLLBACK) -> None:
    assert world.spec is not None
    world.spec = replace(world.spec, monitoring=model.Monitoring(on_drift=action))
    world.generation += 1


@pytest.mark.parametrize("action", [OnDrift.ALERT, OnDrift.HOOK])
def test_nobody_returns_who_was_not_asked_to(action: OnDrift) -> None:
    world = settled(play(returning(action=action), SOUND, *[DRIFTS] * 3))
    assert serves(world) == V2.hash
    assert condition(world, FAILED) == ("", "")


def test_pods_come_before_the_traffic() -> None:
    world = returning()
    world.held[V1.hash] = 0
    play(world, SOUND, *[DRIFTS] * 4, seconds=10.0)
    assert world.status.active_rollout is not None
    assert world.traffic.weights == {V2.hash: 100.0}
    assert world.revisions[V2.hash].wanted == 4
    world.held.clear()
    assert serves(settled(world)) == V1.hash


def test_it_is_tried_once_for_a_drift() -> None:
    """What served before does not start any more: what has drifted serves on, and says why."""
    world = returning()
    world.broken = frozenset({V1.hash})
    play(world, SOUND, *[DRIFTS] * 12, seconds=60.0)
    assert serves(world) == V2.hash
    assert world.status.active_rollout is None
    assert told(world).count("DriftRollback") == 1
    assert condition(world, FAILED) == ("True", "TriedBefore")
    assert (
        "was returned to once for this drift, and that ended: " in world.condition(FAILED).message
    )
    assert told(world).count(FAILED) == 1
    assert not [one for one in world.status.rejected if one.revision == V2.hash]


def test_who_aborts_it_is_not_overruled() -> None:
    world = returning()
    world.held[V1.hash] = 0
    play(world, SOUND, DRIFTS, DRIFTS, seconds=10.0)
    world.ask("abort", V1)
    play(world, *[DRIFTS] * 10, seconds=10.0)
    assert serves(world) == V2.hash
    assert condition(world, FAILED) == ("True", "TriedBefore")
    assert world.status.phase is model.Phase.HEALTHY


def test_the_next_drift_may_return_again() -> None:
    world = returning()
    world.held[V1.hash] = 0
    play(world, SOUND, DRIFTS, DRIFTS, seconds=10.0)
    world.ask("abort", V1)
    play(world, *[SOUND] * 5, seconds=10.0)
    assert world.status.monitoring is not None
    assert world.status.monitoring.rollback is None
    assert condition(world, FAILED) == ("", "")
    world.held.clear()
    play(world, DRIFTS, DRIFTS)
    assert condition(world, FAILED) == ("True", "Rejected"), "the abort has rejected it"


def test_another_version_takes_over_from_a_return() -> None:
    world = returning()
    world.held[V1.hash] = 0
    play(world, SOUND, DRIFTS, DRIFTS, seconds=10.0)
    world.deploy(V3)
    world.held.clear()
    settled(world)
    assert serves(world) == V3.hash
    assert not world.status.rejected


def test_a_shadow_that_is_over_does_not_call_a_return_off() -> None:
    """Spec asks for what was only ever to be looked at, and that is done."""
    world = returning()
    assert world.spec is not None
    shadow = model.Shadow(
        mirror=model.Mirror(percent=100.0, seconds=60.0),
        deadline_seconds=600.0,
        min_requests=10,
        then=model.Then.STOP,
    )
    world.spec = replace(world.spec, shadow=shadow, steps=())
    world.deploy(V3)
    world.settle()
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.result is RolloutResult.COMPLETED
    play(world, SOUND, DRIFTS)
    world.watched = (DRIFTS,)
    world.run_while(lambda: serves(world) == V2.hash, limit=60)
    assert serves(world) == V1.hash


def test_who_asks_for_the_drifted_version_again_keeps_it() -> None:
    world = returning()
    world.held[V1.hash] = 0
    play(world, SOUND, DRIFTS, DRIFTS, seconds=10.0)
    world.deploy(V3)
    world.held[V3.hash] = 0
    play(world, *[DRIFTS] * 2, seconds=10.0)
    world.deploy(V2)
    world.held.clear()
    play(world, *[DRIFTS] * 6, seconds=10.0)
    assert serves(settled(world)) == V2.hash
    assert condition(world, FAILED) == ("True", "TriedBefore")


def test_an_edit_of_anything_else_leaves_it_alone() -> None:
    world = returning()
    world.held[V1.hash] = 0
    play(world, SOUND, DRIFTS, DRIFTS, seconds=10.0)
    ask(world, OnDrift.ALERT)
    world.tick(10.0)
    world.held.clear()
    assert serves(settled(world)) == V1.hash


def test_a_person_may_have_the_drifted_version_again() -> None:
    world = settled(play(returning(), SOUND, DRIFTS, DRIFTS))
    world.ask("retry", V2)
    world.settle()
    assert serves(world) == V2.hash
    assert world.status.phase is model.Phase.HEALTHY


def test_what_returned_and_drifts_as_well_does_not_swing_back() -> None:
    world = settled(play(returning(), SOUND, DRIFTS, DRIFTS))
    settled(play(world, SOUND, *[DRIFTS] * 3))
    assert serves(world) == V1.hash
    assert told(world).count("DriftRollback") == 1


def test_then_it_says_why() -> None:
    world = settled(play(returning(), SOUND, DRIFTS, DRIFTS))
    play(world, SOUND, *[DRIFTS] * 3)
    assert condition(world, FAILED) == ("True", "Rejected")
    assert told(world).count(FAILED) == 1


# --- what is no way back -------------------------------------------------------------------------


def test_the_first_version_has_nothing_before_it() -> None:
    world = watched(TRAINED)
    ask(world)
    play(world, SOUND, DRIFTS, DRIFTS)
    assert condition(world, FAILED) == ("True", "NothingBefore")
    assert serves(settled(world)) == V1.hash


def test_a_revision_outside_of_the_window_does_not_return() -> None:
    world = returning(rollback=model.Rollback(window_revisions=0))
    play(world, SOUND, DRIFTS, DRIFTS)
    assert condition(world, FAILED) == ("True", "OutsideWindow")
    assert serves(world) == V2.hash


def test_one_that_was_not_kept_does_not_return() -> None:
    world = returning(revision_history_limit=0)
    play(world, SOUND, DRIFTS, DRIFTS)
    assert condition(world, FAILED) == ("True", "NotKept")


def test_nor_does_one_without_pods() -> None:
    world = returning(replicas=0)
    play(world, SOUND, DRIFTS, DRIFTS)
    assert condition(world, FAILED) == ("True", "NoPods")


def test_nor_while_the_spec_cannot_be_carried_out() -> None:
    world = returning()
    world.violations = (model.Violation(path="spec.traffic", message="is wrong"),)
    play(world, SOUND, DRIFTS, DRIFTS)
    assert condition(world, FAILED) == ("True", "InvalidSpec")
    world.violations = ()
    play(world, DRIFTS, DRIFTS)
    assert serves(settled(world)) == V1.hash


def test_a_running_rollout_is_judged_first() -> None:
    world = play(returning(action=OnDrift.ALERT), SOUND, DRIFTS)
    ask(world)
    world.analysis = model.AnalysisState(judged=True, verdict=model.Verdict.HOLD, reason="Warmup")
    world.deploy(V3)
    play(world, *[DRIFTS] * 3)
    assert world.status.rollout is not None
    assert world.status.rollout.revision == V3
    assert condition(world, FAILED) == ("", "")


# --- nothing that holds back what goes forward holds back what returns ---------------------------


def _paused(world: World) -> None:
    assert world.spec is not None
    world.spec = replace(world.spec, paused=True)


def _frozen(world: World) -> None:
    world.policies = (CLOSED,)


def _by_people(world: World) -> None:
    assert world.spec is not None
    automation = replace(world.spec.automation, level=AutomationLevel.MANUAL)
    world.spec = replace(world.spec, automation=automation)


def _shadow_only(world: World) -> None:
    assert world.spec is not None
    automation = replace(world.spec.automation, level=AutomationLevel.SHADOW)
    world.spec = replace(world.spec, automation=automation)


@pytest.mark.parametrize("hold", [_paused, _frozen, _by_people, _shadow_only])
@pytest.mark.parametrize("provider", [model.Provider.GATEWAY_API, model.Provider.REPLICA_RATIO])
def test_it_waits_for_nobody(hold: object, provider: model.Provider) -> None:
    world = returning(traffic=make_spec(provider=provider).traffic)
    assert callable(hold)
    hold(world)
    world.generation += 1
    assert serves(settled(play(world, SOUND, DRIFTS, DRIFTS))) == V1.hash


def test_a_window_that_is_made_shorter_meanwhile_holds_it_no_more_than_a_freeze() -> None:
    world = returning()
    world.held[V1.hash] = 0
    play(world, SOUND, DRIFTS, DRIFTS, seconds=10.0)
    _frozen(world)
    assert world.spec is not None
    world.spec = replace(world.spec, rollback=model.Rollback(window_revisions=0))
    world.held.clear()
    assert serves(settled(world)) == V1.hash


def test_what_was_taken_is_written_at_once() -> None:
    world = play(returning(), SOUND, DRIFTS)
    before = world.status
    assert before.monitoring is not None
    taken = replace(before.monitoring, rollback=model.DriftRollback(revision="a", at=world.now))
    assert worth.worth(replace(before, monitoring=taken), before) is Worth.NOW
