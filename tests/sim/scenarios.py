"""Plays with a fixed script, for the enumeration of crash points; the others are drawn."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.sim import facts
from tests.sim.people import MD, NAME, manifest
from tests.sim.run import Run, Scenario
from tests.sim.truth import Truth

from tidegate import ports

BAD = Truth(error_ratio=0.5)
STUCK = Truth(starts=False)
SHARED = "SharedIncident"
SHORT = ((20, 5), (50, 5))
OVER = frozenset({"Healthy", "RolledBack"})


async def serve_first(run: Run, **spec: Any) -> None:
    run.people.create(manifest("v1", steps=SHORT, **spec))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


async def walk_to(run: Run, step: int) -> None:
    """Until this step's weight is seen in the data plane."""

    def there() -> bool:
        active = facts.rollout(run.body).get("step") or {}
        return active.get("index") == step and bool(active.get("confirmedAt"))

    assert await run.until(there), facts.status(run.body).get("message")


async def promote_or(run: Run, request: str) -> None:
    """Ask until the rollout is over; a person who sees that it waits."""
    for _ in range(6):
        run.people.ask(request)
        if await run.until(lambda: run.phase() in OVER, limit=60.0):
            return
    raise AssertionError(run.phase())


async def promotion(run: Run) -> None:
    await serve_first(run)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def three_steps(run: Run) -> None:
    run.people.create(manifest("v1", steps=((5, 0), (25, 5), (75, 5))))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def long_hold(run: Run) -> None:
    """Proof comes long before the hold is over."""
    run.people.create(manifest("v1", steps=((50, 60),)))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def many_requests(run: Run) -> None:
    """Steps need more requests than one look has."""
    await serve_first(run, analysis={"minRequests": 120_000})
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def rollback(run: Run) -> None:
    await serve_first(run)
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def promotion_by_pods(run: Run) -> None:
    await serve_first(run, provider="ReplicaRatio", replicas=4)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def rollback_by_pods(run: Run) -> None:
    await serve_first(run, provider="ReplicaRatio", replicas=3)
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def replace_first(run: Run, successor: str) -> None:
    """The first revision has traffic, and is replaced before the gateway has said so."""
    run.world.gateway_accepts = False
    run.people.create(manifest("v1", steps=SHORT))
    assert await run.until(lambda: bool(list(run.cluster.all(ports.HTTP_ROUTE))))
    await asyncio.sleep(5.0)
    run.people.deploy(successor)
    await asyncio.sleep(10.0)
    run.world.gateway_accepts = True
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def first_replaced(run: Run) -> None:
    await replace_first(run, "v2")


async def superseded(run: Run) -> None:
    """A third version is asked for while the second has traffic."""
    await serve_first(run)
    run.people.deploy("v2")
    await walk_to(run, 1)
    run.people.deploy("v3")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def _intends(run: Run) -> None:
    """Until status says that the candidate shall get traffic; the route may not say so yet."""
    assert await run.until(lambda: facts.intent(run.body) > 0)


async def superseded_early(run: Run) -> None:
    """A third version is asked for while the first weight of the second is being written."""
    await serve_first(run)
    run.people.deploy("v2")
    await _intends(run)
    run.people.deploy("v3")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def back_early(run: Run) -> None:
    """The same, but back to what serves."""
    await serve_first(run)
    run.people.deploy("v2")
    await _intends(run)
    run.people.deploy("v1")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def back_early_by_pods(run: Run) -> None:
    await serve_first(run, provider="ReplicaRatio", replicas=3)
    run.people.deploy("v2")
    await _intends(run)
    run.people.deploy("v1")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def deleted_early(run: Run) -> None:
    await serve_first(run)
    run.people.deploy("v2")
    await _intends(run)
    run.people.delete(MD, NAME)
    assert await run.until(lambda: run.body is None), "deletion hangs"


