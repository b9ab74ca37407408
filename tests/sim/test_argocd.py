"""Argo CD's scripts against every status that the real controller writes, and its buttons pressed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.sim.cluster import Change
from tests.sim.finds import PLAYS
from tests.sim.people import MD, NAME
from tests.sim.run import Run, play
from tests.sim.scenarios import BY_NAME, serve_first, walk_to
from tests.support import argocd_lua as lua

from tidegate import ports

STORIES = (
    "retried",
    "invalid_for_a_while",
    "gate_opened_gatewayapi",
    "asked_for_by_hand_replicaratio",
    "shadow_waits_for_a_person_promote",
)


def patched(run: Run, annotations: dict[str, str]) -> None:
    at = {"tidegate.dev/requested-at": run.wall().isoformat()}
    value = annotations | at
    run.people.patch(MD, NAME, [{"op": "add", "path": "/metadata/annotations", "value": value}])


def pressed(run: Run, action: str) -> None:
    """The button is enabled, and is pressed."""
    body = run.body
    assert body is not None
    assert not lua.actions(body)[action]["disabled"], action
    patched(run, lua.acted(action, body)["metadata"]["annotations"])


def outcome(run: Run) -> Callable[[], bool]:
    asked = (run.body or {})["metadata"]["annotations"]["tidegate.dev/request"]

    def answered() -> bool:
        last = (run.body or {})["status"].get("lastHandledRequest") or {}
        return last.get("request") == asked and last.get("outcome") == "Accepted"

    return answered


def with_every_status(name: str) -> list[ports.Object]:
    bodies: list[ports.Object] = []

    async def script(run: Run) -> None:
        def seen(change: Change) -> None:
            if change.kind is MD and change.new is not None:
                bodies.append(change.new)

        run.cluster.listeners.append(seen)
        await PLAYS[name].script(run)

    result = play(replace(PLAYS[name], script=script), seed=1)
    assert not result.failure
    return bodies


@pytest.mark.parametrize("name", STORIES)
def test_health_is_copied_and_never_speaks_of_another_generation(name: str) -> None:
    bodies = with_every_status(name)
    assert bodies
    for body in bodies:
        status: dict[str, Any] = body.get("status") or {}
        told = lua.health(body)
        if status.get("observedGeneration") == body["metadata"]["generation"]:
            assert told == {
                "status": status["health"]["status"],
                "message": status["health"].get("message", ""),
            }
        else:
            assert told["status"] == "Progressing"
        assert len(lua.actions(body)) == 8


def test_buttons_that_can_be_pressed_are_accepted() -> None:
    async def script(run: Run) -> None:
        await serve_first(run)
        run.people.deploy("v2")
        await walk_to(run, 0)
        for action in ("pause", "resume", "skip-step", "pause", "abort"):
            pressed(run, action)
            assert await run.until(outcome(run), limit=60.0), (action, run.body)
        assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
        pressed(run, "retry")
        assert await run.until(outcome(run), limit=60.0)
        await walk_to(run, 0)
        pressed(run, "promote-full")
        assert await run.until(lambda: run.phase() == "Healthy"), run.phase()

    # A request may be written between a look of the operator and its write, which then is refused.
    scenario = replace(BY_NAME["promotion"], script=script, without_conflicts=False)
    result = play(scenario, seed=1)
    assert not result.failure, result.failure
