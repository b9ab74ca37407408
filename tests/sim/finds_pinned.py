"""Plays of a strategy that is edited to one of another type: what was pinned keeps what it needs."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, ready, serve, waits_for
from tests.sim.fields import Object
from tests.sim.finds_bake import share_of
from tests.sim.finds_blue_green import BY_HAND, previewed
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.shadowing import asked, copies, shadow

from tidegate import ports

CANARY: Object = {
    "scaleDownDelay": "3s",
    "canary": {"steps": [{"name": "part", "weight": 25, "hold": "20s", "deadline": "75s"}]},
}
SHADOW = shadow("Hold")


def _preview_is_gone(run: Run) -> bool:
    return run.cluster.get(ports.SERVICE, NAMESPACE, f"{NAME}-preview") is None


async def preview_is_pinned(run: Run, provider: str) -> None:
    """The spec knows no preview any more before there is one; this rollout has it to its end."""
    stable = await serve(
        run, provider=provider, replicas=4, strategy=BY_HAND, progressDeadline="5m"
    )
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in {"Progressing", "Paused"}), run.phase()
    assert previewed(run) == stable
    run.people.edit_spec({"strategy": CANARY})
    assert await run.until(lambda: previewed(run) not in {"", stable}), run.phase()
    candidate = str(facts.rollout(run.body)["revision"])
    assert previewed(run) == candidate
    assert await run.until(lambda: waits_for(run) == "ManualStep"), waits_for(run)
    assert share_of(run, candidate) == 0
    assert ready(run, candidate) == 4
    run.people.ask("promote")
    assert await run.until(lambda: facts.stable(run.body) == candidate), run.phase()
    assert await run.until(lambda: _preview_is_gone(run)), "of no use any more"


async def shadow_is_pinned(run: Run, *, edited_after_seconds: float) -> None:
    """A shadow that is to be blue-green next time: its size and its end are those it began with."""
    run.people.create(asked(strategy=SHADOW))
    assert await run.until(lambda: run.phase() == "Healthy")
    run.people.deploy("v2")
    assert await run.until(lambda: facts.stage_kind(run.body) == "Shadow"), run.phase()
    await asyncio.sleep(edited_after_seconds)
    run.people.edit_spec({"strategy": BY_HAND})
    candidate = str(facts.rollout(run.body)["revision"])
    assert await run.until(lambda: copies(run) == {candidate: 20}), run.phase()
    assert await run.until(lambda: waits_for(run) == "ManualStep", limit=300.0), waits_for(run)
    assert ready(run, candidate) == 1
    run.people.ask("promote")
    assert await run.until(lambda: facts.stable(run.body) == candidate), run.phase()


PLAYS = {
    name: Scenario(name=name, script=script)
    for name, script in (
        *(
            (f"preview_is_pinned_{it.lower()}", partial(preview_is_pinned, provider=it))
            for it in PROVIDERS
        ),
        ("shadow_is_pinned_at_once", partial(shadow_is_pinned, edited_after_seconds=0.0)),
        ("shadow_is_pinned_in_the_middle", partial(shadow_is_pinned, edited_after_seconds=20.0)),
    )
}
