"""A pool without room: a quota admits not one pod more than serve already.

Four pods lend each other their places, and one alone is swapped where it stands.
"""

from __future__ import annotations

import pytest
from cluster_checks import assert_nobody_failed
from cluster_client import Object
from cluster_history import Look
from cluster_scene import Model, Scene
from cluster_users import serve_first

from tidegate import ports

pytestmark = pytest.mark.cluster

POD_MEBIBYTES, OPERATOR_MEBIBYTES = 32, 64
USERS = 1
REASON = "SwappedInPlace"


def _no_more_pods(scene: Scene, *, model_pods: int) -> None:
    """What runs may run, and nothing beside it."""
    most = OPERATOR_MEBIBYTES + (model_pods + USERS) * POD_MEBIBYTES
    body = {
        "metadata": {"namespace": scene.namespace, "name": "pool"},
        "spec": {"hard": {"requests.memory": f"{most}Mi"}},
    }
    scene.client.apply(ports.RESOURCE_QUOTA, body)


def _strategy(policy: str) -> Object:
    return {
        "canary": {"steps": [{"name": "p50", "weight": 50, "hold": "8s"}]},
        "scaling": {"surgePolicy": policy},
        "scaleDownDelay": "5s",
        "postPromotion": {"bake": "10s"},
    }


def _most_pods(model: Model, *, since: float) -> int:
    """The most that were asked for at one time, over all revisions."""
    newest: dict[str, int] = {}
    most = 0
    for seen in model.scene.history.of_kind(ports.DEPLOYMENT):
        if not seen.name.startswith(f"{model.name}-"):
            continue
        newest[seen.name] = 0 if seen.gone else seen.body["spec"]["replicas"]
        if seen.at >= since:
            most = max(most, sum(newest.values()))
    return most


def _swapped_in_place(look: Look) -> bool:
    return any(it["reason"] == REASON for it in look.status.get("conditions", ()))


def test_four_pods_lend_their_places_and_no_request_fails(scene: Scene) -> None:
    model = scene.model(replicas=4, strategy=_strategy("Borrow"))
    load = serve_first(model)
    _no_more_pods(scene, model_pods=4)
    applied_at = model.apply("2")
    promoted = model.wait_for_phase("Healthy", seconds=300, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    model.wait_for_rest(since=applied_at)
    assert_nobody_failed(load.books())
    assert _most_pods(model, since=applied_at) == 4


def test_one_pod_is_swapped_and_comes_back_for_one_that_crashes(scene: Scene) -> None:
    model = scene.model(replicas=1, strategy=_strategy("Recreate"))
    load = serve_first(model)
    _no_more_pods(scene, model_pods=1)
    applied_at = model.apply("2")
    promoted = model.wait_for_phase("Healthy", seconds=300, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    assert any(_swapped_in_place(look) for look in model.looks(since=applied_at))
    load.wait_until_well("2", since=promoted.at)

    crashed_at = model.apply("3", env={"CRASH": "1"})
    back = model.wait_for_phase("RolledBack", seconds=300, since=crashed_at)
    assert (back.stable_version, back.rejected_versions) == ("2", ["3"])
    load.wait_until_well("2", since=back.at)
    assert _most_pods(model, since=applied_at) == 1
