"""A bad version is taken out by itself, and stays out until a person asks."""

from __future__ import annotations

import pytest
from cluster_checks import assert_calm_after, assert_nobody_failed, assert_only_failed_by
from cluster_history import weight_of
from cluster_scene import Scene, metric
from cluster_users import serve_first

pytestmark = pytest.mark.cluster

LATENCY = metric("latency-p95", max=0.1)


def test_errors_are_rolled_back_and_the_version_stays_out_until_a_retry(scene: Scene) -> None:
    model = scene.model()
    load = serve_first(model)
    bad = {"FAIL_RATIO": "0.3"}
    applied_at = model.apply("2", env=bad)
    back = model.wait_for_phase("RolledBack", seconds=180, since=applied_at)
    assert (back.stable_version, back.rejected_versions) == ("1", ["2"])
    assert back.condition("Available")["status"] == "True"
    assert_calm_after(load, back.at)
    assert_only_failed_by(load.books(), version="2")
    model.wait_for_rest(since=back.at)

    again_at = model.apply("2", env=bad, paused=False, revisionHistoryLimit=4)
    same = model.wait_for(
        lambda look: look.current, seconds=90, since=again_at, what="the new spec is answered"
    )
    assert same.phase == "RolledBack"
    assert not same.active

    retried_at = model.ask("retry", of=back)
    once_more = model.wait_for_weight(20.0, seconds=120, since=retried_at)
    assert once_more.rollout["attempt"] == 2


def test_slow_answers_are_rolled_back(scene: Scene) -> None:
    model = scene.model(analysis={"metrics": [LATENCY]})
    load = serve_first(model)
    applied_at = model.apply("2", env={"SLOW_RATIO": "1", "SLOW_SECONDS": "0.3"})
    back = model.wait_for_phase("RolledBack", seconds=180, since=applied_at)
    assert (back.stable_version, back.rejected_versions) == ("1", ["2"])
    assert "latency-p95" in back.status["rejectedRevisions"][0]["reason"]
    assert_calm_after(load, back.at)
    model.wait_for_rest(since=back.at)
    assert_nobody_failed(load.books())


def test_crash_looping_candidate_never_gets_weight(scene: Scene) -> None:
    model = scene.model(progressDeadline="1m")
    load = serve_first(model)
    applied_at = model.apply("2", env={"CRASH": "1"})
    waits = model.wait_for(
        lambda look: "CrashLoopBackOff" in look.message,
        seconds=120,
        since=applied_at,
        what="the pods' own reason is told",
    )
    assert waits.phase == "Pending"
    print(f"told after {waits.at - applied_at:.0f} s")
    back = model.wait_for_phase("RolledBack", seconds=180, since=applied_at)
    assert "no progress" in back.status["rejectedRevisions"][0]["reason"]
    revision = back.rollout["revision"]
    assert {weight_of(seen.body, revision) for seen in model.routes()} == {0.0}
    books = load.books()
    assert books.versions() == ["1"]
    assert_nobody_failed(books)
