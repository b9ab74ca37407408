"""Plays of blue-green: a preview, a gate, one switch, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.cluster_side import PROVIDERS, deployment, ends_well, ready, serve, waits_for
from tests.sim.fields import Object
from tests.sim.finds_bake import SPOILT, share_of
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, SHORT

from tidegate import ports

PREVIEW = f"{NAME}-preview"
ASKED: Object = {
    "type": "BlueGreen",
    "blueGreen": {"prePromotion": {"duration": "10s"}},
    "postPromotion": {"bake": "30s", "keepPreviousPercent": 25},
}
BY_HAND = ASKED | {
    "blueGreen": {"prePromotion": {"duration": "5s", "minRequests": 10_000}, "autoPromote": False}
}
SMALL = ASKED | {"blueGreen": {**ASKED["blueGreen"], "preview": {"replicasPercent": 25}}}


class Moves:
    """What users were moved to: each revision that came to have all of them, in order.

    `ready` are the ready pods of each revision at the last move.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.seen: list[str] = []
        self.ready: dict[str, int] = {}
        run.cluster.listeners.append(self._look)

    def _look(self, change: Change) -> None:
        if change.kind not in {ports.SERVICE, self._run.cluster.route_kind}:
            return
        now = next((it for it in _revisions(self._run) if share_of(self._run, it) == 100), "nobody")
        if not self.seen or self.seen[-1] != now:
            self.seen.append(now)
            self.ready = {it: ready(self._run, it) for it in _revisions(self._run)}


def _revisions(run: Run) -> list[str]:
    return [facts.revision_label(it) for it in run.cluster.all(ports.DEPLOYMENT)]


def previewed(run: Run) -> str:
    """The revision that the preview Service selects."""
    return facts.selected(run.cluster.get(ports.SERVICE, NAMESPACE, PREVIEW))


async def previews(
    run: Run, provider: str, *, strategy: Mapping[str, object], version: str = "v2"
) -> tuple[str, str, Moves]:
    """A second version in preview: the revisions of stable and candidate, and who moves users."""
    stable = await serve(
        run, provider=provider, replicas=4, strategy=strategy, progressDeadline="5m"
    )
    assert previewed(run) == stable
    moves = Moves(run)
    run.people.deploy(version)

    def there() -> bool:
        return facts.stage_kind(run.body) == "Preview" and bool(
            facts.rollout(run.body)["step"].get("confirmedAt")
        )

    assert await run.until(there), facts.status(run.body).get("message")
    candidate = str(facts.rollout(run.body)["revision"])
    assert previewed(run) == candidate
    assert (run.phase(), share_of(run, candidate)) == ("Progressing", 0)
    return stable, candidate, moves


async def shown_and_switched(run: Run, provider: str) -> None:
    """A good version: users change sides once, and both versions have all their pods then."""
    stable, candidate, moves = await previews(run, provider, strategy=ASKED)
    assert await run.until(lambda: share_of(run, candidate) == 100), run.phase()
    assert moves.ready == {stable: 4, candidate: 4}, moves.ready
    assert await run.until(lambda: run.phase() == "Baking"), run.phase()
    assert facts.condition(run.body, "Promoted")["status"] == "True"
    await asyncio.sleep(1.5)  # half of what the last requests to stable may take
    assert deployment(run, stable)["spec"]["replicas"] == 4
    await ends_well(run)
    assert moves.seen in ([candidate], [stable, candidate]), moves.seen
    assert previewed(run) == candidate


async def bad_in_preview(run: Run, provider: str) -> None:
    """What breaks a limit under its testers is rejected, and no user was ever sent to it."""
    stable, candidate, moves = await previews(run, provider, strategy=ASKED, version="bad")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert (run.phase(), facts.stable(run.body)) == ("RolledBack", stable)
    assert candidate in facts.rejected(run.body)
    assert set(moves.seen) <= {stable}, moves.seen
    assert await run.until(lambda: previewed(run) == stable, limit=5.0)


