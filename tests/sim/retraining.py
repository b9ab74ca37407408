"""Plays of the hook that a drift calls: once for each drift, whatever dies, hangs or comes late."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import cluster_side, facts, watching
from tests.sim.drifting import BROKEN, LATER, USUAL
from tests.sim.fields import Object
from tests.sim.receiving import ALLOWED
from tests.sim.run import Run, Scenario
from tests.sim.watching import WATCH, WINDOW_SECONDS

PROVIDERS = ("GatewayAPI", "ReplicaRatio")
COOLDOWN_SECONDS = WINDOW_SECONDS
LONG_SECONDS = 4 * WINDOW_SECONDS  # longer than a drift that ends and comes again
DELIVERY_SECONDS = 1.5 * COOLDOWN_SECONDS
REFUSED = "https://elsewhere.example.com/"


def _monitoring(**hook: object) -> Object:
    asked = {"url": f"{ALLOWED}start", "cooldown": f"{COOLDOWN_SECONDS:.0f}s", **hook}
    return {**WATCH, "onDrift": {"action": "Hook", "hook": asked}}


async def _sound(run: Run, provider: str, **hook: object) -> str:
    stable = await watching.serve_watched(run, provider, monitoring=_monitoring(**hook))
    await watching.condition_is(run, "False")
    return stable


def _hook(run: Run) -> Object:
    return (facts.status(run.body).get("monitoring") or {}).get("hook") or {}


def _ids(run: Run) -> list[str]:
    return [it["id"] for it in run.receiver.taken]


async def _drifts(run: Run) -> None:
    run.world.mix = LATER
    await watching.condition_is(run, "True", limit=WINDOW_SECONDS)


async def _delivered(run: Run) -> None:
    found = await run.until(lambda: _hook(run).get("state") == "Delivered", limit=DELIVERY_SECONDS)
    assert found, _hook(run)


async def called_once(run: Run, provider: str) -> None:
    """A drift calls the hook; another process that finds the same drift calls none."""
    stable = await _sound(run, provider)
    assert not run.receiver.taken
    await _drifts(run)
    await _delivered(run)
    run.kill()
    await asyncio.sleep(COOLDOWN_SECONDS + WINDOW_SECONDS / 4)
    assert watching.condition(run) == ("True", "Drift"), watching.condition(run)
    (event,) = run.receiver.taken
    assert event["id"] == _hook(run)["id"]
    assert event["specversion"] == "1.0"
    assert event["subject"] == stable
    moved = {it["feature"] for it in event["data"]["metrics"][0]["shifts"]}
    assert moved, event
    assert moved <= {"amount", "country"}, event
    assert facts.stable(run.body) == stable
    assert run.phase() == "Healthy", run.phase()


async def killed_when_answered(run: Run, provider: str) -> None:
    """It dies before status says so: its successor sends the same id, and then none any more."""
    await _sound(run, provider)
    run.receiver.kills_after = True
    await _drifts(run)
    await _delivered(run)
    await asyncio.sleep(COOLDOWN_SECONDS + WINDOW_SECONDS / 4)
    assert 1 <= len(_ids(run)) <= 2, _ids(run)
    assert len(set(_ids(run))) == 1, _ids(run)


async def the_same_world(run: Run, provider: str) -> None:
    """Nothing moves, and nobody is asked for anything."""
    await _sound(run, provider)
    await asyncio.sleep(WINDOW_SECONDS)
    assert not run.receiver.tries


async def fed_otherwise(run: Run, provider: str) -> None:
    """What never looked like its training data is told, and no retraining would mend it."""
    run.world.truths["v1"] = BROKEN
    await watching.serve_watched(run, provider, monitoring=_monitoring())
    await watching.is_skewed(run)
    await asyncio.sleep(WINDOW_SECONDS)
    assert not run.receiver.tries


async def receiver_hangs(run: Run, provider: str) -> None:
    """It answers nobody: told once, nothing waits for it, and later it is asked again."""
    stable = await _sound(run, provider, timeout="60s", retries=1)
    run.receiver.hangs = True
    await _drifts(run)
    assert await run.until(lambda: run.receiver.tries == 1)
    run.people.edit_part("workload", replicas=3)
    assert await run.until(lambda: len(cluster_side.pods(run, stable)) == 3, limit=30.0)
    assert run.receiver.tries == 1, "it hangs yet"
    assert await run.until(
        lambda: watching.condition(run, "HookFailed") == ("True", "HookFailed"), limit=300.0
    ), _hook(run)
    assert run.receiver.tries == 2
    assert facts.stable(run.body) == stable
    assert run.phase() == "Healthy", run.phase()
    run.receiver.hangs = False
    await _delivered(run)
    assert not facts.condition(run.body, "HookFailed")
    assert len(_ids(run)) == 1


async def a_second_drift(run: Run, provider: str) -> None:
    """The world is as before, and moves again: another drift, another id, after the cool-down."""
    await _sound(run, provider, cooldown=f"{LONG_SECONDS:.0f}s")
    await _drifts(run)
    await _delivered(run)
    first = run.loop.time()
    run.world.mix = USUAL
    await watching.condition_is(run, "False")
    await _drifts(run)
    assert await run.until(lambda: len(_ids(run)) == 2, limit=2 * LONG_SECONDS), _hook(run)
    assert run.loop.time() - first >= LONG_SECONDS - 1.0
    assert len(set(_ids(run))) == 2, _ids(run)


async def feature_gone(run: Run, provider: str) -> None:
    """The feature that drifts is not sent for long, is as before for a moment, and drifts: one drift."""
    amounts = {"amount": LATER["amount"], "country": USUAL["country"]}
    await _sound(run, provider)
    run.world.mix = amounts
    await watching.condition_is(run, "True", limit=WINDOW_SECONDS)
    await _delivered(run)
    run.world.mix = {"country": USUAL["country"]}
    await asyncio.sleep(2 * WINDOW_SECONDS)
    run.world.mix = USUAL
    await asyncio.sleep(WINDOW_SECONDS / 4)
    assert watching.condition(run) == ("True", "Drift"), watching.condition(run)
    run.world.mix = amounts
    await asyncio.sleep(WINDOW_SECONDS)
    assert watching.condition(run) == ("True", "Drift"), watching.condition(run)
    assert len(_ids(run)) == 1, _ids(run)


async def not_allowed(run: Run, provider: str) -> None:
    """A host that the administrator does not allow: told before any drift, and nothing is sent."""
    await _sound(run, provider, url=REFUSED)
    assert watching.condition(run, "HookFailed") == ("True", "HookNotReady")
    await _drifts(run)
    await asyncio.sleep(WINDOW_SECONDS)
    assert not run.receiver.tries
    assert not _hook(run)


_PLAYS = {
    "hook_once": called_once,
    "hook_hangs": receiver_hangs,
}
_BY_POD = {
    "hook_same_world": the_same_world,
    "hook_killed": killed_when_answered,
    "hook_fed_otherwise": fed_otherwise,
    "hook_again": a_second_drift,
    "hook_feature_gone": feature_gone,
    "hook_not_allowed": not_allowed,
}
_ALL = (
    *((name, act, provider) for name, act in _PLAYS.items() for provider in PROVIDERS),
    *((name, act, "ReplicaRatio") for name, act in _BY_POD.items()),
)
PLAYS = {
    f"{name}_{provider.lower()}": Scenario(
        name=f"{name}_{provider.lower()}", script=partial(act, provider=provider)
    )
    for name, act, provider in _ALL
}
