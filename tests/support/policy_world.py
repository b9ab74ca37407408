"""Policies that hold a rollout, and a canary that meets them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from policy_examples import policy
from rollout_world import START, V2, World, serving

from tidegate import model
from tidegate.api import policies

W = model.Waiting
PROVIDERS = list(model.Provider)
HOUR = timedelta(hours=1)


def read(spec: dict[str, Any], **more: Any) -> model.Policy:
    return policies.read_policy(policy(spec, **more))[0]


def closed(*, hours: float = 1.0, **more: Any) -> model.Policy:
    """Closed from now on."""
    window = {
        "name": "now",
        "from": START.isoformat(),
        "to": (START + hours * HOUR).isoformat(),
        **more,
    }
    return read({"freezeWindows": [window]})


STRICT = read({"constraints": {"minBake": "1h"}}, name="strict")
NAMED = read({"constraints": {"images": {"requireDigest": True}}}, name="digests")
STOP = read({"stopPolicy": "Hold"}, name="stop")
BROKEN = read({"freezeWindows": [{"name": "w", "schedule": "0 0 31 2 *", "duration": "1h"}]})
CONFLICT = (
    read({"constraints": {"allowedStrategies": ["Canary"]}}, name="a"),
    read({"constraints": {"allowedStrategies": ["Shadow"]}}, name="b"),
)
HOLDING: list[tuple[str, tuple[model.Policy, ...], model.Waiting]] = [
    ("freeze", (closed(hours=10_000),), W.FREEZE),
    ("rule", (STRICT,), W.POLICY),
    ("stop", (STOP,), W.POLICY),
    ("unreadable", (BROKEN,), W.POLICY),
    ("conflict", CONFLICT, W.POLICY),
]
EVERY = pytest.mark.parametrize(
    ("held", "reason"), [it[1:] for it in HOLDING], ids=[it[0] for it in HOLDING]
)


def canary(provider: model.Provider = model.Provider.GATEWAY_API, **more: Any) -> World:
    return serving(provider=provider, weights=(25.0, 50.0), replicas=4, **more)


def said(world: World) -> str:
    rollout = world.status.active_rollout
    assert rollout is not None
    assert rollout.waiting_for is not None
    return rollout.waiting_for.message


def share(world: World, revision: model.Revision = V2) -> float:
    return world.traffic.weights.get(revision.hash, 0.0)


def walk_to(world: World, step: str) -> None:
    def elsewhere() -> bool:
        rollout = world.status.active_rollout
        active = rollout.step if rollout is not None else None
        return active is None or active.name != step or active.confirmed_at is None

    world.run_while(elsewhere)
