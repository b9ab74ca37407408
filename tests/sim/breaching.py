"""Plays of thresholds after the bake: a breach that lasts is named, and moves traffic only where that was asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from tests.sim import facts, watching
from tests.sim.drifting import PROVIDERS
from tests.sim.fields import Object
from tests.sim.nemesis import Unreachable
from tests.sim.run import Run, Scenario
from tests.sim.truth import Truth
from tests.sim.watching import WATCH, WINDOW_SECONDS, condition, listen, row

MOST = 0.01
ANALYSIS: Object = {
    "minRequests": 2_000,
    "metrics": [{"name": "errors", "preset": "error-ratio", "threshold": {"max": MOST}}],
}
BAD = 0.04  # above the limit, and not what makes a rollout of such a version wrong
ROLLBACK: Object = {**WATCH, "onBreach": {"action": "Rollback"}}
BREACH = "ThresholdBreached"
STEPS = ((50, 5),)


async def _serve(run: Run, provider: str, **more: Any) -> str:
    return await watching.serve_watched(run, provider, **{"analysis": ANALYSIS, **more})


async def _is(run: Run, status: str, *, limit: float = 4 * WINDOW_SECONDS) -> None:
    found = await run.until(lambda: condition(run, BREACH)[0] == status, limit=limit)
    assert found, (condition(run, BREACH), row(run, "errors"))


def _fails(run: Run, version: str, share: float) -> None:
    run.world.truths[version] = replace(run.world.truths.get(version, Truth()), error_ratio=share)


async def _second(run: Run, provider: str, monitoring: Object) -> tuple[str, str]:
    """A second version serves after a sound rollout; the first and this one."""
    first = await _serve(run, provider, steps=STEPS, monitoring=monitoring)
    run.people.deploy("v2")
    assert await run.until(lambda: facts.stable(run.body) not in {"", first})
    await _is(run, "False")
    return first, facts.stable(run.body)


async def fails_later(run: Run, provider: str) -> None:
    """Long after its promotion answers are errors: named with its numbers, and nothing moves."""
    told = listen(run)
    _, stable = await _second(run, provider, WATCH)
    _fails(run, "v2", BAD)
    await _is(run, "True", limit=WINDOW_SECONDS)
    found = row(run, "errors")
    assert (found["outcome"], found["reason"]) == ("Fail", "SloBreach"), found
    assert found["value"] > MOST, found
    assert found["threshold"] == {"max": MOST}, found
    await asyncio.sleep(WINDOW_SECONDS)
    assert (facts.stable(run.body), run.phase()) == (stable, "Healthy")
    _fails(run, "v2", 0.0)
    await _is(run, "False")
    assert told == [BREACH, "BreachEnded"], told


async def within_its_limits(run: Run, provider: str) -> None:
    """Errors that the limit allows are no breach: nothing is told, and at rest nothing is written."""
    told = listen(run)
    run.world.truths["v1"] = Truth(error_ratio=MOST / 4)
    await _serve(run, provider)
    await _is(run, "False")
    assert not told, told


async def goes_back(run: Run, provider: str) -> None:
    """Where the user asked for that the version before returns, and what broke its limits is rejected."""
    first, second = await _second(run, provider, ROLLBACK)
    _fails(run, "v2", BAD)
    assert await run.until(lambda: facts.stable(run.body) == first, limit=2 * WINDOW_SECONDS), (
        facts.status(run.body)
    )
    assert run.phase() == "RolledBack", run.phase()
    (rejected,) = facts.status(run.body)["rejectedRevisions"]
    assert (rejected["revision"], rejected["by"]) == (second, "Watch"), rejected
    assert "ThresholdBreached: errors" in rejected["reason"], rejected


async def goes_back_past_others(run: Run, provider: str) -> None:
    """Two were given up after it: neither takes the place of the version that served before."""
    first, second = await _second(run, provider, ROLLBACK)
    for version in ("bad", "worse"):
        run.world.truths[version] = Truth(error_ratio=0.5)
        run.people.deploy(version)
        assert await run.until(lambda: run.phase() == "RolledBack", limit=120.0), run.phase()
        await asyncio.sleep(30.0)
    _fails(run, "v2", BAD)
    assert await run.until(lambda: facts.stable(run.body) == first, limit=2 * WINDOW_SECONDS), (
        facts.status(run.body)
    )
    assert second in facts.rejected(run.body)


async def is_not_scraped(run: Run, provider: str) -> None:
    """Nobody can be asked while it fails: that is no breach, and nobody is taken out of service for it."""
    told = listen(run)
    _, second = await _second(run, provider, ROLLBACK)
    assert isinstance(run.nemesis, Unreachable)
    run.nemesis.down = True
    _fails(run, "v2", BAD)
    assert await run.until(
        lambda: condition(run, BREACH) == ("Unknown", "MetricsUnavailable"), limit=WINDOW_SECONDS
    ), condition(run, BREACH)
    await asyncio.sleep(WINDOW_SECONDS)
    assert facts.stable(run.body) == second
    assert not told, told


async def killed(run: Run, provider: str) -> None:
    """Another process goes on with the same breach: since when it was found, and told once."""
    told = listen(run)
    await _serve(run, provider)
    await _is(run, "False")
    _fails(run, "v1", BAD)
    await _is(run, "True", limit=WINDOW_SECONDS)
    since = row(run, "errors")["failingSince"]
    run.kill()
    await asyncio.sleep(WINDOW_SECONDS)
    assert condition(run, BREACH)[0] == "True", condition(run, BREACH)
    assert row(run, "errors")["failingSince"] == since
    assert told == [BREACH], told


_PLAYS = {"breach_later": fails_later, "breach_returns": goes_back}
_BY_POD = {
    "breach_within": within_its_limits,
    "breach_unscraped": is_not_scraped,
    "breach_killed": killed,
    "breach_returns_past_others": goes_back_past_others,
}
_ALL = (
    *((name, act, provider) for name, act in _PLAYS.items() for provider in PROVIDERS),
    *((name, act, "ReplicaRatio") for name, act in _BY_POD.items()),
)
PLAYS = {
    f"{name}_{provider.lower()}": Scenario(
        name=f"{name}_{provider.lower()}",
        script=partial(act, provider=provider),
        make_nemesis=Unreachable,
        may_reject_good=True,  # that is what is asked for where it gets worse later
    )
    for name, act, provider in _ALL
}
