"""Blue-green: the new version has all of its pods before one write moves everybody, and the old stays warm."""

from __future__ import annotations

import pytest
from cluster_checks import SWITCH_SECONDS, assert_nobody_failed, assert_only_failed_by
from cluster_client import Object
from cluster_scene import Model, Scene
from cluster_users import Load, serve_first

pytestmark = pytest.mark.cluster

REPLICAS = 2
BLUE_GREEN: Object = {
    "type": "BlueGreen",
    "blueGreen": {"prePromotion": {"duration": "5s"}},
    "postPromotion": {"bake": "15s", "keepPreviousPercent": 100},
    "scaleDownDelay": "5s",
}
BY_PROVIDER = pytest.mark.parametrize("provider", ["GatewayAPI", "ReplicaRatio"])


def _promoted_at(model: Model, *, since: float) -> float:
    """When the bake was told; unix seconds."""
    return model.wait_for_phase("Baking", seconds=90, since=since).at


def _switch_seconds(load: Load, *, since: float) -> float:
    """How long both versions were seen, in whole seconds of the users' books."""
    mixed = [one for one in load.books().seconds if one.at >= since and len(one.versions) > 1]
    return float(mixed[-1].at - mixed[0].at + 1) if mixed else 0.0


@BY_PROVIDER
def test_all_users_move_at_once_and_no_request_fails(scene: Scene, provider: str) -> None:
    model = scene.model(gateway=provider == "GatewayAPI", replicas=REPLICAS, strategy=BLUE_GREEN)
    load = serve_first(model)
    applied_at = model.apply("2")
    preview = model.wait_for(
        lambda look: look.step.get("name") == "preview" and "confirmedAt" in look.step,
        seconds=60,
        since=applied_at,
        what="the preview is confirmed",
    )
    baking_at = _promoted_at(model, since=applied_at)
    promoted = model.wait_for_phase("Healthy", seconds=90, since=baking_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    model.wait_for_rest(since=promoted.at)

    books = load.books()
    assert_nobody_failed(books)
    assert "2" not in books.between(applied_at, preview.at), "nobody is answered by a preview"
    assert books.between(baking_at + SWITCH_SECONDS, promoted.at).keys() == {"2"}
    switched = _switch_seconds(load, since=applied_at)
    print(f"both versions were seen for {switched:g} s")
    assert switched <= 2 * SWITCH_SECONDS


@BY_PROVIDER
def test_a_breach_in_the_bake_gives_everybody_back(scene: Scene, provider: str) -> None:
    """Nobody visits the preview, so its faults are seen by users first, and not for long."""
    strategy = {**BLUE_GREEN, "postPromotion": {"bake": "2m", "keepPreviousPercent": 100}}
    model = scene.model(gateway=provider == "GatewayAPI", replicas=REPLICAS, strategy=strategy)
    load = serve_first(model)
    applied_at = model.apply("2", env={"FAIL_RATIO": "0.5"})
    baking_at = _promoted_at(model, since=applied_at)
    back = model.wait_for_phase("RolledBack", seconds=60, since=baking_at)
    assert (back.stable_version, back.rejected_versions) == ("1", ["2"])
    print(f"back on the old version after {back.at - baking_at:.1f} s")
    load.wait_for(lambda books: books.seconds[-1].at > back.at + 5, seconds=30, what="answers")

    books = load.books()
    assert_only_failed_by(books, version="2")
    assert books.between(back.at + SWITCH_SECONDS, back.at + 5).keys() == {"1"}
