"""Shadow: a candidate gets copies of requests, is judged by them, and answers nobody."""

from __future__ import annotations

import pytest
from cluster_checks import assert_nobody_failed
from cluster_client import Object
from cluster_scene import Model, Scene, model_server
from cluster_users import Load, allowed_deviation_percent, serve_first

pytestmark = pytest.mark.cluster

MIRROR_PERCENT = 50.0
REPLICAS = 2


def _shadow(*, then: str) -> Object:
    return {
        "type": "Shadow",
        "shadow": {
            "mirrorPercent": MIRROR_PERCENT,
            "duration": "1m",
            "minRequests": 200,
            "then": then,
        },
        "scaleDownDelay": "5s",
    }


def _workload(**env: str) -> Object:
    """Answering twice does no harm, which is what the annotation says."""
    template = model_server(**env)
    template["metadata"] = {"annotations": {"tidegate.dev/shadow-safe": "true"}}
    return {"replicas": REPLICAS, "template": template}


def _started(scene: Scene, *, then: str) -> tuple[Model, Load]:
    model = scene.model(workload=_workload(), strategy=_shadow(then=then))
    return model, serve_first(model)


def test_a_good_version_is_promoted_after_copies_alone(scene: Scene) -> None:
    model, load = _started(scene, then="Promote")
    applied_at = model.apply("2")
    shadowing = model.wait_for_phase("Shadowing", seconds=60, since=applied_at)
    switching = model.wait_for(
        lambda look: look.intended_percent == 100.0,
        seconds=150,
        since=shadowing.at,
        what="the shadow has passed",
    )
    promoted = model.wait_for_phase("Healthy", seconds=60, since=switching.at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")

    books = load.books()
    assert_nobody_failed(books)
    assert books.between(applied_at, switching.at).keys() == {"1"}, (
        "no user is answered by a shadow"
    )
    measured = [
        float(look.rollout["traffic"]["observedMirror"])
        for look in model.looks(since=shadowing.at)
        if look.at < switching.at and "observedMirror" in look.rollout.get("traffic", {})
    ]
    seen = measured[-1]  # the first may hold requests from before the Gateway knew
    requests = sum(it.answered for it in books.between(shadowing.at, switching.at).values())
    allowed = 2.0 + allowed_deviation_percent(share_percent=MIRROR_PERCENT, requests=requests)
    print(f"of {requests} requests were copied, in percent: {measured}")
    assert abs(seen - MIRROR_PERCENT) <= allowed


def test_a_bad_version_is_rejected_and_no_user_has_seen_it(scene: Scene) -> None:
    model, load = _started(scene, then="Promote")
    applied_at = model.apply("2", workload=_workload(FAIL_RATIO="0.5"))
    back = model.wait_for_phase("RolledBack", seconds=90, since=applied_at)
    assert (back.stable_version, back.rejected_versions) == ("1", ["2"])
    load.wait_for(lambda books: books.seconds[-1].at > back.at + 3, seconds=30, what="answers")
    books = load.books()
    assert_nobody_failed(books)
    assert books.totals().keys() == {"1"}
