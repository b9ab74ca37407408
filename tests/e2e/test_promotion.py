"""A good version walks its steps and is promoted, and nobody notices but for the version.

In its midst `kubectl scale` asks for more pods, as an autoscaler would.
"""

from __future__ import annotations

import pytest
from cluster_checks import assert_nobody_failed, assert_shares
from cluster_scene import Model, Scene
from cluster_users import serve_first

pytestmark = pytest.mark.cluster

# Two rollouts of three weights need about 50: intents, confirmations, pods, Events. Many more are
# a sign that passes write what has not changed.
MOST_WRITES = 100
REPLICAS, SCALED = 2, 3


@pytest.mark.replicas(2)
def test_good_version_is_promoted_and_no_request_fails(scene: Scene) -> None:
    model = scene.model(replicas=REPLICAS)
    load = serve_first(model)
    applied_at = model.apply("2")
    model.wait_for_weight(20.0, seconds=120, since=applied_at)
    scaled_at = _scale(model, replicas=SCALED)
    promoted = model.wait_for_phase("Healthy", seconds=180, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    model.wait_for_rest(since=applied_at)

    rollouts = [look.rollout for look in model.looks(since=scaled_at) if look.rollout]
    assert {(it["revision"], it["attempt"]) for it in rollouts} == {(promoted.stable_revision, 1)}
    _wait_for_pods(model, promoted.stable_revision, number=SCALED)
    books = load.books()
    assert_nobody_failed(books)
    assert_shares(promoted, books, version="2", steps=2)
    scene.operator.wait_ready()  # on a starved machine a leader may have lost its Lease
    writes = {pod: sum(scene.operator.writes(pod).values()) for pod in scene.operator.names()}
    assert sum(writes.values()) < MOST_WRITES
    if not scene.operator.restarts():
        leader = scene.operator.leader()
        assert {pod for pod, number in writes.items() if number} == {leader}, "nobody else writes"


def _scale(model: Model, *, replicas: int) -> float:
    """By the subresource; unix seconds since when that, and what followed, was told."""
    scene = model.scene
    scene.operator.cluster.kubectl(
        *("scale", f"modeldeployments.tidegate.dev/{model.name}", f"--replicas={replicas}"),
        *("--namespace", scene.namespace),
    )
    told = model.wait_for(
        lambda look: look.body["spec"]["workload"]["replicas"] == replicas,
        seconds=90,
        what="the watch tells of the scale",
    )
    return told.at


def _wait_for_pods(model: Model, revision: str, *, number: int) -> None:
    """Until its Deployment and the status count so many."""
    model.scene.history.wait_for(
        lambda: (
            model.deployment(revision)[-1].body.get("status", {}).get("readyReplicas") == number
            and model.looks()[-1].status["stable"]["replicas"] == number
        ),
        seconds=120,
        explain=model.tell,
    )