async def superseded_at_breach(run: Run) -> None:
    """Somebody replaces a bad version at the very moment at which its breach is seen."""
    await serve_first(run)
    run.people.deploy("bad")
    await walk_to(run, 0)
    for _ in range(400):  # until one more look would convict it
        await asyncio.sleep(0.05)
        analysis = facts.status(run.body).get("analysis") or [{}]
        if analysis[0].get("failures"):
            break
    run.people.deploy("v3")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def turns_bad_unseen(run: Run) -> None:
    """A good version turns bad at the moment at which Prometheus stops to see anything new."""
    run.people.create(manifest("v1", steps=((20, 60), (50, 5))))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("v2")
    await walk_to(run, 0)
    await asyncio.sleep(45.0)  # it is proven, but for its hold
    run.nemesis.frozen_at = run.loop.time()
    run.world.truths["v2"] = BAD
    await asyncio.sleep(45.0)
    run.nemesis.frozen_at = None
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def aborted(run: Run) -> None:
    await serve_first(run)
    run.people.deploy("v2")
    await walk_to(run, 1)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def deleted(run: Run) -> None:
    """The object is deleted while a candidate has traffic."""
    await serve_first(run)
    run.people.deploy("v2")
    await walk_to(run, 1)
    run.people.delete(MD, NAME)
    assert await run.until(lambda: run.body is None), "deletion hangs"


async def retried(run: Run) -> None:
    """A revision is rejected, mended from outside, and tried again on request."""
    await rollback(run)
    run.world.truths["bad"] = Truth()
    await asyncio.sleep(8.0)
    run.people.ask("retry")
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


async def first_stuck(run: Run) -> None:
    """The very first version never starts; the next one does."""
    run.people.create(manifest("stuck", steps=SHORT))
    assert await run.until(lambda: run.phase() == "Failed"), run.phase()
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def first_aborted(run: Run) -> None:
    """Somebody gives the very first version up before it serves."""
    run.people.create(manifest("stuck", steps=SHORT))
    assert await run.until(lambda: "0 of 2 pods" in facts.status(run.body).get("message", ""))
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() == "Failed"), run.phase()
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def back_after_rejection(run: Run) -> None:
    """The spec goes back to what serves after another version was rejected."""
    await rollback(run)
    run.people.deploy("v1")
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


async def invalid_for_a_while(run: Run) -> None:
    """A spec that cannot be carried out, while nothing is rolled out."""
    await serve_first(run)
    run.people.edit_spec({"progressDeadline": "soon"})
    assert await run.until(lambda: run.phase() == "Invalid"), run.phase()
    run.people.edit_spec({"progressDeadline": "1m"})
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


async def shared_outage(run: Run) -> None:
    """A backend that both versions need fails for a while: nobody's fault, so a person decides."""
    run.people.create(manifest("v1", steps=((50, 60),)))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("v2")
    await walk_to(run, 0)
    await asyncio.sleep(5.0)
    run.world.outage_error_ratio = 0.3
    seen = await run.until(lambda: facts.condition(run.body, "AnalysisPassing")["reason"] == SHARED)
    assert seen, facts.condition(run.body, "AnalysisPassing")
    await asyncio.sleep(15.0)
    run.world.outage_error_ratio = 0.0
    assert await run.until(lambda: run.phase() == "Paused"), run.phase()
    await promote_or(run, "promote")
    assert run.phase() == "Healthy"


BY_NAME = {
    play.__name__: Scenario(
        name=play.__name__,
        script=play,
        truths={"bad": BAD, "stuck": STUCK},
        may_reject_good=play is aborted,
        without_conflicts=play in {promotion, rollback},
    )
    for play in (
        promotion,
        rollback,
        promotion_by_pods,
        rollback_by_pods,
        first_replaced,
        superseded,
        superseded_early,
        back_early,
        back_early_by_pods,
        deleted_early,
        aborted,
        deleted,
        retried,
        three_steps,
        many_requests,
        long_hold,
        superseded_at_breach,
        turns_bad_unseen,
        first_stuck,
        first_aborted,
        back_after_rejection,
        invalid_for_a_while,
        shared_outage,
    )
}
