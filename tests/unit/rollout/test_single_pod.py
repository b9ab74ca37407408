"""The only pod of stable goes for a candidate that answers users, and never for copies of requests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, HOLD, START, V1, V2, World, make_spec, serving, waits

from tidegate import model
from tidegate.api.mirror_checks import violations

RECREATE = model.Scaling(
    surge_policy=model.SurgePolicy.RECREATE, max_surge_percent=0.0, max_unavailable_percent=100.0
)
MIRRORS = pytest.mark.parametrize("provider", [model.Provider.GATEWAY_API, model.Provider.CONTOUR])
SAFE = {"metadata": {"annotations": {"tidegate.dev/shadow-safe": "true"}}}
NO_ROOM = model.Violation(path="spec.strategy.shadow.mirrorPercent", message="no room")


def shadow(percent: float = 100.0) -> model.Shadow:
    return model.Shadow(
        mirror=model.Mirror(percent=percent, seconds=600.0),
        deadline_seconds=6000.0,
        min_requests=10,
        then=model.Then.PROMOTE,
    )


def copying(spec: model.Spec, kind: str) -> model.Spec:
    """The spec with copies of all requests in a shadow, a warm-up, or beside a share."""
    match kind:
        case "shadow":
            return replace(spec, steps=(), shadow=shadow())
        case "part":
            return replace(spec, steps=(), shadow=shadow(20.0))
        case "warm-up":
            return replace(spec, warm_up=model.Mirror(percent=100.0, seconds=600.0))
        case _:
            steps = (replace(it, mirror_percent=100 - it.weight_percent) for it in spec.steps)
            return replace(spec, steps=tuple(steps))


KINDS = pytest.mark.parametrize("kind", ["shadow", "part", "warm-up", "step"])


def stable_keeps_a_pod(world: World, *, passes: int = 30) -> None:
    for _ in range(passes):
        world.tick(2.0)
        assert world.pods().get(V1.hash, 0) >= 1, world.pods()
        assert world.traffic.weights[V1.hash] == 100.0


@MIRRORS
@KINDS
def test_copies_wait_for_room_where_one_pod_is_all(provider: model.Provider, kind: str) -> None:
    world = serving(provider=provider, replicas=1, scaling=RECREATE)
    assert world.spec is not None
    world.spec = copying(world.spec, kind)
    world.analysis = HOLD
    world.deploy(V2)
    stable_keeps_a_pod(world)
    assert waits(world) is model.Waiting.CAPACITY
    assert not world.status.rejected


@MIRRORS
def test_so_they_do_where_an_autoscaler_has_left_one(provider: model.Provider) -> None:
    spec = make_spec(provider=provider, replicas=2, scaling=RECREATE)
    scaled = model.Autoscaling(min_replicas=1, max_replicas=4, cpu_percent=60)
    world = World(spec=replace(spec, autoscaling=scaled))
    world.run_until(model.Phase.HEALTHY)
    world.settle()
    world.revisions[V1.hash] = replace(world.revisions[V1.hash], wanted=1)
    world.settle()
    assert world.pods() == {V1.hash: 1}
    assert world.spec is not None
    world.spec = copying(world.spec, "shadow")
    world.deploy(V2)
    stable_keeps_a_pod(world)
    assert waits(world) is model.Waiting.CAPACITY


@MIRRORS
@pytest.mark.parametrize("kind", ["shadow", "warm-up"])
@pytest.mark.parametrize("spoilt", [False, True])
def test_copies_that_run_take_no_pod_when_replicas_fall_to_one(
    provider: model.Provider, kind: str, *, spoilt: bool
) -> None:
    world = serving(provider=provider, replicas=2, scaling=RECREATE)
    assert world.spec is not None
    world.spec = copying(world.spec, kind)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: V2.hash not in world.traffic.mirrors)
    world.spec = replace(world.spec, replicas=1)
    world.generation += 1
    world.violations = (NO_ROOM,) if spoilt else ()
    stable_keeps_a_pod(world)


@MIRRORS
def test_one_that_answers_users_is_swapped_for_it(provider: model.Provider) -> None:
    world = serving(provider=provider, replicas=1, scaling=RECREATE)
    world.analysis = ADVANCE
    world.deploy(V2)
    world.run_while(lambda: world.pods() != {V2.hash: 1})
    world.run_until(model.Phase.HEALTHY)
    assert world.now > START
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


@pytest.mark.parametrize(
    ("replicas", "fewest", "refused"),
    [(2, 2, False), (2, 1, True), (1, 1, True), (4, 1, True), (0, 1, False)],
)
@KINDS
def test_the_fewest_pods_of_an_autoscaler_must_leave_room(
    kind: str, replicas: int, fewest: int, *, refused: bool
) -> None:
    scaled = model.Autoscaling(min_replicas=fewest, max_replicas=8, cpu_percent=60)
    spec = make_spec(replicas=replicas, scaling=RECREATE)
    spec = copying(replace(spec, template=SAFE, autoscaling=scaled), kind)
    found = list(violations(spec))
    assert bool(found) is refused, found
    assert all("choose surgePolicy: Surge" in it.message for it in found)
    assert len({it.path for it in found}) == len(found), "each once"
