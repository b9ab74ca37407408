"""Plays of a shadow whose answers are held against those of stable to the same requests."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from tests.sim import facts, shadowing
from tests.sim.cluster_side import ends_well
from tests.sim.pair_counters import PairCounters
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER
from tests.sim.shadowing import SHADOW, asked, copies, shadow
from tests.sim.truth import Truth

METRIC = "response-agreement"
HOUR_SECONDS = 3600.0
COMPARE = {"preset": METRIC, "threshold": {"min": 0.98}, "minPairs": 5000}
ALIKE, WRONG = Truth(agreement=0.997), Truth(agreement=0.6)


def _compares(run: Run, *, arriving: float = 1.0) -> PairCounters:
    """A comparer is there, and gets this share of the answers."""
    comparer = PairCounters(namespace=NAMESPACE, name=NAME, arriving=arriving)
    run.world.prometheus.add(comparer)
    run.world.comparer = comparer
    return comparer


async def _shadows(run: Run, version: str, then: str, **compare: Any) -> str:
    """A version at its copies; the revision that serves."""
    run.people.create(asked(strategy=shadow(then, compare={**COMPARE, **compare})))
    assert await run.until(lambda: run.phase() == "Healthy"), facts.status(run.body).get("message")
    run.people.deploy(version)
    assert await run.until(lambda: bool(copies(run))), facts.status(run.body).get("message")
    return facts.stable(run.body)


def _result(run: Run) -> dict[str, Any]:
    """What is said of the agreement."""
    found = (it for it in facts.status(run.body).get("analysis", ()) if it["name"] == METRIC)
    return next(found, {})


async def shadow_agrees(run: Run, then: str) -> None:
    """It answers as stable does, but for a few: promoted, and judged so in the shadow alone."""
    _compares(run)
    await _shadows(run, "alike", then)
    await ends_well(run)
    assert facts.status(run.body)["stable"]["modelVersion"] == "alike"
    plan = facts.status(run.body)["rollout"]["plan"]
    judged = {it["kind"]: {one["name"] for one in it.get("evidence", ())} for it in plan}
    assert METRIC in judged.pop("Shadow"), judged
    assert all(METRIC not in names for names in judged.values()), judged


async def shadow_disagrees(run: Run, then: str) -> None:
    """It answers at once and without an error, and wrongly: rejected before any user has seen it."""
    _compares(run)
    stable = await _shadows(run, "wrong", then)
    candidate = next(iter(copies(run)))
    shadowing.never_answers(run, candidate)
    assert await run.until(lambda: run.phase() == "RolledBack"), facts.status(run.body)["message"]
    assert facts.stable(run.body) == stable
    assert METRIC in facts.status(run.body)["rejectedRevisions"][0]["reason"]
    assert not copies(run)
    assert run.world.user_errors == 0


async def shadow_without_comparer(run: Run, then: str) -> None:
    """Nobody counts pairs: nothing passes, and it says what is missing, until somebody does."""
    await _shadows(run, "alike", then)
    await asyncio.sleep(150.0)  # twice as long as it takes with pairs
    assert run.phase() == "Shadowing", run.phase()
    assert _result(run)["outcome"] == "NoData", _result(run)
    assert "no pair of answers" in _result(run)["message"]
    _compares(run)
    await ends_well(run)
    assert facts.status(run.body)["stable"]["modelVersion"] == "alike"


async def shadow_with_few_pairs(run: Run) -> None:
    """What is logged of few requests is not enough, however well it agrees; it waits, and says for what."""
    _compares(run, arriving=0.01)
    await _shadows(run, "v2", "Promote", minPairs=20_000)
    await asyncio.sleep(150.0)
    assert run.phase() == "Shadowing", run.phase()
    assert "20000 pairs are needed" in _result(run)["message"], _result(run)
    assert run.world.comparer is not None
    run.world.comparer.arriving = 1.0
    await ends_well(run)
    evidence = facts.status(run.body)["rollout"]["plan"][0]["evidence"]
    agreement = next(it for it in evidence if it["name"] == METRIC)
    assert agreement["candidate"]["total"] >= 20_000, agreement


async def shadow_loses_its_comparer(run: Run) -> None:
    """The comparer falls silent in the midst of it: what is missing is no agreement."""
    _compares(run)
    await _shadows(run, "alike", "Promote")
    await asyncio.sleep(5.0)
    silent = run.world.comparer
    run.world.comparer = None
    await asyncio.sleep(150.0)
    assert run.phase() == "Shadowing", run.phase()
    assert _result(run)["outcome"] == "NoData", _result(run)
    run.world.comparer = silent
    await ends_well(run)


async def shadow_compare_edited(run: Run) -> None:
    """Taken out of the spec meanwhile: a strategy waits for the next rollout, with what it asks for."""
    await _shadows(run, "alike", "Promote")
    run.people.edit_part("strategy", shadow={**SHADOW, "then": "Promote"})
    await asyncio.sleep(150.0)
    assert run.phase() == "Shadowing", run.phase()
    run.world.truths["alike"] = WRONG
    _compares(run)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "RolledBack"


async def shadow_labelled_late(run: Run) -> None:
    """People speak of answers from before the shadow first: all were wrong, and none of them counts."""
    await asyncio.sleep(HOUR_SECONDS - 120.0)
    comparer = _compares(run)
    stable = await _shadows(run, "alike", "Promote", reference="Human")
    await _is_confirmed(run)
    revisions = (stable, next(iter(copies(run))))
    assert run.loop.time() < HOUR_SECONDS - 30.0, "the hour is not over"
    for _ in range(20):
        comparer.label(revisions[1], cohort="2026-01-01T00Z", equal_of=(0.0, 200.0))
        await asyncio.sleep(1.0)
    await asyncio.sleep(HOUR_SECONDS + 60.0 - run.loop.time())
    assert run.phase() == "Shadowing", facts.status(run.body)["message"]
    assert _result(run)["outcome"] == "NoData", _result(run)
    while run.phase() == "Shadowing":
        for revision in revisions:
            comparer.label(revision, cohort="2026-01-01T01Z", equal_of=(199.5, 200.0))
        await asyncio.sleep(1.0)
    await ends_well(run)
    assert facts.status(run.body)["stable"]["modelVersion"] == "alike"


async def shadow_refuted_by_people(run: Run) -> None:
    """It agrees with stable, and people say that it is often wrong, and stable hardly ever."""
    await asyncio.sleep(HOUR_SECONDS - 60.0)
    comparer = _compares(run)
    stable = await _shadows(run, "alike", "Promote", reference="Human")
    candidate = next(iter(copies(run)))
    await asyncio.sleep(HOUR_SECONDS + 30.0 - run.loop.time())
    while run.phase() == "Shadowing":
        comparer.label(stable, cohort="2026-01-01T01Z", equal_of=(199.0, 200.0))
        comparer.label(candidate, cohort="2026-01-01T01Z", equal_of=(120.0, 200.0))
        await asyncio.sleep(1.0)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert facts.stable(run.body) == stable
    assert METRIC in facts.status(run.body)["rejectedRevisions"][0]["reason"]


async def _is_confirmed(run: Run) -> None:
    """The copies are in force: from here on it is judged."""

    def confirmed() -> bool:
        return "confirmedAt" in (facts.rollout(run.body).get("step") or {})

    assert await run.until(confirmed), facts.status(run.body).get("message")


def _of(play: Any, *arguments: str) -> Scenario:
    return Scenario(
        name="_".join([play.__name__, *(one.lower() for one in arguments)]),
        script=partial(_played, play, arguments),
        truths={"alike": ALIKE, "wrong": WRONG},
    )


async def _played(play: Any, arguments: tuple[str, ...], run: Run) -> None:
    await play(run, *arguments)


PLAYS = {
    scenario.name: scenario
    for scenario in (
        *(_of(shadow_agrees, then) for then in ("Canary", "Promote")),
        *(_of(shadow_disagrees, then) for then in ("Hold", "Canary", "Promote", "Stop")),
        *(_of(shadow_without_comparer, then) for then in ("Canary", "Promote")),
        _of(shadow_with_few_pairs),
        _of(shadow_loses_its_comparer),
        _of(shadow_compare_edited),
        _of(shadow_labelled_late),
        replace(_of(shadow_refuted_by_people), may_reject_good=True),  # only people know better
    )
}
