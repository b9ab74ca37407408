"""Plays of a synthetic inference: what has to be answered before any request reaches a candidate."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster import ROUTES, Change
from tests.sim.cluster_side import PROVIDERS, deployment, ends_well, pods, ready, serve
from tests.sim.fields import Object
from tests.sim.finds_blue_green import ASKED as BLUE_GREEN
from tests.sim.finds_blue_green import previewed
from tests.sim.inferring import WRONG_PATH
from tests.sim.nemesis import Calm
from tests.sim.people import NAME, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER, SHORT
from tests.sim.shadowing import asked as shadowed
from tests.sim.shadowing import copies, shadow
from tests.sim.truth import Truth

from tidegate import ports
from tidegate.rollout.ending import FOUND_MARKED

FAILED = "ProbeFailed"
PROBE = {
    "path": "/v2/models/iris/infer",
    "body": '{"inputs": []}',
    "expect": {"values": [{"pointer": "/score", "min": 0, "max": 1}]},
}
SERVER: Object = {"preset": "MLServer", "probe": PROBE}
STRICT: Object = {"firstRollout": "Probe"}
MISANSWERS = Truth(misanswers=True)


class Thinks(Calm):
    """An inference takes its time, longer than the first look for evidence."""

    inference_seconds = 15.0


class Reached:
    """Revisions that requests were ever sent to: of users, of testers, or copies."""

    def __init__(self, run: Run) -> None:
        self.revisions: set[str] = set()
        run.cluster.listeners.append(self._look)

    def _look(self, change: Change) -> None:
        if change.new is None:
            return
        if change.kind in ROUTES:
            shares = facts.shares(change.new, name=NAME)
            self.revisions |= {revision for revision, share in shares.items() if share > 0}
            copied = facts.mirrored_to(change.new)
            self.revisions |= {service.removeprefix(f"{NAME}-") for service in copied}
        elif change.kind is ports.SERVICE and "tidegate.dev/revision" not in (
            change.new["metadata"].get("labels") or {}
        ):
            self.revisions |= {facts.selected(change.new)}


def _candidate(run: Run) -> str:
    return str(facts.rollout(run.body).get("revision", ""))


def _waits(run: Run) -> str:
    return str((facts.rollout(run.body).get("waitingFor") or {}).get("reason", ""))


def _lives(run: Run) -> int:
    """How many processes of the operator there have been."""
    return sum(line.endswith(" starting") for line in run.trace.lines)


def says_why(run: Run, why: str = FAILED) -> None:
    """The message names what failed. The mark of a rollback whose process died outlives its reason."""
    message = facts.status(run.body)["message"]
    is_lost = _lives(run) > 1 and FOUND_MARKED in message
    assert why in message or is_lost, message


async def _asks(run: Run, version: str, provider: str, **spec: Any) -> tuple[str, Reached]:
    """A second version whose pods are there; the revision of stable, and who is reached."""
    stable = await serve(run, provider=provider, steps=SHORT, server=SERVER, **spec)
    assert run.world.inferred == [], "the first version was asked"
    reached = Reached(run)
    run.people.deploy(version)
    assert await run.until(lambda: bool(run.world.inferred)), facts.status(run.body)["message"]
    return stable, reached


async def answers_well(run: Run, provider: str) -> None:
    """One inference, then everything as ever."""
    _, reached = await _asks(run, "v2", provider)
    candidate = _candidate(run)
    await ends_well(run)
    assert candidate in reached.revisions
    assert facts.stable(run.body) == candidate
    # Answers are kept in memory: each process asks for its own.
    assert len(run.world.inferred) <= _lives(run), run.world.inferred


async def answers_wrong(run: Run, provider: str) -> None:
    """Rejected at the progress deadline, and no request has ever reached it."""
    began = run.loop.time()
    stable, reached = await _asks(run, "odd", provider)
    candidate = _candidate(run)
    assert await run.until(lambda: _waits(run) == "Probe"), _waits(run)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert (run.phase(), facts.stable(run.body)) == ("RolledBack", stable)
    assert candidate in facts.rejected(run.body)
    says_why(run)
    assert candidate not in reached.revisions
    asked = len(run.world.inferred)
    assert 2 <= asked <= (run.loop.time() - began) / 5 + _lives(run), asked


async def sample_is_mended(run: Run, provider: str) -> None:
    """What is asked was wrong, not the version: an edit of the spec is enough."""
    stable = await serve(
        run, provider=provider, server={**SERVER, "probe": {**PROBE, "path": WRONG_PATH}}
    )
    run.people.deploy("v2")
    assert await run.until(lambda: _waits(run) == "Probe"), _waits(run)
    candidate = _candidate(run)
    run.people.edit_spec({"server": SERVER})
    await ends_well(run)
    assert facts.stable(run.body) == candidate != stable


async def cannot_be_reached(run: Run, provider: str) -> None:
    """A NetworkPolicy is no fault of the model: the evidence speaks for it."""
    run.world.is_shielded = True
    await _asks(run, "v2", provider)
    candidate = _candidate(run)
    await ends_well(run)
    assert facts.stable(run.body) == candidate


async def first_answers_wrong(run: Run, provider: str) -> None:
    """With firstRollout: Probe nobody is sent to it, and the next version serves."""
    run.people.create(_first("odd", provider))
    reached = Reached(run)
    assert await run.until(lambda: run.phase() == "Failed"), run.phase()
    says_why(run)
    assert reached.revisions <= {""}, reached.revisions
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


def _first(version: str, provider: str) -> Object:
    return manifest(version, provider=provider, server=SERVER, strategy=STRICT, steps=SHORT)


async def first_is_not_reached(run: Run, provider: str) -> None:
    """Nothing else would speak for it: it waits, is never rejected, and goes on by itself."""
    run.world.is_shielded = True
    run.people.create(_first("v1", provider))
    reached = Reached(run)
    assert await run.until(lambda: run.phase() == "Paused"), run.phase()
    assert reached.revisions <= {""}, reached.revisions
    assert not facts.rejected(run.body)
    run.world.is_shielded = False
    await ends_well(run)


async def preview_is_answered_wrong(run: Run, provider: str) -> None:
    """Neither preview nor switch for a version that answers wrong."""
    stable, reached = await _asks(run, "odd", provider, strategy=BLUE_GREEN)
    candidate = _candidate(run)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    says_why(run)
    assert previewed(run) == stable
    assert candidate not in reached.revisions


async def others_before_the_switch(run: Run, provider: str) -> None:
    """Its pods are replaced in preview, one after the other, and the new ones answer wrong."""
    lasts = {**BLUE_GREEN, "blueGreen": {"prePromotion": {"duration": "1m"}}}
    stable, _ = await _asks(run, "v2", provider, strategy=lasts)
    candidate = _candidate(run)
    assert await run.until(lambda: previewed(run) == candidate)
    run.world.truths["v2"] = MISANSWERS
    for _ in pods(run, candidate):
        assert await run.until(lambda: ready(run, candidate) == 2)
        run.world.evict(deployment(run, candidate)["metadata"]["uid"])
    assert facts.stage_kind(run.body) == "Preview"
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert (run.phase(), facts.stable(run.body)) == ("RolledBack", stable)
    says_why(run)


async def shadow_answers_wrong(run: Run) -> None:
    """No copy either: a mirror that counts begins with an answer."""
    run.people.create(shadowed(strategy=shadow("Promote"), server=SERVER))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    seen: list[dict[str, float]] = []
    run.cluster.listeners.append(lambda _: seen.append(copies(run)))
    run.people.deploy("odd")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    says_why(run)
    assert not any(seen)


async def returns_at_once(run: Run) -> None:
    """What served a short while ago comes back without an answer, whatever is asked by now."""
    stable = await serve(run, server=SERVER, steps=SHORT)
    run.people.deploy("v2")
    await ends_well(run)
    assert facts.stable(run.body) != stable
    run.people.edit_spec({"server": {**SERVER, "probe": {**PROBE, "path": WRONG_PATH}}})
    asked = len(run.world.inferred)
    run.people.deploy("v1")
    await ends_well(run)
    assert facts.stable(run.body) == stable
    assert len(run.world.inferred) == asked


_BY_PROVIDER = (
    answers_well,
    answers_wrong,
    sample_is_mended,
    cannot_be_reached,
    first_answers_wrong,
    first_is_not_reached,
    preview_is_answered_wrong,
    others_before_the_switch,
)
_TRUTHS = {"odd": MISANSWERS}
PLAYS = {
    f"{play.__name__}_{provider.lower()}": Scenario(
        name=f"{play.__name__}_{provider.lower()}",
        script=partial(play, provider=provider),
        truths=_TRUTHS,
        may_reject_good=True,
    )
    for play in _BY_PROVIDER
    for provider in PROVIDERS
} | {
    play.__name__: Scenario(name=play.__name__, script=play, truths=_TRUTHS, may_reject_good=True)
    for play in (shadow_answers_wrong, returns_at_once)
}
PLAYS |= {
    f"{name}_slowly": replace(PLAYS[name], name=f"{name}_slowly", make_nemesis=Thinks)
    for name in (f"answers_wrong_{provider.lower()}" for provider in PROVIDERS)
}
