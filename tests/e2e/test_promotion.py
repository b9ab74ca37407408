"""A good version walks its steps and is promoted, and nobody notices but for the version."""

from __future__ import annotations

import pytest
from cluster_checks import assert_nobody_failed, assert_shares
from cluster_scene import Scene
from cluster_users import serve_first

pytestmark = pytest.mark.cluster

# Two rollouts of three weights need about 50: intents, confirmations, pods, Events. Many more are
# a sign that passes write what has not changed.
MOST_WRITES = 100


@pytest.mark.replicas(2)
def test_good_version_is_promoted_and_no_request_fails(scene: Scene) -> None:
    model = scene.model(replicas=2)
    load = serve_first(model)
    applied_at = model.apply("2")
    promoted = model.wait_for_phase("Healthy", seconds=120, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    model.wait_for_rest(since=applied_at)

    books = load.books()
    assert_nobody_failed(books)
    assert_shares(model.looks(since=applied_at), books, version="2", steps=2)
    leader = scene.operator.leader()
    for pod in scene.operator.pods():
        name = pod["metadata"]["name"]
        writes = sum(scene.operator.writes(name).values())
        assert 0 < writes < MOST_WRITES if name == leader else writes == 0, "only the leader writes"
