"""A good version is promoted and a bad one rolled back, whatever labels a scrape gives."""

from __future__ import annotations

import asyncio

import pytest
from tests.sim import facts
from tests.sim.run import Run, Scenario, play
from tests.sim.scenarios import BAD, OVER, promotion, promotion_by_pods, rollback, serve_first

from tidegate.model import IdentityMode

STYLES = (IdentityMode.LABEL, IdentityMode.POD_LABEL, IdentityMode.POD)
ENDS = {promotion: "Healthy", promotion_by_pods: "Healthy", rollback: "RolledBack"}


@pytest.mark.parametrize("script", ENDS, ids=lambda it: it.__name__)
@pytest.mark.parametrize("style", STYLES)
def test_rollouts_end_as_they_should_without_any_setting(
    style: IdentityMode, script: object
) -> None:
    chosen = Scenario(name=f"{style}", script=script, truths={"bad": BAD}, style=style)  # type: ignore[arg-type]

    result = play(chosen, seed=1)

    assert not result.failure
    assert result.final["status"]["phase"] == ENDS[script]  # type: ignore[index]
    assert result.final["status"]["identity"] == [{"source": "prometheus", "mode": style.value}]


async def _relabelled(run: Run) -> None:
    """From the first step on new pods are scraped with other labels."""
    await serve_first(run)
    run.people.deploy("v2")
    run.world.style = IdentityMode.POD
    await asyncio.sleep(200.0)
    assert run.phase() not in OVER
    assert facts.status(run.body)["identity"] == [{"source": "prometheus", "mode": "Label"}]
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


def test_a_rollout_keeps_the_labels_that_it_began_with() -> None:
    chosen = Scenario(name="relabelled", script=_relabelled, may_reject_good=True)

    assert not play(chosen, seed=1).failure


async def _found_anew(run: Run) -> None:
    """At rest all pods are replaced and come back with other labels; then a version is tried."""
    await serve_first(run)
    assert await run.until(lambda: bool(facts.status(run.body).get("identity")))
    run.world.style = IdentityMode.POD_LABEL
    for uid in list(run.world.pods):
        run.world.restart_pods(uid)
    found = [{"source": "prometheus", "mode": "PodLabel"}]
    assert await run.until(lambda: facts.status(run.body)["identity"] == found, limit=1500.0)
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "RolledBack"


def test_labels_that_give_nothing_any_more_are_found_anew_at_rest() -> None:
    chosen = Scenario(name="found anew", script=_found_anew, truths={"bad": BAD})

    assert not play(chosen, seed=1).failure


async def _nameless(run: Run) -> None:
    await serve_first(run)
    run.people.deploy("v2")
    await asyncio.sleep(200.0)
    status = facts.status(run.body)
    assert run.phase() not in OVER
    assert not status.get("identity")
    waits = facts.rollout(run.body)["waitingFor"]
    assert waits["reason"] == "Evidence", waits
    assert waits["message"].startswith("LabelsMissing"), waits
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


def test_without_labels_a_candidate_waits_and_is_told_why() -> None:
    chosen = Scenario(
        name="nameless", script=_nameless, style=IdentityMode.GATEWAY, may_reject_good=True
    )

    assert not play(chosen, seed=1).failure
