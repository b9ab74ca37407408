"""Blue-green: the new version has all of its pods before one write moves everybody, and the old stays warm."""

from __future__ import annotations

from itertools import groupby

import pytest
from cluster_checks import assert_nobody_failed, assert_only_failed_by
from cluster_client import Object
from cluster_history import Look, instant, weight_of
from cluster_scene import Model, Scene
from cluster_users import Load, serve_first

from tidegate import ports

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
    return model.wait_for_phase("Baking", seconds=150, since=since).at


def _preview_ended_at(look: Look) -> float:
    """When the operator decided to switch, before it wrote so; unix seconds."""
    [preview] = [stage for stage in look.rollout["plan"] if stage["kind"] == "Preview"]
    ended_at = instant(preview["endedAt"])
    assert ended_at is not None
    return ended_at


def _switch_seconds(load: Load, *, since: float) -> float:
    """How long both versions were seen, in whole seconds of the users' books."""
    mixed = [one for one in load.books().seconds if one.at >= since and len(one.versions) > 1]
    return float(mixed[-1].at - mixed[0].at + 1) if mixed else 0.0


def _who_was_served(model: Model, *, old: str, new: str) -> list[str]:
    """Who had all users by the route, or the Service alone, each time that this changed."""
    if model.routes():
        whole = {0.0: old, 100.0: new}
        told = [whole[weight_of(seen.body, new)] for seen in model.routes()]
    else:
        entry = model.scene.history.of(ports.SERVICE, model.name)
        told = [seen.body["spec"]["selector"]["tidegate.dev/revision"] for seen in entry]
    return [revision for revision, _ in groupby(told)]


@BY_PROVIDER
def test_all_users_move_at_once_and_no_request_fails(scene: Scene, provider: str) -> None:
    model = scene.model(gateway=provider == "GatewayAPI", replicas=REPLICAS, strategy=BLUE_GREEN)
    load = serve_first(model)
    applied_at = model.apply("2")
    baking_at = _promoted_at(model, since=applied_at)
    moved_at = load.wait_until_only("2", since=baking_at)
    promoted = model.wait_for_phase("Healthy", seconds=120, since=baking_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    model.wait_for_rest(since=promoted.at)

    books = load.books()
    assert_nobody_failed(books)
    in_preview = books.between(applied_at, _preview_ended_at(promoted))
    assert in_preview.keys() == {"1"}, "nobody is answered by a preview"
    assert books.between(moved_at, books.seconds[-1].at).keys() == {"2"}
    print(f"both versions were seen for {_switch_seconds(load, since=applied_at):g} s")
    old, new = promoted.rollout["fromRevision"], promoted.stable_revision
    assert _who_was_served(model, old=old, new=new) == [old, new], "one write moves everybody"


@BY_PROVIDER
def test_a_breach_in_the_bake_gives_everybody_back(scene: Scene, provider: str) -> None:
    """Nobody visits the preview, so its faults are seen by users first, and not for long."""
    strategy = {**BLUE_GREEN, "postPromotion": {"bake": "5m", "keepPreviousPercent": 100}}
    model = scene.model(gateway=provider == "GatewayAPI", replicas=REPLICAS, strategy=strategy)
    load = serve_first(model)
    applied_at = model.apply("2", env={"FAIL_RATIO": "0.5"})
    baking_at = _promoted_at(model, since=applied_at)
    back = model.wait_for_phase("RolledBack", seconds=150, since=baking_at)
    assert (back.stable_version, back.rejected_versions) == ("1", ["2"])
    print(f"back on the old version after {back.at - baking_at:.1f} s")
    load.wait_until_only("1", since=back.at)
    assert_only_failed_by(load.books(), version="2")
