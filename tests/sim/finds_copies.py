"""Plays of copies beside a share of the users, and of copies for a preview."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import ends_well, ready
from tests.sim.fields import Object
from tests.sim.finds_bake import share_of
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, walk_to
from tests.sim.shadowing import asked, copies

_TERMS = {"hold": "5s", "deadline": "75s"}
BESIDE: Object = {
    "canary": {
        "steps": [
            {"name": "both", "weight": 10, "mirrorPercent": 30, **_TERMS},
            {"name": "half", "weight": 50, **_TERMS},
        ]
    }
}
ALL_ALONG: Object = {
    "canary": {
        "steps": [
            {"name": "both", "weight": 10, "mirrorPercent": 30, **_TERMS},
            {"name": "half", "weight": 50, "mirrorPercent": 12.5, **_TERMS},
        ]
    }
}
COMPARED: Object = {
    "type": "BlueGreen",
    "blueGreen": {"prePromotion": {"duration": "10s", "mirrorPercent": 40, "minRequests": 5_000}},
}


async def _serves(run: Run, strategy: Object, **more: Any) -> str:
    run.people.create(asked(strategy=strategy, **more))
    assert await run.until(lambda: run.phase() == "Healthy"), facts.status(run.body).get("message")
    return facts.stable(run.body)


async def _has_both(run: Run, version: str, *, live: float, copied: float) -> str:
    """A version at this share and these copies; its revision."""
    run.people.deploy(version)

    def there() -> bool:
        candidate = str(facts.rollout(run.body).get("revision", ""))
        return (share_of(run, candidate), copies(run)) == (live, {candidate: copied})

    assert await run.until(there), facts.status(run.body).get("message")
    return str(facts.rollout(run.body)["revision"])


async def copied_beside(run: Run) -> None:
    """Pods for both come first; the copies end with their step, and so does what they have shown."""
    await _serves(run, BESIDE)
    candidate = await _has_both(run, "v2", live=10, copied=30)
    assert ready(run, candidate) == 2, "pods for two fifths of the load"
    await walk_to(run, 1)
    assert not copies(run)
    await ends_well(run)
    assert facts.stable(run.body) == candidate
    ended = facts.status(run.body)["rollout"]
    assert ended["evidenceSince"] == ended["plan"][1]["confirmedAt"], (
        "what copies have shown counts on"
    )


async def copied_all_along(run: Run) -> None:
    """Both steps have copies: what they count is joined."""
    await _serves(run, ALL_ALONG)
    candidate = await _has_both(run, "v2", live=10, copied=30)
    await walk_to(run, 1)
    assert await run.until(lambda: copies(run) == {candidate: 12.5}), copies(run)
    assert share_of(run, candidate) == 50
    await ends_well(run)
    ended = facts.status(run.body)["rollout"]
    assert ended["evidenceSince"] == ended["plan"][0]["confirmedAt"]


async def bad_beside(run: Run) -> None:
    """Harm ends the share and the copies in one write."""
    stable = await _serves(run, BESIDE)
    run.people.deploy("bad")
    assert await run.until(lambda: bool(copies(run))), facts.status(run.body).get("message")
    candidate = next(iter(copies(run)))
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "RolledBack"
    assert candidate in facts.rejected(run.body)
    assert (facts.stable(run.body), copies(run), share_of(run, candidate)) == (stable, {}, 0)


async def copied_in_a_small_surge(run: Run) -> None:
    """There is room for one pod more: the share comes with it, the copies when stable has made room."""
    steps = [{"name": "both", "weight": 25, "mirrorPercent": 25, **_TERMS}]
    strategy = {"canary": {"steps": steps}, "scaling": {"maxSurgePercent": 25}}
    stable = await _serves(run, strategy)
    run.world.capacity = 5
    candidate = await _has_both(run, "v2", live=25, copied=25)
    assert (ready(run, stable), ready(run, candidate)) == (3, 2)
    await ends_well(run)


async def copied_while_paused(run: Run) -> None:
    """A pause keeps both; an abort takes both."""
    await _serves(run, BESIDE)
    candidate = await _has_both(run, "v2", live=10, copied=30)
    run.people.ask("pause")
    await asyncio.sleep(100.0)
    assert (run.phase(), share_of(run, candidate)) == ("Paused", 10)
    assert copies(run) == {candidate: 30.0}
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert (share_of(run, candidate), copies(run)) == (0, {})


async def preview_compared(run: Run) -> None:
    """A good version: copies and its proof, then all users at once, and no copy any more."""
    await _serves(run, COMPARED)
    candidate = await _has_both(run, "v2", live=0, copied=40)
    assert facts.stage_kind(run.body) == "Preview"
    assert ready(run, candidate) == 4
    assert await run.until(lambda: share_of(run, candidate) == 100), run.phase()
    assert not copies(run)
    await ends_well(run)


async def preview_worse_than_stable(run: Run) -> None:
    """Nobody visits it, no metric has a limit, and copies show that it is worse: no user has met it."""
    run.world.preview_part = 0.0
    metrics = [{"name": "errors", "preset": "error-ratio", "compare": {}}]
    stable = await _serves(run, COMPARED, analysis={"metrics": metrics})
    candidate = await _has_both(run, "bad", live=0, copied=40)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "RolledBack"
    assert candidate in facts.rejected(run.body)
    assert (facts.stable(run.body), copies(run)) == (stable, {})
    assert run.world.user_errors == 0


async def copies_refused_by_pods(run: Run) -> None:
    """A plane that cannot copy names the field of the step, or of the preview."""
    for strategy, path in (
        (BESIDE, "spec.strategy.canary.steps[both].mirrorPercent"),
        (COMPARED, "spec.strategy.blueGreen.prePromotion.mirrorPercent"),
    ):
        body = asked(strategy=strategy, provider="ReplicaRatio")
        if run.body is None:
            run.people.create(body)
        else:
            run.people.edit_spec({"strategy": body["spec"]["strategy"]})
        assert await run.until(partial(_refuses, run, path)), _refusal(run)
        assert facts.condition(run.body, "Stalled")["reason"] == "UnsupportedByProvider"


def _refuses(run: Run, path: str) -> bool:
    return path in _refusal(run)


def _refusal(run: Run) -> str:
    return str(facts.condition(run.body, "Stalled").get("message", ""))


def _of(play: Any, **options: Any) -> Scenario:
    return Scenario(
        name=play.__name__,
        script=partial(_played, play),
        truths={"bad": BAD},
        **options,
    )


async def _played(play: Any, run: Run) -> None:
    await play(run)


PLAYS = {
    scenario.name: scenario
    for scenario in (
        _of(copied_beside),
        _of(copied_all_along),
        _of(bad_beside),
        _of(copied_in_a_small_surge),
        _of(copied_while_paused, may_reject_good=True),
        _of(preview_compared),
        _of(preview_worse_than_stable),
        _of(copies_refused_by_pods),
    )
}
