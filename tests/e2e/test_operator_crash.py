"""The leader dies without a word, and the standby goes on."""

from __future__ import annotations

import pytest
from cluster_checks import assert_nobody_failed
from cluster_scene import Scene
from cluster_users import serve_first

pytestmark = pytest.mark.cluster

TAKEOVER_SECONDS = 20.0


@pytest.mark.replicas(2)
def test_standby_continues_within_20_seconds_when_the_leader_dies(scene: Scene) -> None:
    model = scene.model(steps=[(20.0, "4s"), (60.0, "4s")])
    load = serve_first(model)
    applied_at = model.apply("2")
    held = model.wait_for_weight(20.0, seconds=60, since=applied_at)
    leader, epoch = scene.operator.leader(), scene.operator.epoch
    died_at = scene.operator.crash(leader)
    taken = model.wait_for(
        lambda look: look.status["controller"]["epoch"] > epoch,
        seconds=TAKEOVER_SECONDS,
        since=held.at,
        what="another replica goes on",
    )
    assert taken.at - died_at <= TAKEOVER_SECONDS
    promoted = model.wait_for_phase("Healthy", seconds=60, since=taken.at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    model.wait_for_rest(since=promoted.at)
    assert_nobody_failed(load.books())
