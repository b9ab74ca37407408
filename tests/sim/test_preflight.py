"""Stable shows no series: no candidate gets a weight, none is rejected, and all goes on by itself."""

from __future__ import annotations

import asyncio

import pytest
from tests.sim import facts
from tests.sim.nemesis import Unreachable
from tests.sim.run import Run, Scenario, play
from tests.sim.scenarios import OVER, serve_first

LATE_SECONDS = 2000.0  # well beyond the progress deadline


def ready(run: Run) -> dict[str, str]:
    found = facts.status(run.body).get("conditions", ())
    return next((it for it in found if it["type"] == "EvidenceReady"), {})


async def _known_long_before(run: Run) -> None:
    await serve_first(run)
    assert await run.until(lambda: ready(run).get("status") == "True", limit=60.0), ready(run)
    assert facts.status(run.body)["evidence"][0]["reason"] == "SeriesFound"
    assert "rest_server_requests_total" in ready(run)["message"]


async def _source_down(run: Run) -> None:
    """The source fails before the candidate exists, and is back long after the deadline."""
    await serve_first(run)
    assert await run.until(lambda: ready(run).get("status") == "True", limit=60.0)
    assert isinstance(run.nemesis, Unreachable)
    run.nemesis.down = True
    run.people.deploy("v2")
    await asyncio.sleep(LATE_SECONDS)
    rollout = facts.rollout(run.body)
    assert rollout["traffic"]["candidate"] == 0, rollout
    assert rollout["waitingFor"]["reason"] == "Evidence"
    assert "connection refused" in rollout["waitingFor"]["message"]
    assert run.phase() == "Paused"
    assert not facts.status(run.body).get("rejectedRevisions")
    run.nemesis.down = False
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "Healthy"


async def _without_requests(run: Run) -> None:
    """Nobody asks stable: no series, and no deadlock either."""
    run.world.requests_per_second = 0.0
    await serve_first(run)
    assert await run.until(lambda: ready(run).get("reason") == "NoTraffic", limit=60.0)
    run.people.deploy("v2")
    assert await run.until(
        lambda: facts.rollout(run.body).get("traffic", {}).get("candidate", 0) > 0, limit=300.0
    ), facts.rollout(run.body)
    run.world.requests_per_second = 20_000.0
    assert await run.until(lambda: run.phase() in OVER), run.phase()


@pytest.mark.parametrize("script", [_known_long_before, _source_down, _without_requests])
def test_preflight(script: object) -> None:
    chosen = Scenario(name="preflight", script=script, make_nemesis=Unreachable)  # type: ignore[arg-type]
    result = play(chosen, seed=1)
    assert not result.failure
    assert result.final["status"]["phase"] == "Healthy"
