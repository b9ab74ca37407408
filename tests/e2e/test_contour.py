"""Through Contour: shares by an HTTPProxy, and a rollback. Copies are in test_shadow."""

from __future__ import annotations

import cluster_contour
import pytest
from cluster_checks import (
    assert_calm_after,
    assert_nobody_failed,
    assert_only_failed_by,
    assert_shares,
)
from cluster_scene import Model, Scene
from cluster_users import serve_first

pytestmark = pytest.mark.cluster


def _model(scene: Scene) -> Model:
    return scene.model(traffic=cluster_contour.traffic("m", namespace=scene.namespace))


@pytest.mark.usefixtures("contour")
def test_good_version_gets_its_shares_through_contour_and_no_request_fails(scene: Scene) -> None:
    model = _model(scene)
    load = serve_first(model)
    applied_at = model.apply("2")
    promoted = model.wait_for_phase("Healthy", seconds=180, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    model.wait_for_rest(since=applied_at)

    books = load.books()
    assert_nobody_failed(books)
    assert_shares(promoted, books, version="2", steps=2)


@pytest.mark.usefixtures("contour")
def test_bad_version_loses_its_traffic_through_contour(scene: Scene) -> None:
    model = _model(scene)
    load = serve_first(model)
    applied_at = model.apply("2", env={"FAIL_RATIO": "0.5"})
    back = model.wait_for_phase("RolledBack", seconds=180, since=applied_at)
    assert (back.stable_version, back.rejected_versions) == ("1", ["2"])

    assert_calm_after(load, back.at)
    assert_only_failed_by(load.books(), version="2")