async def bad_after_the_switch(run: Run, provider: str) -> None:
    """It breaks a limit in the bake: stable gets its pods back, then all users in one write."""
    stable, candidate, moves = await previews(run, provider, strategy=ASKED)
    assert await run.until(lambda: run.phase() == "Baking"), run.phase()
    assert await run.until(lambda: deployment(run, stable)["spec"]["replicas"] == 1, limit=10.0)
    run.world.truths["v2"] = SPOILT
    assert await run.until(lambda: share_of(run, stable) == 100, limit=60.0)
    assert moves.ready[stable] == 4
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "RolledBack", run.phase()
    assert moves.seen[-2:] == [candidate, stable], moves.seen


async def asked_for_by_hand(run: Run, provider: str) -> None:
    """It waits for a person as long as it takes, and is switched at once when asked."""
    _, candidate, _ = await previews(run, provider, strategy=BY_HAND)
    assert await run.until(lambda: waits_for(run) == "ManualStep"), run.phase()
    assert run.phase() == "Paused"
    await asyncio.sleep(400.0)
    assert (waits_for(run), share_of(run, candidate)) == ("ManualStep", 0)
    run.people.ask("promote")
    assert await run.until(lambda: share_of(run, candidate) == 100, limit=10.0)
    await ends_well(run)


async def all_at_once(run: Run, provider: str) -> None:
    """Who asks for everything in the preview has answered for the manual gate as well."""
    _, candidate, _ = await previews(run, provider, strategy=BY_HAND)
    run.people.ask("promote-full")
    assert await run.until(lambda: share_of(run, candidate) == 100), run.phase()
    await ends_well(run)


async def bad_at_the_gate(run: Run, provider: str) -> None:
    """While it waits for a person it is still judged."""
    stable, candidate, moves = await previews(run, provider, strategy=BY_HAND)
    assert await run.until(lambda: waits_for(run) == "ManualStep"), run.phase()
    run.world.truths["v2"] = SPOILT
    assert await run.until(lambda: run.phase() == "RolledBack", limit=60.0), run.phase()
    assert candidate in facts.rejected(run.body)
    assert set(moves.seen) <= {stable}, moves.seen


async def seen_by_nobody(run: Run, provider: str) -> None:
    """Nobody visits the preview that has to be visited: nothing is promoted without evidence."""
    run.world.preview_part = 0.0
    strategy = BY_HAND | {"blueGreen": {"prePromotion": {"duration": "5s", "minRequests": 1}}}
    _, candidate, _ = await previews(run, provider, strategy=strategy)
    await asyncio.sleep(200.0)
    assert (facts.stage_kind(run.body), share_of(run, candidate)) == ("Preview", 0)
    run.world.preview_part = 0.25
    await ends_well(run)


async def small_preview(run: Run, provider: str) -> None:
    """One pod is enough to look at; the users get all of them."""
    _, candidate, _ = await previews(run, provider, strategy=SMALL)
    assert deployment(run, candidate)["spec"]["replicas"] == 1
    assert await run.until(lambda: share_of(run, candidate) == 100), run.phase()
    assert ready(run, candidate) == 4
    await ends_well(run)


async def aborted_in_preview(run: Run, provider: str) -> None:
    stable, _, moves = await previews(run, provider, strategy=ASKED)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert previewed(run) == stable
    assert set(moves.seen) <= {stable}, moves.seen


async def paused_in_preview(run: Run, provider: str) -> None:
    """A pause holds the switch back, and resume lets it come."""
    _, candidate, _ = await previews(run, provider, strategy=ASKED)
    run.people.ask("pause")
    await asyncio.sleep(60.0)
    assert (run.phase(), share_of(run, candidate)) == ("Paused", 0)
    run.people.ask("resume")
    await ends_well(run)


