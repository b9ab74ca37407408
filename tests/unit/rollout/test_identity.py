"""What was found is written down, and stays while a candidate is judged by it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import V2, serving

from tidegate import model
from tidegate.model import IdentityMode, SourceIdentity
from tidegate.rollout import identity
from tidegate.rollout.turn import Turn


def _by(**modes: IdentityMode) -> tuple[SourceIdentity, ...]:
    return tuple(SourceIdentity(source=name, mode=mode) for name, mode in sorted(modes.items()))


KNOWN = _by(a=IdentityMode.LABEL)
FOUND = _by(a=IdentityMode.POD, b=IdentityMode.POD_LABEL)
ADDED = _by(a=IdentityMode.LABEL, b=IdentityMode.POD_LABEL)


def _kept(*, weight: float | None, found: tuple[SourceIdentity, ...]) -> model.Status:
    """The status after a look, at rest or while a candidate has this weight."""
    world = serving()
    if weight is not None:
        world.deploy(V2)
        world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < weight)
        world.tick()
    status = replace(world.status, identity=KNOWN)
    seen = replace(world.observe(), status=status, identity=found)
    return identity.keep(Turn(seen=seen, status=status)).status


@pytest.mark.parametrize(
    ("case", "weight", "found", "identity_after"),
    [
        ("at rest", None, FOUND, FOUND),
        ("at rest, one source had no answer", None, _by(b=IdentityMode.POD_LABEL), ADDED),
        ("nothing found", None, (), KNOWN),
        ("judged by it", 10.0, FOUND, ADDED),
        ("judged by it, nothing found", 10.0, (), KNOWN),
    ],
)
def test_the_labels_of_a_source_are_kept(
    case: str,
    weight: float | None,
    found: tuple[SourceIdentity, ...],
    identity_after: tuple[SourceIdentity, ...],
) -> None:
    assert _kept(weight=weight, found=found).identity == identity_after, case


def test_before_its_first_traffic_a_candidate_may_still_be_read_by_other_labels() -> None:
    world = serving()
    world.deploy(V2)
    world.tick()
    assert world.status.rollout is not None
    assert world.status.rollout.first_traffic_at is None
    status = replace(world.status, identity=KNOWN)
    seen = replace(world.observe(), status=status, identity=FOUND)

    assert identity.keep(Turn(seen=seen, status=status)).status.identity == FOUND
