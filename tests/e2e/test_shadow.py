"""Shadow: a candidate gets copies of requests, is judged by them, and answers nobody."""

from __future__ import annotations

import cluster_contour
import pytest
from cluster_checks import assert_nobody_failed, wait_for_copies
from cluster_client import Object
from cluster_scene import Model, Scene, model_server
from cluster_users import Load, serve_first

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


def _started(scene: Scene, *, then: str, **options: Object) -> tuple[Model, Load]:
    model = scene.model(workload=_workload(), strategy=_shadow(then=then), **options)
    return model, serve_first(model)


def test_a_good_version_is_promoted_after_copies_alone(scene: Scene) -> None:
    model, load = _started(scene, then="Promote")
    applied_at = model.apply("2")
    shadowing = model.wait_for_phase("Shadowing", seconds=120, since=applied_at)
    copied = wait_for_copies(model, MIRROR_PERCENT, since=shadowing.at)
    switching = model.wait_for(
        lambda look: look.intended_percent == 100.0,
        seconds=240,
        since=shadowing.at,
        what="the shadow has passed",
    )
    assert copied.version < switching.version
    promoted = model.wait_for_phase("Healthy", seconds=120, since=switching.at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")

    books = load.books()
    assert_nobody_failed(books)
    # The test is told of the switch later than users may see it.
    assert books.between(applied_at, switching.step_started_at).keys() == {"1"}, (
        "no user is answered by a shadow"
    )


def test_a_bad_version_is_rejected_and_no_user_has_seen_it(scene: Scene) -> None:
    _assert_rejected_unseen(*_started(scene, then="Promote"))


@pytest.mark.usefixtures("contour")
def test_a_bad_version_is_rejected_by_the_copies_that_contour_makes(scene: Scene) -> None:
    traffic = cluster_contour.traffic("m", namespace=scene.namespace)
    _assert_rejected_unseen(*_started(scene, then="Promote", traffic=traffic))


def _assert_rejected_unseen(model: Model, load: Load) -> None:
    applied_at = model.apply("2", workload=_workload(FAIL_RATIO="0.5"))
    back = model.wait_for_phase("RolledBack", seconds=180, since=applied_at)
    assert (back.stable_version, back.rejected_versions) == ("1", ["2"])
    books = load.wait_for_more(3.0, since=back.at)
    assert_nobody_failed(books)
    assert books.totals().keys() == {"1"}
