"""Whatever happens in the middle of a rollout, with every strategy, no user's request fails.

A canary with half of the traffic, a shadow, a preview and a bake stand side by side in each test, and
the same happens to all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cluster_checks import assert_nobody_failed, wait_until_empty, wait_until_gone
from cluster_client import Object
from cluster_history import Look
from cluster_scene import Model, Scene, model_server
from cluster_users import Load, start_load

pytestmark = [pytest.mark.cluster, pytest.mark.long]

REQUESTS_PER_SECOND = 20.0
LONG, SHORT = "10m", "12s"
HOLD, PASSED_SECONDS = "1m", 75.0  # whoever is not paused goes on within the second


def _canary(hold: str) -> Object:
    return {"canary": {"steps": [{"name": "p50", "weight": 50, "hold": hold}]}}


def _shadow(hold: str) -> Object:
    duration = LONG if hold == LONG else "1m"  # the shortest that a shadow may take
    shadow = {"mirrorPercent": 50, "duration": duration, "minRequests": 100, "then": "Promote"}
    return {"type": "Shadow", "shadow": shadow}


def _preview(hold: str) -> Object:
    return {"type": "BlueGreen", "blueGreen": {"prePromotion": {"duration": hold}}}


def _bake(hold: str) -> Object:
    bake = {"bake": hold, "keepPreviousPercent": 100}
    return {
        "type": "BlueGreen",
        "blueGreen": {"prePromotion": {"duration": "1s"}},
        "postPromotion": bake,
    }


STRATEGIES: dict[str, Callable[[str], Object]] = {
    "canary": _canary,
    "shadow": _shadow,
    "preview": _preview,
    "bake": _bake,
}
PHASES = {"shadow": "Shadowing", "bake": "Baking"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Version 2 of a model in the middle of its way, and the users of the model."""

    model: Model
    load: Load
    look: Look
    applied_at: float


def _workload() -> Object:
    template = model_server()
    template["metadata"] = {"annotations": {"tidegate.dev/shadow-safe": "true"}}
    return {"replicas": 1, "template": template}


def _in_the_middle(scene: Scene, *, hold: str) -> list[Rollout]:
    models = {
        name: scene.model(
            name, workload=_workload(), strategy={**strategy(hold), "scaleDownDelay": "5s"}
        )
        for name, strategy in STRATEGIES.items()
    }
    for model in models.values():
        model.apply("1")
    loads = {}
    for name, model in models.items():
        model.wait_for_phase("Healthy", seconds=240)
        loads[name] = start_load(model, requests_per_second=REQUESTS_PER_SECOND)
    applied_at = {name: model.apply("2") for name, model in models.items()}
    return [
        Rollout(
            model=model,
            load=loads[name],
            look=_wait_for_middle(name, model, since=applied_at[name]),
            applied_at=applied_at[name],
        )
        for name, model in models.items()
    ]


def _wait_for_middle(name: str, model: Model, *, since: float) -> Look:
    if name in PHASES:
        return model.wait_for_phase(PHASES[name], seconds=240, since=since)
    if name == "canary":
        return model.wait_for_weight(50.0, seconds=240, since=since)
    return model.wait_for(
        lambda look: look.current and look.step.get("name") == "preview",
        seconds=240,
        since=since,
        what="the preview stands",
    )


def _ended(rollout: Rollout, phase: str, *, since: float) -> Look:
    """The end of a rollout, of which no user has noticed anything."""
    look = rollout.model.wait_for_phase(phase, seconds=300, since=since)
    rollout.model.wait_for_rest(since=look.at)
    assert_nobody_failed(rollout.load.books())
    return look


def test_an_edit_begins_anew_and_its_version_is_promoted(scene: Scene) -> None:
    for rollout in _in_the_middle(scene, hold=LONG):
        strategy = STRATEGIES[rollout.model.name](SHORT)
        edited_at = rollout.model.apply("3", strategy={**strategy, "scaleDownDelay": "5s"})
        look = _ended(rollout, "Healthy", since=edited_at)
        assert (look.stable_version, look.last_result) == ("3", "Promoted")
        assert look.rejected_versions == []


def test_an_abort_gives_everybody_back(scene: Scene) -> None:
    for rollout in _in_the_middle(scene, hold=LONG):
        asked_at = rollout.model.ask("abort", of=rollout.look)
        look = _ended(rollout, "RolledBack", since=asked_at)
        assert (look.stable_version, look.rejected_versions) == ("1", ["2"])
        rollout.load.wait_until_only("1", since=look.at)


def test_a_pause_holds_beyond_the_time_and_a_resume_goes_on(scene: Scene) -> None:
    rollouts = _in_the_middle(scene, hold=HOLD)
    paused = [(it, _paused(it)) for it in rollouts]
    for rollout, look in paused:
        rollout.load.wait_for(
            lambda books, until=look.at + PASSED_SECONDS: books.seconds[-1].at > until,
            seconds=2 * PASSED_SECONDS,
            what="users go on while the rollout is paused",
        )
        newest = rollout.model.looks()[-1]
        assert (newest.phase, newest.intended_percent) == (look.phase, look.intended_percent)
        resumed_at = rollout.model.ask("resume", of=newest)
        ended = _ended(rollout, "Healthy", since=resumed_at)
        assert (ended.stable_version, ended.last_result) == ("2", "Promoted")


def _paused(rollout: Rollout) -> Look:
    asked_at = rollout.model.ask("pause", of=rollout.look)
    return rollout.model.wait_for(
        lambda look: look.condition("Paused").get("status") == "True",
        seconds=90,
        since=asked_at,
        what="the rollout is paused",
    )


def test_a_deletion_ends_on_the_old_version_and_leaves_nothing(scene: Scene) -> None:
    for rollout in _in_the_middle(scene, hold=LONG):
        rollout.model.delete()
        there_at = wait_until_gone(rollout.model)
        during = rollout.load.books().between(rollout.applied_at, there_at)
        assert sum(book.failed for book in during.values()) == 0, during
        wait_until_empty(rollout.model)


def test_a_killed_operator_goes_on_where_it_was(scene: Scene) -> None:
    rollouts = _in_the_middle(scene, hold=HOLD)
    killed_at = scene.operator.crash(*scene.operator.names())
    for rollout in rollouts:
        look = _ended(rollout, "Healthy", since=killed_at)
        assert (look.stable_version, look.last_result) == ("2", "Promoted")
        attempts = {it.rollout["attempt"] for it in rollout.model.looks() if it.active}
        assert attempts == {1}
