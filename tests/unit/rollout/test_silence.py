"""A candidate that shows no data loses its traffic and not its name, and is tried again later."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, V3, World, made_once, serving

from tidegate import model

P = model.Phase
BOTH = pytest.mark.parametrize(
    "provider", [model.Provider.GATEWAY_API, model.Provider.REPLICA_RATIO]
)
SILENT = replace(HOLD, reason="NoData", silent="NoData: nothing for 60 s")
TIMEOUT = 600.0  # spec.analysis.noDataTimeout of the world


@made_once
def at_weight(provider: model.Provider = model.Provider.GATEWAY_API, **options: object) -> World:
    world = serving(provider=provider, weights=(50.0,), **options)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.tick()
    return world


def rollout(world: World) -> model.Rollout:
    assert world.status.rollout is not None
    return world.status.rollout


def has_traffic(world: World) -> bool:
    return world.traffic.weights.get(V2.hash, 0.0) > 0


def wait(world: World, seconds: float) -> None:
    for _ in range(round(seconds / 10)):
        world.tick(10.0)


@BOTH
def test_silence_takes_the_traffic_back_and_rejects_nobody(provider: model.Provider) -> None:
    world = at_weight(provider)
    world.analysis = SILENT
    world.tick()

    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.status.rejected == ()
    assert "CandidateWithdrawn" in world.reasons()
    waits = rollout(world).waiting_for
    assert waits is not None
    assert waits.reason is model.Waiting.WITHDRAWN
    assert "NoData" in waits.message


@BOTH
def test_the_stage_is_taken_again_after_the_timeout(provider: model.Provider) -> None:
    world = at_weight(provider)
    world.analysis = SILENT
    world.tick()
    world.analysis = HOLD
    wait(world, TIMEOUT - 30)
    assert not has_traffic(world)
    wait(world, 60)
    assert has_traffic(world)
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)


def test_each_time_it_waits_twice_as_long_and_in_the_end_for_a_person() -> None:
    world = at_weight()
    began: list[float] = []
    for _ in range(4):
        world.run_while(lambda: not has_traffic(world), limit=2000)
        began.append((world.now - rollout(world).started_at).total_seconds())
        world.analysis = SILENT
        world.run_while(lambda: has_traffic(world))
        world.analysis = HOLD
    apart = [after - before for before, after in itertools.pairwise(began)]
    assert apart == pytest.approx([TIMEOUT, 2 * TIMEOUT, 4 * TIMEOUT], abs=30)

    wait(world, 20 * TIMEOUT)
    assert not has_traffic(world)
    assert world.status.phase is P.PAUSED
    assert "4 times" in rollout(world).waiting_for.message  # type: ignore[union-attr]
    world.ask("promote", V2)
    world.run_while(lambda: not has_traffic(world))
    assert rollout(world).silence is None
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)


def test_a_person_need_not_wait() -> None:
    world = at_weight()
    world.analysis = SILENT
    world.tick()
    world.analysis = HOLD
    wait(world, 60)
    world.ask("promote", V2)
    wait(world, 20)
    assert has_traffic(world)
    assert world.status.last_handled_request is not None
    assert world.status.last_handled_request.outcome == "Accepted"


def test_promote_is_refused_where_nothing_waits_for_it() -> None:
    world = at_weight()
    world.ask("promote", V2)
    world.tick()
    assert world.status.last_handled_request is not None
    assert world.status.last_handled_request.reason == "NotWaiting"


def test_proven_harm_is_no_silence() -> None:
    world = at_weight()
    world.analysis = replace(BREACH, silent="NoData: nothing for 60 s")
    world.run_until(P.ROLLED_BACK)
    assert [one.revision for one in world.status.rejected] == [V2.hash]


def test_stable_without_pods_gets_nothing_back() -> None:
    world = at_weight()
    world.revisions[V1.hash] = replace(world.revisions[V1.hash], ready=0, available=0)
    world.analysis = SILENT
    world.now += timedelta(seconds=1)
    world.step()
    assert has_traffic(world)


def test_the_next_stage_begins_with_a_clean_slate() -> None:
    world = serving(weights=(10.0, 50.0))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: not has_traffic(world))
    world.tick()
    world.analysis = SILENT
    world.tick()
    assert rollout(world).silence == model.Silence(times=1, since=world.now)
    world.analysis = HOLD
    world.run_while(lambda: not has_traffic(world), limit=2000)
    world.analysis = ADVANCE
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    assert rollout(world).silence is None


def test_a_newer_version_does_not_wait_for_a_silent_one() -> None:
    world = at_weight()
    world.analysis = SILENT
    world.tick()
    world.analysis = ADVANCE
    world.deploy(V3)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V3.hash


def test_what_is_promoted_without_analysis_is_not_held() -> None:
    world = at_weight()
    world.analysis = SILENT
    world.tick()
    world.ask("promote-full", V2)
    world.run_until(P.HEALTHY)


def test_a_clock_that_goes_back_makes_nobody_wait_longer() -> None:
    world = at_weight()
    world.analysis = SILENT
    world.tick()
    world.analysis = HOLD
    world.now -= timedelta(hours=5)
    wait(world, TIMEOUT + 60)
    assert has_traffic(world)
