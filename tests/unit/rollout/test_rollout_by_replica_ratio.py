"""Whole rollouts where pod counts are the split."""

from __future__ import annotations

from rollout_world import BREACH, V1, V2, serving

from tidegate import model

P = model.Phase


def test_replica_ratio_promotes_through_pod_counts() -> None:
    world = serving(
        provider=model.Provider.REPLICA_RATIO,
        weights=(25.0, 50.0),
        scaling=model.Scaling(max_surge_percent=25.0),
    )
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    world.settle()
    assert world.pods() == {V2.hash: 4}
    assert world.traffic.weights == {V2.hash: 100.0}


def test_replica_ratio_gives_stable_its_pods_back_on_rollback() -> None:
    world = serving(
        provider=model.Provider.REPLICA_RATIO,
        weights=(50.0,),
        scaling=model.Scaling(max_surge_percent=25.0),
    )
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    world.run_while(lambda: world.pods() != {V1.hash: 2, V2.hash: 2})
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    world.settle()
    assert world.pods() == {V1.hash: 4}
