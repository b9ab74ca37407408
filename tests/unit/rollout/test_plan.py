"""The plan of typed stages, its phase in one table, and plans that an older release wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import V1, V2, World, make_spec, serving

from tidegate import model
from tidegate.rollout.phases import phase_of
from tidegate.rollout.strategy.compile import first_plan, plan_of

P, K = model.Phase, model.StageKind
TESTERS = model.HeaderRoute(name="testers", headers=(model.Header(name="x", value="1"),))


def test_a_canary_is_its_steps_and_the_switch() -> None:
    plan = plan_of(make_spec(weights=(10.0, 50.0)))
    assert [(it.name, it.kind) for it in plan] == [
        ("p10", K.LIVE),
        ("p50", K.LIVE),
        ("promotion", K.SWITCH),
    ]
    assert [it.exposure.live_percent for it in plan] == [10.0, 50.0, 100.0]


def test_a_bake_comes_last_and_is_judged_by_limits() -> None:
    spec = replace(make_spec(), bake=model.Bake(seconds=90.0, kept_percent=50.0))
    bake = plan_of(spec)[-1]
    assert (bake.kind, bake.control) == (K.BAKE, model.Control.LIMITS_ONLY)
    assert (bake.hold_seconds, bake.kept_percent) == (90.0, 50.0)


def test_shares_are_those_that_the_data_plane_can_give() -> None:
    plan = plan_of(make_spec(provider=model.Provider.REPLICA_RATIO, replicas=2, weights=(10.0,)))
    assert (plan[0].weight_percent, plan[0].exposure.live_percent) == (10.0, 33.3333)
    assert plan[-1].exposure.live_percent == 100.0


EXPOSURES = [
    (model.NO_TRAFFIC, (False, False)),
    (model.Exposure(live_percent=0.5), (True, True)),
    (model.Exposure(live_percent=0.0, routes=(TESTERS,)), (True, True)),
    (model.Exposure(live_percent=0.0, mirror_percent=1.0), (False, True)),
    (model.Exposure(live_percent=0.0, preview=True), (False, True)),
]


@pytest.mark.parametrize(("exposure", "expected"), EXPOSURES)
def test_who_answers_users_and_who_is_only_visited(
    exposure: model.Exposure, expected: tuple[bool, bool]
) -> None:
    assert (exposure.answers_users, exposure.is_visited) == expected


PHASES = [
    (K.FIRST, False, P.INITIALIZING),
    (K.SHADOW, False, P.PENDING),
    (K.SHADOW, True, P.SHADOWING),
    (K.PREVIEW, False, P.PENDING),
    (K.PREVIEW, True, P.PROGRESSING),
    (K.LIVE, False, P.PENDING),
    (K.LIVE, True, P.PROGRESSING),
    (K.SWITCH, False, P.PROMOTING),
    (K.SWITCH, True, P.PROMOTING),
    (K.BAKE, True, P.BAKING),
]


@pytest.mark.parametrize(("kind", "begun", "phase"), PHASES)
def test_the_phase_follows_from_the_kind_of_stage(
    kind: model.StageKind, *, begun: bool, phase: model.Phase
) -> None:
    now = World().now
    rollout = model.Rollout(
        id="iris-1",
        revision=V2,
        attempt=1,
        active=True,
        started_at=now,
        progress_at=now,
        plan=(replace(first_plan()[0], kind=kind),),
        step=model.ActiveStep(index=0, name="it", started_at=now),
        first_traffic_at=now if begun else None,
    )
    assert phase_of(rollout) is phase
    assert phase_of(rollout, stands_still=True) is P.PAUSED
    assert phase_of(replace(rollout, rollback_by="User"), stands_still=True) is P.ROLLING_BACK
    assert phase_of(replace(rollout, step=None)) is P.PENDING


# --- plans of the first release ------------------------------------------------------------------


def of_first_release(world: World, *, drop_step: bool = False) -> None:
    """Status as the first release would have written it: no switch, and nothing for a first one."""
    rollout = world.status.rollout
    assert rollout is not None
    plan = tuple(it for it in rollout.plan if it.kind is K.LIVE)
    step = rollout.step
    if drop_step or (step is not None and step.index >= len(plan)):
        step = None
    world.status = replace(world.status, rollout=replace(rollout, plan=plan, step=step))


def kinds(world: World) -> list[model.StageKind]:
    assert world.status.rollout is not None
    return [it.kind for it in world.status.rollout.plan]


@pytest.mark.parametrize("phase", [P.PROGRESSING, P.PROMOTING])
def test_a_rollout_of_the_first_release_goes_on_where_it_stood(phase: model.Phase) -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(phase, seconds=1.0)
    before = world.traffic.weights[V2.hash]
    of_first_release(world)
    world.tick()
    assert world.status.phase is phase
    assert world.traffic.weights[V2.hash] >= before
    assert kinds(world) == [K.LIVE, K.LIVE, K.SWITCH]
    world.run_until(P.HEALTHY)
    assert world.status.last_rollout is not None
    assert (world.status.last_rollout.attempt, world.status.last_rollout.reason) == (
        1,
        "all steps passed",
    )


def test_a_first_revision_of_the_first_release_gets_its_stage() -> None:
    world = World()
    world.accept = False
    for _ in range(3):
        world.tick()
    of_first_release(world, drop_step=True)
    world.accept = True
    world.tick()
    assert kinds(world) == [it.kind for it in first_plan()]
    world.traffic = replace(world.traffic, accepted=True)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash


def test_a_plan_that_was_emptied_promotes_nobody() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(P.PROGRESSING, seconds=1.0)
    assert world.status.rollout is not None
    world.status = replace(world.status, rollout=replace(world.status.rollout, plan=()))
    world.tick()
    assert "StatusInconsistent" in world.reasons()
    assert world.traffic.weights == {V1.hash: 100.0}
