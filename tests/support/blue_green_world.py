"""A world in which rollouts are blue-green."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rollout_world import V2, World, made_once, serving

from tidegate import model
from tidegate.traffic.sizing import whole

K = model.StageKind
PROVIDERS = list(model.Provider)
ASKED = model.BlueGreen(preview_service="iris-preview", preview_seconds=60.0)
STAFF = model.HeaderRoute(name="staff", headers=(model.Header(name="x-staff", value="1"),))


@made_once
def switching(provider: model.Provider = model.Provider.GATEWAY_API, **asked: Any) -> World:
    """A world in which 1.0 serves, and rollouts are blue-green without a bake."""
    world = serving(provider=provider)
    assert world.spec is not None
    world.spec = replace(
        world.spec,
        steps=(),
        blue_green=replace(ASKED, **asked),
        traffic=replace(world.spec.traffic, exclusive=True),
        scaling=whole.SCALING,
    )
    world.generation += 1
    world.settle()
    return world


@made_once
def blue_green(
    provider: model.Provider = model.Provider.GATEWAY_API,
    *,
    kept_percent: float = 100.0,
    **asked: Any,
) -> World:
    """A world in which 1.0 serves, and rollouts are blue-green with a bake."""
    world = switching(provider, **asked)
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=600.0, kept_percent=kept_percent))
    world.generation += 1
    world.settle()
    world.weights_seen.clear()
    world.events.clear()
    return world


@made_once
def in_preview(provider: model.Provider = model.Provider.GATEWAY_API, **asked: Any) -> World:
    world = blue_green(provider, **asked)
    world.deploy(V2)
    world.tick()
    world.run_while(lambda: stage(world).confirmed_at is None)
    assert stage(world).kind is K.PREVIEW
    return world


def stage(world: World) -> model.Stage:
    rollout = world.status.active_rollout
    assert rollout is not None
    found = rollout.stage
    assert found is not None
    return found
