"""People change their minds, traffic stays away, neighbours misbehave."""

from __future__ import annotations

import pytest
from cluster_checks import (
    assert_nobody_failed,
    assert_only_failed_by,
    wait_until_empty,
    wait_until_gone,
)
from cluster_history import weight_of
from cluster_scene import Model, Scene
from cluster_users import serve_first

pytestmark = pytest.mark.cluster

FINALIZER = "tidegate.dev/traffic-restore"
LONG_STEPS = [(20.0, "10m"), (60.0, "10m")]


def test_without_traffic_a_step_holds_and_says_why(scene: Scene) -> None:
    """The shortest time after which missing data are named is a minute."""
    model = scene.model(analysis={"noDataTimeout": "1m"}, steps=[(20.0, "1s")])
    model.apply("1")
    model.wait_for_phase("Healthy", seconds=120)
    applied_at = model.apply("2")
    held = model.wait_for_weight(20.0, seconds=120, since=applied_at)
    named = model.wait_for(
        lambda look: look.waiting_for.get("reason") == "NoData",
        seconds=240,
        since=held.at,
        what="the missing data are named",
    )
    assert named.phase == "Progressing"
    assert named.intended_percent == 20.0
    assert named.waiting_for["message"]
    scene.history.wait_for(  # Events come after the status that they tell of
        lambda: "NoData" in model.events(), seconds=90, explain=model.tell
    )
    assert all(look.intended_percent <= 20 for look in model.looks(since=applied_at))


def test_edit_in_mid_step_starts_again_at_the_first_step_with_the_new_revision(
    scene: Scene,
) -> None:
    model = scene.model(steps=[(20.0, "1s"), (60.0, "10m")])
    load = serve_first(model)
    applied_at = model.apply("2")
    second = model.wait_for_weight(60.0, seconds=180, since=applied_at)
    edited_at = model.apply("3")
    again = model.wait_for_weight(20.0, seconds=120, since=edited_at)
    assert again.step["index"] == 0
    assert again.status["candidate"]["modelVersion"] == "3"
    assert again.rollout["revision"] != second.rollout["revision"]
    assert again.stable_version == "1"
    between = [look.intended_percent for look in model.looks(since=edited_at) if look.current]
    assert max(between[: between.index(20.0) + 1]) == 20.0
    old, new = second.rollout["revision"], again.rollout["revision"]
    scene.history.wait_for(  # routes are told by a watch of their own
        lambda: _weights(model, old, new) == [0, 20],
        seconds=90,
        explain=lambda: f"weights {_weights(model, old, new)}\n{model.tell()}",
    )
    scene.history.wait_for(
        lambda: model.deployment(old)[-1].body["spec"]["replicas"] == 0,
        seconds=90,
        explain=lambda: f"the superseded pods stay\n{model.tell()}",
    )
    assert_nobody_failed(load.books())


def _weights(model: Model, *revisions: str) -> list[float]:
    """Shares in percent that the newest route told gives to these revisions."""
    newest = model.routes()[-1].body
    return [weight_of(newest, revision) for revision in revisions]


def test_return_to_the_served_revision_ends_the_rollout_at_once(scene: Scene) -> None:
    model = scene.model(steps=LONG_STEPS)
    load = serve_first(model)
    applied_at = model.apply("2")
    held = model.wait_for_weight(20.0, seconds=120, since=applied_at)
    returned_at = model.apply("1")
    back = model.wait_for_phase("Healthy", seconds=90, since=returned_at)
    assert (back.stable_version, back.last_result) == ("1", "Aborted")
    assert not back.rejected_versions
    scene.history.wait_for(
        lambda: weight_of(model.routes()[-1].body, held.rollout["revision"]) == 0,
        seconds=90,
        explain=lambda: f"the route still has the candidate\n{model.tell()}",
    )
    model.wait_for_rest(since=returned_at)
    assert_nobody_failed(load.books())


def test_deletion_in_mid_step_ends_on_stable_and_leaves_nothing(scene: Scene) -> None:
    model = scene.model(steps=LONG_STEPS)
    load = serve_first(model)
    applied_at = model.apply("2")
    held = model.wait_for_weight(20.0, seconds=120, since=applied_at)
    assert FINALIZER in held.body["metadata"]["finalizers"]
    model.delete()
    there_at = wait_until_gone(model)
    wait_until_empty(model)
    scene.history.wait_for(
        lambda: model.routes()[-1].gone, seconds=90, explain=lambda: "no watch told of the route"
    )
    assert _weights(model, held.stable_revision) == [100]
    books = load.books()
    during = books.between(applied_at, there_at)
    assert sum(book.failed for book in during.values()) == 0, during


def test_neighbours_do_not_disturb_each_other(scene: Scene) -> None:
    """One is rolled back while the other is promoted, by the same operator."""
    good, bad = scene.model("good"), scene.model("bad")
    good.apply("1")
    bad_load = serve_first(bad)
    good_load = serve_first(good)
    good_at = good.apply("2")
    bad_at = bad.apply("2", env={"FAIL_RATIO": "0.3"})
    back = bad.wait_for_phase("RolledBack", seconds=240, since=bad_at)
    promoted = good.wait_for_phase("Healthy", seconds=240, since=good_at)
    assert (back.stable_version, back.rejected_versions) == ("1", ["2"])
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    good.wait_for_rest(since=good_at)
    bad.wait_for_rest(since=bad_at)
    assert_nobody_failed(good_load.books())
    assert_only_failed_by(bad_load.books(), version="2")
