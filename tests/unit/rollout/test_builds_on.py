"""What must not be done where another write was not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import V1, V2
from status_examples import FULL_STATUS

from tidegate import model
from tidegate.model import actions

assert FULL_STATUS.rollout is not None
ROLLOUT = replace(FULL_STATUS.rollout, revision=V2)
FREEZE = actions.FreezeRollout(rollout=ROLLOUT)
SCALE = actions.Scale(revision=V1.hash, replicas=0, seen_replicas=3)
ROLE = actions.SetRole(revision=V1.hash, role=model.Role.STABLE)


def traffic(live: float = 0.0, mirror: float = 0.0) -> actions.SetTraffic:
    exposure = model.Exposure(live_percent=live, mirror_percent=mirror)
    return actions.SetTraffic(stable=V1.hash, candidate=V2.hash, exposure=exposure)


def create(revision: model.Revision) -> actions.CreateRevision:
    return actions.CreateRevision(revision=revision, replicas=1, role=model.Role.CANDIDATE)


@pytest.mark.parametrize(
    ("action", "refused", "waits"),
    [
        (traffic(10.0), actions.AddFinalizer(), True),
        (traffic(mirror=10.0), actions.AddFinalizer(), True),
        (traffic(), actions.AddFinalizer(), False),
        (replace(traffic(), stable=V2.hash, kept=V1.hash), actions.AddFinalizer(), True),
        (create(V2), actions.AddFinalizer(), False),
        (create(V2), FREEZE, True),
        (create(V1), FREEZE, False),
        (traffic(10.0), FREEZE, True),
        (traffic(), FREEZE, False),
        (SCALE, FREEZE, False),
        (traffic(10.0), SCALE, False),
        (ROLE, traffic(10.0), False),
    ],
)
def test_what_builds_on_it_waits_and_nothing_else(
    action: actions.Action, refused: actions.Action, *, waits: bool
) -> None:
    assert actions.builds_on(action, refused) is waits
