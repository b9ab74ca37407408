"""People before a gate: what they have decided, and what the rollout says that it waits for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rollout_world import World

from tidegate import model


def decide(world: World, *who: str, **changed: Any) -> None:
    """These have decided, and nobody else."""
    rollout = world.status.rollout
    assert rollout is not None
    world.approvals = replace(
        world.approvals,
        given=tuple(
            replace(
                model.Approval(
                    name=f"of-{it}",
                    revision=rollout.revision.hash,
                    attempt=rollout.attempt,
                    gate="board",
                    username=it,
                    groups=frozenset({"ml-risk"}),
                    created_at=world.now,
                ),
                **changed,
            )
            for it in who
        ),
    )


def waiting(world: World) -> str:
    rollout = world.status.active_rollout
    found = rollout.waiting_for if rollout is not None else None
    return f"{found.reason}: {found.message}" if found is not None else ""
