"""Plays of the way back that a drift takes where the user asked for it: once, and by evidence alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from tests.sim import cluster_side, facts, watching
from tests.sim.drifting import BROKEN, LATER
from tests.sim.fields import Object
from tests.sim.run import Run, Scenario
from tests.sim.trained import train_again
from tests.sim.truth import Truth
from tests.sim.watching import WATCH, WINDOW_SECONDS

PROVIDERS = ("GatewayAPI", "ReplicaRatio")
ROLLBACK: Object = {**WATCH, "onDrift": {"action": "Rollback"}}
STEPS = ((50, 5),)


async def _second(
    run: Run, provider: str, version: str = "v2", monitoring: Object = ROLLBACK
) -> tuple[str, str]:
    """A second version serves, forced through where nothing lets it pass; the first and this one."""
    first = await watching.serve_watched(run, provider, steps=STEPS, monitoring=monitoring)
    train_again(run, version)
    run.people.deploy(version)
    assert await run.until(lambda: bool(facts.rollout(run.body).get("step")))
    run.people.ask("promote-full")
    assert await run.until(lambda: facts.stable(run.body) not in {"", first})
    return first, facts.stable(run.body)


async def _returned(run: Run, first: str, second: str) -> None:
    assert await run.until(lambda: facts.stable(run.body) == first, limit=2 * WINDOW_SECONDS), (
        facts.status(run.body)
    )
    assert run.phase() == "RolledBack", run.phase()
    (rejected,) = facts.status(run.body)["rejectedRevisions"]
    assert (rejected["revision"], rejected["by"]) == (second, "Watch"), rejected
    last = facts.status(run.body)["lastRollout"]
    assert (last["revision"], last["by"]) == (first, "Watch"), last


async def _stays(run: Run, revision: str) -> None:
    await asyncio.sleep(2 * WINDOW_SECONDS)
    assert facts.stable(run.body) == revision
    assert not facts.rollout(run.body), facts.rollout(run.body)


async def forced_through(run: Run, provider: str) -> None:
    """A person promotes what its gate holds, broken preprocessing: the watch finds it, v1 returns."""
    first, second = await _second(run, provider, "broken")
    await _returned(run, first, second)
    assert "SkewSuspected: skew against Training: amount" in str(facts.status(run.body)["message"])
    await _stays(run, first)


async def another_kind_of_user(run: Run, provider: str) -> None:
    """The world moves, in a pause of the spec: v1 returns, and is not sent away again by the same world."""
    first, second = await _second(run, provider)
    await watching.condition_is(run, "False")
    run.people.edit_spec({"paused": True})
    run.world.mix = LATER
    await _returned(run, first, second)
    train_again(run, "v1")
    await watching.is_skewed(run)
    await _stays(run, first)


async def killed_on_the_way(run: Run, provider: str) -> None:
    """Its process dies in the midst: another one goes on with the same way back."""
    first, second = await _second(run, provider)
    await watching.condition_is(run, "False")
    run.world.mix = LATER
    assert await run.until(lambda: bool(facts.rollout(run.body)), limit=2 * WINDOW_SECONDS)
    run.kill()
    await _returned(run, first, second)
    assert facts.status(run.body)["rollout"]["attempt"] == 2, facts.status(run.body)


async def nothing_is_counted(run: Run, provider: str) -> None:
    """A drift that was told before the probe went silent takes nobody out of service; one that is seen does."""
    first, second = await _second(run, provider, monitoring=WATCH)
    await watching.condition_is(run, "False")
    run.world.mix = LATER
    await watching.condition_is(run, "True", limit=WINDOW_SECONDS)
    run.world.mix = {}
    for pod in cluster_side.pods(run, second):
        pod.counters.observed.clear()
    await asyncio.sleep(WINDOW_SECONDS)
    run.people.edit_spec({"monitoring": ROLLBACK})
    await asyncio.sleep(WINDOW_SECONDS)
    run.kill()
    await _stays(run, second)
    assert watching.condition(run) == ("True", "Drift"), watching.condition(run)
    run.world.mix = LATER
    await _returned(run, first, second)


async def does_not_start(run: Run, provider: str) -> None:
    """What served before cannot run any more: nobody is sent to it, and it is tried once."""
    first, second = await _second(run, provider)
    await watching.condition_is(run, "False")
    assert await run.until(lambda: not cluster_side.pods(run, first), limit=WINDOW_SECONDS)
    run.world.truths["v1"] = replace(run.world.truths.get("v1", Truth()), starts=False)
    run.world.mix = LATER
    assert await run.until(lambda: bool(facts.rollout(run.body)), limit=2 * WINDOW_SECONDS)
    failed = "DriftNotRolledBack"
    assert await run.until(
        lambda: watching.condition(run, failed) == ("True", "TriedBefore"), limit=WINDOW_SECONDS
    ), facts.status(run.body)
    await _stays(run, second)
    assert run.phase() == "Healthy", run.phase()


async def the_same_world(run: Run, provider: str) -> None:
    """Nothing moves, and nothing returns."""
    _, second = await _second(run, provider)
    await watching.condition_is(run, "False")
    await _stays(run, second)


_PLAYS = {
    "return_forced_through": forced_through,
    "return_other_users": another_kind_of_user,
}
_BY_POD = {
    "return_killed": killed_on_the_way,
    "return_uncounted": nothing_is_counted,
    "return_same_world": the_same_world,
}
_ALL = (
    *((name, act, provider) for name, act in _PLAYS.items() for provider in PROVIDERS),
    *((name, act, "ReplicaRatio") for name, act in _BY_POD.items()),
    ("return_does_not_start", does_not_start, "GatewayAPI"),
)
PLAYS = {
    f"{name}_{provider.lower()}": Scenario(
        name=f"{name}_{provider.lower()}",
        script=partial(act, provider=provider),
        truths={"broken": BROKEN},
        may_reject_good=True,  # that is what is asked for where the world moves
    )
    for name, act, provider in _ALL
}
