"""Plays of labels after the rollout: they come late, and tell that what serves is wrong more often than it was."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import facts
from tests.sim.cluster_side import serve
from tests.sim.drifting import PROVIDERS
from tests.sim.fields import Object
from tests.sim.labelling import ERRORS, QUALITY
from tests.sim.labels import COHORT_SECONDS, LabelWorld
from tests.sim.receiving import ALLOWED
from tests.sim.run import Run, Scenario
from tests.sim.truth import Truth
from tests.sim.watching import WATCH, condition, listen, row

from tidegate.evidence.verdict.concept import BASELINE_COHORTS, WINDOW

CONCEPT = "ConceptDrift"
ANALYSIS: Object = {
    "minRequests": 2_000,
    "metrics": [ERRORS, QUALITY | {"compare": {"tolerance": 0.1}}],
}
HOOK: Object = {**WATCH, "onDrift": {"action": "Hook", "hook": {"url": f"{ALLOWED}start"}}}
ROLLBACK: Object = {**WATCH, "onDrift": {"action": "Rollback"}}
WORSE = 0.15
LATE_SECONDS = 4 * COHORT_SECONDS  # labels come, are scraped, and looked at
WINDOW_SECONDS = WINDOW * COHORT_SECONDS
LEARNING_SECONDS = BASELINE_COHORTS * COHORT_SECONDS + LATE_SECONDS


async def _serve(run: Run, provider: str, monitoring: Object = HOOK, **more: object) -> str:
    run.world.labels = LabelWorld()
    return await serve(
        run, provider=provider, replicas=2, analysis=ANALYSIS, monitoring=monitoring, **more
    )


async def _is(run: Run, status: str, *, limit: float) -> None:
    found = await run.until(lambda: condition(run, CONCEPT)[0] == status, limit=limit)
    assert found, (condition(run, CONCEPT), row(run, "quality"))


async def _sound(run: Run) -> None:
    """Its first cohorts are known, and a whole window was as good as these."""
    await _is(run, "False", limit=LEARNING_SECONDS + 1.5 * WINDOW_SECONDS)


def _errs_more(run: Run, share: float = WORSE) -> None:
    assert run.world.labels is not None
    run.world.labels.harder = share


def _cohorts(run: Run) -> int:
    return int((row(run, "quality").get("baseline") or {}).get("cohorts", 0))


async def wrong_more_often(run: Run, provider: str) -> None:
    """The world asks another question: named with its numbers, the hook called once, nothing moves."""
    told = listen(run)
    stable = await _serve(run, provider)
    await _sound(run)
    _errs_more(run)
    await _is(run, "True", limit=WINDOW_SECONDS + LATE_SECONDS)
    found = row(run, "quality")
    assert (found["outcome"], found["reason"], found["against"]) == ("Fail", "Drift", "Labels")
    assert "against 90.0% of" in found["message"], found
    assert await run.until(lambda: len(run.receiver.taken) == 1)
    run.kill()
    await asyncio.sleep(WINDOW_SECONDS + LATE_SECONDS)
    assert condition(run, CONCEPT) == ("True", "Drift"), condition(run, CONCEPT)
    assert row(run, "quality")["failingSince"] == found["failingSince"]
    (event,) = run.receiver.taken
    assert event["data"]["metrics"][0]["condition"] == CONCEPT, event
    assert (facts.stable(run.body), run.phase()) == (stable, "Healthy")
    assert told == [CONCEPT], told


async def as_right_as_ever(run: Run, provider: str) -> None:
    """Labels come late, and say that nothing has changed: nothing is told, and nobody is called."""
    told = listen(run)
    await _serve(run, provider)
    await _sound(run)
    await asyncio.sleep(WINDOW_SECONDS)
    assert condition(run, CONCEPT) == ("False", "NoDriftFound"), condition(run, CONCEPT)
    assert not told, told
    assert not run.receiver.tries


async def killed_before_labels(run: Run, provider: str) -> None:
    """Another process holds the labels of today against the first ones that the one before has seen."""
    told = listen(run)
    await _serve(run, provider)
    assert await run.until(lambda: _cohorts(run) >= 3, limit=LEARNING_SECONDS)
    run.kill()
    known = _cohorts(run)
    assert await run.until(lambda: _cohorts(run) > known, limit=2 * LATE_SECONDS)
    assert _cohorts(run) == known + 1, "it began anew"
    assert await run.until(lambda: _cohorts(run) == BASELINE_COHORTS, limit=LEARNING_SECONDS)
    _errs_more(run)
    run.kill()
    await _is(run, "True", limit=WINDOW_SECONDS + LATE_SECONDS)
    assert told == [CONCEPT], told
    assert await run.until(lambda: len(run.receiver.taken) == 1)


async def nobody_labels(run: Run, provider: str) -> None:
    """Labels stop while it errs more: nobody can tell, and nobody is called for what is missing."""
    told = listen(run)
    await _serve(run, provider)
    await _sound(run)
    assert run.world.labels is not None
    run.world.labels.lost_of = "v1"
    _errs_more(run)
    await _is(run, "Unknown", limit=2 * LATE_SECONDS)
    assert condition(run, CONCEPT)[1] == "LabelsImmature", condition(run, CONCEPT)
    await asyncio.sleep(WINDOW_SECONDS)
    assert condition(run, CONCEPT)[0] == "Unknown", condition(run, CONCEPT)
    _errs_more(run, 0.0)
    run.world.labels.lost_of = ""
    await _is(run, "False", limit=2 * WINDOW_SECONDS)
    assert not told, told
    assert not run.receiver.tries


async def goes_back(run: Run, provider: str) -> None:
    """Where that was asked for the version before returns, once labels tell."""
    first = await _serve(run, provider, ROLLBACK, steps=((50, 5),))
    run.people.deploy("v2")
    assert await run.until(lambda: facts.stable(run.body) not in {"", first})
    second = facts.stable(run.body)
    await _sound(run)
    run.world.truths["v2"] = Truth(mistakes=0.3)
    assert await run.until(
        lambda: facts.stable(run.body) == first, limit=WINDOW_SECONDS + LATE_SECONDS
    ), row(run, "quality")
    (rejected,) = facts.status(run.body)["rejectedRevisions"]
    assert (rejected["revision"], rejected["by"]) == (second, "Watch"), rejected
    assert f"{CONCEPT}: quality against Labels: accuracy" in rejected["reason"], rejected


_BY_WEIGHT, _BY_POD = PROVIDERS
_ALL = (
    ("watch_concept", wrong_more_often, _BY_WEIGHT),
    ("watch_concept_same_world", as_right_as_ever, _BY_POD),
    ("watch_concept_killed", killed_before_labels, _BY_POD),
    ("watch_concept_unlabelled", nobody_labels, _BY_POD),
    ("watch_concept_returns", goes_back, _BY_POD),
)
PLAYS = {
    f"{name}_{provider.lower()}": Scenario(
        name=f"{name}_{provider.lower()}",
        script=partial(act, provider=provider),
        idle_seconds=WINDOW_SECONDS if act is as_right_as_ever else 0.0,
        may_reject_good=act is goes_back,
    )
    for name, act, provider in _ALL
}
