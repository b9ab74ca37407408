"""The first revision of all, which serves without a step."""

from __future__ import annotations

from rollout_world import V1, World

from tidegate import model

P = model.Phase


def test_first_revision_serves_directly_once_ready() -> None:
    world = World()
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.pods() == {V1.hash: 4}
    assert world.reasons() == ["RolloutStarted", "Promoted"]


def test_first_revision_that_never_gets_ready_fails_with_the_pods_reason() -> None:
    world = World(broken=frozenset({V1.hash}))
    world.run_until(P.FAILED)
    assert "CrashLoopBackOff" in world.status.message
    assert world.condition("Stalled").reason == "FirstRevisionFailed"
    world.settle()
    assert world.pods() == {}


def test_retry_starts_a_failed_first_revision_again() -> None:
    world = World(broken=frozenset({V1.hash}))
    world.run_until(P.FAILED)
    world.settle()
    world.broken = frozenset()
    world.ask("retry", V1)
    world.run_until(P.HEALTHY)
    assert world.status.rollout is not None
    assert world.status.rollout.attempt == 2


def test_first_revision_waits_for_the_ready_url() -> None:
    world = World(ready_url_failure="503")
    for _ in range(10):
        world.tick()
    assert world.status.phase is P.INITIALIZING
    assert not world.traffic.exists
    world.ready_url_failure = ""
    world.run_until(P.HEALTHY)
