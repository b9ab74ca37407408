"""Waits for what cannot be seen: evidence, an accepted route, ready pods."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, START, V1, V2, World, serving

from tidegate import model

P = model.Phase


def test_long_missing_data_is_named_and_ends_when_data_return() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.analysis = model.AnalysisState(
        judged=True, reason="NoData", message="no requests", without_data_since=world.now
    )
    assert world.spec is not None
    world.spec = replace(
        world.spec, analysis=replace(world.spec.analysis, no_data_timeout_seconds=60.0)
    )
    for _ in range(20):
        world.tick(5.0)
    assert world.status.phase is P.PROGRESSING
    assert world.status.rollout is not None
    assert world.status.rollout.waiting_for is not None
    assert world.status.rollout.waiting_for.reason is model.Waiting.NO_DATA
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)


def test_route_of_the_first_revision_that_is_not_accepted_is_told_once() -> None:
    world = World(accept=False)
    world.run_while(lambda: not world.traffic.exists)
    world.tick()
    world.status_writes = 0
    for _ in range(20):
        world.tick()
    assert world.status_writes == 0
    assert world.reasons().count("RouteNotProgrammed") == 1
    world.traffic = replace(world.traffic, accepted=True)
    world.run_until(P.HEALTHY)
    assert world.status.rollout is not None
    assert world.status.rollout.waiting_for is None


@pytest.mark.parametrize("first", [True, False])
def test_pods_that_are_not_ready_are_looked_at_again_soon(first: bool) -> None:  # noqa: FBT001
    """Their reasons, such as CrashLoopBackOff, reach us by no watch."""
    world = World() if first else serving()
    world.broken = frozenset({V1.hash, V2.hash})
    world.deploy(V1 if first else V2)
    world.tick()
    decision = world.tick()
    assert "CrashLoopBackOff" in world.status.message
    assert decision.requeue_after_seconds <= 2


def test_moving_numbers_in_a_reason_to_wait_are_written_once() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    lost = model.AnalysisState(judged=True, reason="MetricsUnavailable", consecutive_errors=5)
    world.analysis = replace(lost, message="last answer 1 s ago")
    world.run_until(P.PAUSED)
    world.status_writes = 0
    for seconds in range(2, 12):
        world.analysis = replace(lost, message=f"last answer {seconds} s ago")
        world.tick(1.0)
    assert world.status_writes == 0


@pytest.mark.parametrize(
    "less",
    [
        {"reason": "MetricsUnavailable", "consecutive_errors": 1},  # counted anew after a restart
        {"reason": "NoData", "without_data_since": START},
    ],
)
def test_a_wait_for_metrics_lasts_until_they_are_there_again(less: dict[str, object]) -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    lost = model.AnalysisState(judged=True, reason="MetricsUnavailable", consecutive_errors=5)
    world.analysis = lost
    world.run_until(P.PAUSED)
    if "without_data_since" in less:
        less = {**less, "without_data_since": world.now}
    world.analysis = model.AnalysisState(judged=True, **less)  # type: ignore[arg-type]
    for _ in range(10):
        world.tick()
    assert world.status.phase is P.PAUSED
    assert world.condition("Paused").reason == "MetricsUnavailable"
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)


def test_unreachable_metrics_pause_and_go_on_alone() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.analysis = model.AnalysisState(
        judged=True, reason="MetricsUnavailable", message="503", consecutive_errors=5
    )
    world.run_until(P.PAUSED)
    assert world.condition("Paused").reason == "MetricsUnavailable"
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)
