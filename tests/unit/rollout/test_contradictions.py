"""A status that contradicts itself: nothing is promoted by it, and what spec asks for begins anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rollout_world import HOLD, V1, V2, World, serving

from tidegate import model

P = model.Phase
Change = Callable[[model.Rollout], model.Rollout]


def of_kind(kind: model.StageKind) -> Change:
    """The stage that is worked on is one of another kind."""

    def change(rollout: model.Rollout) -> model.Rollout:
        first, *rest = rollout.plan
        return replace(rollout, plan=(replace(first, kind=kind), *rest))

    return change


def with_step(**members: object) -> Change:
    """The active step has other members."""

    def change(rollout: model.Rollout) -> model.Rollout:
        assert rollout.step is not None
        return replace(rollout, step=replace(rollout.step, **members))  # type: ignore[arg-type]

    return change


CONTRADICTIONS: list[tuple[Change, str]] = [
    (lambda rollout: replace(rollout, step=None), "no active step"),
    (with_step(index=7), "step 7 of 3"),
    (with_step(index=-1), "step -1 of 3"),
    (with_step(hold_until=None), "a step without its times"),
    (with_step(deadline_at=None), "a step without its times"),
    (of_kind(model.StageKind.FIRST), "step p10 with a stable revision"),
    (lambda rollout: replace(rollout, plan=()), "a plan without stages"),
]


@pytest.mark.parametrize("provider", model.Provider)
@pytest.mark.parametrize(("change", "told"), CONTRADICTIONS)
def test_it_is_said_traffic_goes_back_and_the_rollout_begins_anew(
    provider: model.Provider, change: Change, told: str
) -> None:
    world = serving(provider=provider)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.tick()
    assert world.status.rollout is not None
    world.status = replace(world.status, rollout=change(world.status.rollout))
    world.weights_seen.clear()
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) > 0)
    said = [one.message for one in world.events if one.reason == "StatusInconsistent"]
    assert said == [f"2.0: {told}"]
    assert all(weights == {V1.hash: 100.0} for weights in world.weights_seen)
    assert world.status.rejected == ()
    world.settle()
    assert world.status.rollout.attempt == 2
    assert world.status.rollout.plan[0].state is model.StepState.ACTIVE
    assert max(weights.get(V2.hash, 0.0) for weights in world.weights_seen) < 50, "nothing proven"


@pytest.mark.parametrize("kind", [model.StageKind.LIVE, model.StageKind.SWITCH])
def test_without_a_stable_revision_only_the_first_stage_fits(kind: model.StageKind) -> None:
    world = World(broken=frozenset({V1.hash}))
    world.tick()
    assert world.status.rollout is not None
    world.status = replace(world.status, rollout=of_kind(kind)(world.status.rollout))
    world.tick()
    said = [one.message for one in world.events if one.reason == "StatusInconsistent"]
    assert said == ["1.0: step first with no stable revision"]
    assert world.status.stable is None
    world.broken = frozenset()
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V1.hash: 100.0}