async def replaced_in_preview(run: Run, provider: str) -> None:
    """The spec moves on; users never see what was in preview before."""
    stable, candidate, moves = await previews(run, provider, strategy=ASKED)
    run.people.deploy("v3")
    await ends_well(run)
    assert facts.status(run.body)["stable"]["modelVersion"] == "v3"
    assert candidate not in moves.seen
    assert previewed(run) == facts.stable(run.body) != stable


async def edited_in_preview(run: Run, provider: str) -> None:
    """The strategy becomes a canary: this rollout switches, the next one has steps."""
    _, candidate, moves = await previews(run, provider, strategy=SMALL)
    assert run.body is not None
    steps = [{"name": "half", "weight": 50, "hold": "5s", "deadline": "75s"}]
    run.people.edit_spec({"strategy": {"scaleDownDelay": "3s", "canary": {"steps": steps}}})
    await ends_well(run)
    assert moves.seen[-1] == candidate
    assert "nobody" not in moves.seen, "users were mixed"
    assert run.cluster.get(ports.SERVICE, NAMESPACE, PREVIEW) is None
    run.people.deploy("v3")
    assert await run.until(lambda: facts.intent(run.body) == 50), run.phase()
    await ends_well(run)


async def target_deleted_in_preview(run: Run, provider: str) -> None:
    """Somebody deletes what carries the users while none of them is with the candidate."""
    _, candidate, _ = await previews(run, provider, strategy=BY_HAND)
    kind = run.cluster.route_kind if provider == "GatewayAPI" else ports.SERVICE
    run.people.delete(kind, NAME)
    assert await run.until(lambda: run.cluster.get(kind, NAMESPACE, NAME) is not None, limit=30.0)
    assert share_of(run, candidate) == 0
    assert await run.until(lambda: waits_for(run) == "ManualStep"), run.phase()
    run.people.delete(ports.SERVICE, PREVIEW)
    assert await run.until(lambda: previewed(run) == candidate, limit=30.0)
    run.people.ask("promote")
    await ends_well(run)


async def deleted_in_preview(run: Run, provider: str) -> None:
    """Nothing is left behind, and no finalizer holds the object."""
    await previews(run, provider, strategy=ASKED)
    assert not facts.holds_finalizer(run.body)
    run.people.delete(ports.MODEL_DEPLOYMENT, NAME)
    assert await run.until(lambda: run.body is None, limit=60.0)


async def no_room_for_both(run: Run, provider: str) -> None:
    """Nodes have room for one version only: it waits and says so, nobody is rejected."""
    stable = await serve(run, provider=provider, replicas=4, strategy=ASKED)
    run.world.capacity = 6
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Paused", limit=150.0), run.phase()
    assert waits_for(run) == "Capacity"
    assert previewed(run) == stable
    run.world.capacity = 10_000
    for body in run.cluster.all(ports.DEPLOYMENT):
        run.world.look_after(body["metadata"]["uid"])
    await ends_well(run)


async def switched(run: Run, provider: str) -> None:
    """From one version to the next by the short way, for the enumeration of crash points."""
    await serve(run, provider=provider, replicas=2, steps=SHORT, strategy=ASKED)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


_ABORTS = {aborted_in_preview}
PLAYS = {
    f"{play.__name__}_{provider.lower()}": Scenario(
        name=f"{play.__name__}_{provider.lower()}",
        script=partial(play, provider=provider),
        truths={"bad": BAD},
        may_reject_good=play in _ABORTS,
    )
    for provider in PROVIDERS
    for play in (
        shown_and_switched,
        bad_in_preview,
        bad_after_the_switch,
        asked_for_by_hand,
        all_at_once,
        bad_at_the_gate,
        seen_by_nobody,
        small_preview,
        aborted_in_preview,
        paused_in_preview,
        replaced_in_preview,
        edited_in_preview,
        deleted_in_preview,
        target_deleted_in_preview,
        no_room_for_both,
        switched,
    )
}
