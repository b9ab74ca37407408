"""What a step has of its own: fractions of a percent, a size of the candidate, limits of metrics."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, HOLD, V2, World, serving

from tidegate import model
from tidegate.rollout.strategy.compile import plan_of, scaling_at
from tidegate.traffic.plane import plane_of
from tidegate.traffic.refusals import refusals

P = model.Phase
LOOSE = (model.StepLimit(name="error-ratio", threshold=model.Threshold(max=0.2)),)


def with_steps(world: World, *changes: dict[str, object]) -> World:
    assert world.spec is not None
    steps = tuple(
        replace(step, **change)  # type: ignore[arg-type]
        for step, change in zip(world.spec.steps, changes, strict=True)
    )
    world.spec = replace(world.spec, steps=steps)
    return world


def at(world: World, name: str) -> model.Rollout:
    """The rollout while the step of this name is held."""

    def held() -> bool:
        rollout = world.status.active_rollout
        step = rollout.step if rollout is not None else None
        return step is not None and step.name == name and step.confirmed_at is not None

    world.run_while(lambda: not held())
    assert world.status.active_rollout is not None
    return world.status.active_rollout


# --- size ----------------------------------------------------------------------------------------

SIZES = [
    ({"replicas": 9}, 9),
    ({"replicas": 2}, 2),
    ({"replicas": 50}, 10),
    ({"replicas_percent": 25.0}, 3),
    ({"replicas_percent": 0.5}, 1),
    ({"replicas_percent": 100.0}, 10),
    ({}, 2),
]


@pytest.mark.parametrize(("change", "pods"), SIZES)
def test_a_step_gives_the_candidate_a_size_apart_from_its_weight(
    change: dict[str, object], pods: int
) -> None:
    """T1 of features.md, 6: pods follow a number, a percentage, the weight, then all."""
    world = with_steps(serving(weights=(20.0,), replicas=10), change)
    world.deploy(V2)
    at(world, "p20")
    world.analysis = HOLD
    world.settle()
    stable = world.status.stable
    assert stable is not None
    assert world.pods() == {V2.hash: pods, stable.revision: 10}
    assert world.traffic.weights[V2.hash] == 20.0
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)
    assert world.pods()[V2.hash] == 10


def test_the_size_of_a_step_ends_with_it() -> None:
    world = with_steps(serving(weights=(10.0, 50.0), replicas=10), {"replicas": 8}, {})
    world.deploy(V2)
    at(world, "p10")
    assert world.pods()[V2.hash] == 8
    at(world, "p50")
    world.analysis = HOLD
    world.settle()
    assert world.pods()[V2.hash] == 5


def test_an_abort_takes_traffic_before_the_pods_of_a_sized_step() -> None:
    world = with_steps(serving(weights=(20.0,), replicas=10), {"replicas": 9})
    world.deploy(V2)
    at(world, "p20")
    world.ask("abort", V2)
    world.run_until(P.ROLLED_BACK)
    world.settle()
    assert V2.hash not in world.pods()


def test_where_pods_make_the_share_a_step_has_no_other_size() -> None:
    world = serving(provider=model.Provider.REPLICA_RATIO, weights=(25.0, 50.0))
    spec = with_steps(world, {"replicas": 3}, {"replicas_percent": 50.0}).spec
    assert spec is not None
    found = refusals(
        plan_of(spec),
        plane_of(spec.traffic).capabilities,
        scaling=spec.scaling,
        provider=spec.traffic.provider,
    )
    assert [one.reason for one in found] == ["UnsupportedByProvider"] * 2
    assert "stage p25" in found[0].message
    assert "remove replicas and replicasPercent" in found[1].message


def test_without_a_size_the_scaling_of_the_spec_holds() -> None:
    world = serving()
    assert world.spec is not None
    for stage in plan_of(world.spec):
        assert scaling_at(stage, spec=world.spec) is world.spec.scaling


# --- fractions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.5, 0.0001, 12.3456, 99.9999])
def test_a_fraction_of_a_percent_is_the_weight_of_a_route(weight: float) -> None:
    world = serving(weights=(weight,), replicas=4)
    world.deploy(V2)
    rollout = at(world, f"p{weight:g}")
    assert rollout.plan[0].exposure.live_percent == weight
    assert world.traffic.weights[V2.hash] == weight


def test_pods_round_a_fraction_and_say_so() -> None:
    world = serving(provider=model.Provider.REPLICA_RATIO, weights=(0.5,), replicas=4)
    world.deploy(V2)
    rollout = at(world, "p0.5")
    assert rollout.plan[0].exposure.live_percent == 20.0
    assert "WeightRounded" in world.reasons()


# --- limits --------------------------------------------------------------------------------------


def test_with_other_limits_evidence_begins_anew() -> None:
    world = with_steps(serving(weights=(10.0, 50.0)), {"limits": LOOSE}, {})
    world.deploy(V2)
    first = at(world, "p10")
    assert first.judged_stage is not None
    assert first.judged_stage.limits == LOOSE
    second = at(world, "p50")
    assert second.judged_stage is not None
    assert second.judged_stage.limits == ()
    assert second.step is not None
    assert second.evidence_since == second.step.confirmed_at
    assert first.evidence_since != second.evidence_since


def test_with_the_same_limits_evidence_of_all_steps_counts_together() -> None:
    world = with_steps(serving(weights=(10.0, 50.0)), {"limits": LOOSE}, {"limits": LOOSE})
    world.deploy(V2)
    assert at(world, "p10").evidence_since == at(world, "p50").evidence_since


def test_until_the_next_weight_is_confirmed_the_limits_before_hold() -> None:
    world = with_steps(
        serving(weights=(10.0, 50.0)), {"limits": LOOSE}, {"gate": model.Gate(name="board")}
    )
    world.deploy(V2)
    world.run_until(P.AWAITING_APPROVAL)
    rollout = world.status.active_rollout
    assert rollout is not None
    assert rollout.step is not None
    assert rollout.step.name == "p50"
    assert rollout.judged_stage is not None
    assert rollout.judged_stage.name == "p10"
