"""Whatever of ours is deleted comes back within seconds, in every phase and by every provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rollout_world import ADVANCE, HOLD, V1, V2, World, serving

from tidegate import model
from tidegate.traffic.sizing import whole

G, C, R = model.Provider.GATEWAY_API, model.Provider.CONTOUR, model.Provider.REPLICA_RATIO
P = model.Phase
SPOILT = model.Violation(path="spec.server.port", message="must be a number")
SHOP = (model.RouteRef(kind="HTTPRoute", name="shop"),)
SHADOW = model.Shadow(
    mirror=model.Mirror(percent=100.0, seconds=6000.0),
    deadline_seconds=60000.0,
    min_requests=10,
    then=model.Then.PROMOTE,
)


def edit(world: World, **fields: object) -> None:
    assert world.spec is not None
    world.spec = replace(world.spec, **fields)  # type: ignore[arg-type]


def walk(world: World, phase: model.Phase) -> None:
    world.deploy(V2)
    world.run_until(phase)
    world.tick()


# --- phases --------------------------------------------------------------------------------------


def rests(world: World) -> None:
    world.tick()


def holds(world: World) -> None:
    world.analysis = HOLD
    walk(world, P.PROGRESSING)


def waits_for_pods(world: World) -> None:
    world.analysis = ADVANCE
    walk(world, P.PROGRESSING)
    world.held[V2.hash] = 1
    world.run_while(lambda: _stage(world).index == 0)
    world.tick()


def pauses_before_a_step(world: World) -> None:
    waits_for_pods(world)
    edit(world, paused=True)
    world.tick()


def pauses_before_the_switch(world: World) -> None:
    world.analysis = ADVANCE
    walk(world, P.PROGRESSING)
    gated = model.Automation(level=model.AutomationLevel.GATED)
    edit(world, automation=gated)
    world.run_until(P.PAUSED)
    world.tick()


def bakes(world: World) -> None:
    edit(world, bake=model.Bake(seconds=3600.0))
    walk(world, P.BAKING)


def shadows(world: World) -> None:
    edit(world, steps=(), shadow=SHADOW)
    walk(world, P.SHADOWING)


def previews(world: World) -> None:
    assert world.spec is not None
    edit(
        world,
        steps=(),
        blue_green=model.BlueGreen(preview_service="iris-preview", preview_seconds=6000.0),
        traffic=replace(world.spec.traffic, exclusive=True),
        scaling=whole.SCALING,
    )
    world.generation += 1
    world.settle()
    world.deploy(V2)
    world.tick()
    world.run_while(lambda: _stage(world).confirmed_at is None)


def candidate_answers(world: World) -> None:
    holds(world)
    lose_pods(world, V1)


def previous_answers(world: World) -> None:
    edit(world, scale_down_delay_seconds=900.0)
    walk(world, P.HEALTHY)
    lose_pods(world, V2)


def is_withdrawn(world: World) -> None:
    holds(world)
    lose_pods(world, V2)


def is_invalid_in_a_step(world: World) -> None:
    holds(world)
    spoil(world)


def is_invalid_in_the_bake(world: World) -> None:
    bakes(world)
    spoil(world)


def lose_pods(world: World, revision: model.Revision) -> None:
    world.held[revision.hash] = 0
    for _ in range(8):
        world.tick()


def spoil(world: World) -> None:
    world.violations = (SPOILT,)
    world.tick()


def _stage(world: World) -> model.StepStatus:
    rollout = world.status.active_rollout
    assert rollout is not None
    assert rollout.step is not None
    return rollout.step


# --- what is deleted -----------------------------------------------------------------------------


def everything(world: World) -> None:
    world.traffic = model.TrafficState(exists=False)


def route(world: World) -> None:
    seen = world.traffic
    world.traffic = model.TrafficState(
        exists=False,
        entry_exists=True,
        entry_revision=seen.entry_revision,
        entry_port=seen.entry_port,
        preview_revision=seen.preview_revision,
    )


def entry(world: World) -> None:
    world.traffic = replace(world.traffic, entry_exists=False, entry_revision="", entry_port=0)


def preview(world: World) -> None:
    world.traffic = replace(world.traffic, preview_revision="")


Act = Callable[[World], None]
ANYWHERE: tuple[Act, ...] = (
    rests,
    holds,
    waits_for_pods,
    pauses_before_a_step,
    pauses_before_the_switch,
    bakes,
    previews,
    previous_answers,
    is_withdrawn,
    is_invalid_in_a_step,
    is_invalid_in_the_bake,
)
BY_ROUTE = (*ANYWHERE, shadows, candidate_answers)
CASES = [
    *(
        (provider, phase, lost)
        for provider in (G, C)
        for phase in BY_ROUTE
        for lost in (route, entry)
    ),
    *((R, phase, everything) for phase in ANYWHERE),
    *((provider, previews, preview) for provider in model.Provider),
]


def name_of(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(("provider", "phase", "lost"), CASES, ids=name_of)
def test_what_is_deleted_is_made_again_as_it_was(
    provider: model.Provider, phase: Act, lost: Act
) -> None:
    world = serving(provider=provider)
    phase(world)
    before = world.traffic
    lost(world)
    world.tick()
    # A fence against late raises went with the object that it stood on.
    assert world.traffic == replace(before, lowered_rollout=world.traffic.lowered_rollout)
    world.writes.clear()
    for _ in range(5):
        world.tick()
    assert "SetTraffic" not in world.writes, "it is written once"


QUIET = [pauses_before_a_step, previous_answers, is_withdrawn, is_invalid_in_a_step]


@pytest.mark.parametrize("phase", QUIET, ids=name_of)
def test_a_foreign_object_in_its_place_is_not_fought(phase: Act) -> None:
    world = serving()
    phase(world)
    route(world)
    world.traffic = replace(world.traffic, conflict="HTTPRoute iris belongs to somebody else")
    world.writes.clear()
    world.tick()
    assert "SetTraffic" not in world.writes


def test_a_foreign_preview_is_not_fought() -> None:
    world = serving()
    previews(world)
    preview(world)
    world.traffic = replace(world.traffic, preview_conflict="it belongs to somebody else")
    world.writes.clear()
    spoil(world)
    assert "SetTraffic" not in world.writes


@pytest.mark.parametrize("phase", [holds, bakes, is_invalid_in_a_step], ids=name_of)
def test_a_service_that_a_route_of_the_user_names_comes_back(phase: Act) -> None:
    """The entry Service is the backend of stable there: most users fail without it."""
    world = serving()
    assert world.spec is not None
    edit(world, traffic=replace(world.spec.traffic, routes=SHOP, gateway=None))
    phase(world)
    before = world.traffic
    entry(world)
    world.tick()
    assert world.traffic == before


def test_a_route_of_the_user_is_not_ours_to_make() -> None:
    world = serving()
    assert world.spec is not None
    edit(world, traffic=replace(world.spec.traffic, routes=SHOP, gateway=None))
    holds(world)
    world.held[V2.hash] = 1
    spoil(world)
    route(world)
    world.writes.clear()
    world.tick()
    assert "SetTraffic" not in world.writes


def test_a_kind_that_is_not_served_is_tried_now_and_then() -> None:
    world = serving()
    holds(world)
    world.traffic = replace(
        world.traffic, exists=False, entry_exists=False, obstacle="no HTTPRoute"
    )
    spoil(world)
    world.traffic = replace(
        world.traffic, exists=False, entry_exists=False, obstacle="no HTTPRoute"
    )
    decision = world.tick()
    assert world.writes[-1] == "SetTraffic"
    assert 1.0 < decision.requeue_after_seconds <= 10.0


# --- pods of what answers for stable -------------------------------------------------------------


@pytest.mark.parametrize("provider", list(model.Provider))
@pytest.mark.parametrize("lost", ["Service", "Deployment"])
def test_what_answers_for_stable_gets_its_parts_back(provider: model.Provider, lost: str) -> None:
    world = serving(provider=provider)
    previous_answers(world)
    assert world.status.failover is not None
    known = world.revisions[V1.hash]
    if lost == "Service":
        world.revisions[V1.hash] = replace(known, has_service=False)
    else:
        del world.revisions[V1.hash]
    world.tick()
    assert world.revisions[V1.hash].has_service
    assert world.revisions[V1.hash].wanted in {known.wanted, 4}, "it carries the whole load"
    assert world.revisions[V1.hash].role is model.Role.PREVIOUS
    world.writes.clear()
    world.tick()
    assert world.status.failover.revision == V1.hash
    assert not {"CreateRevision", "Scale"} & set(world.writes)
