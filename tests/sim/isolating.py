"""Plays of a shadow whose pods may not send: a NetworkPolicy beside copies, and none beside users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.cluster_side import ends_well, waits_for
from tests.sim.fields import Object
from tests.sim.people import NAME
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER
from tests.sim.shadowing import asked, copies, shadow
from tests.sim.updates import RefusedError

from tidegate import ports
from tidegate.adapters import kube_http as http

ALLOWED = {"to": [{"podSelector": {"matchLabels": {"app": "features"}}}]}
EGRESS: Object = {"allow": [ALLOWED]}


def policies(run: Run) -> dict[str, Object]:
    """Those that are there, by revision."""
    found = run.cluster.all(ports.NETWORK_POLICY)
    return {it["metadata"]["labels"]["tidegate.dev/revision"]: it for it in found}


def _isolates(run: Run) -> None:
    """From here on no copies without a policy, and no user is sent to pods that have one."""

    def look(change: Change) -> None:
        if change.kind is not run.cluster.route_kind or change.new is None:
            return
        kept = policies(run).keys()
        for service in facts.mirrored_to(change.new):
            assert service.removeprefix(f"{NAME}-") in kept, "copies reach pods that may send"
        for revision, share in facts.shares(change.new, name=NAME).items():
            assert share == 0 or revision not in kept, "users reach pods that may not send"

    run.cluster.listeners.append(look)


async def _serves(run: Run, then: str) -> str:
    body = asked(strategy=shadow(then, egress=EGRESS))
    run.people.create(body)
    assert await run.until(lambda: run.phase() == "Healthy"), facts.status(run.body).get("message")
    assert not policies(run), "what serves may send"
    return facts.stable(run.body)


async def _shadows(run: Run, then: str) -> tuple[str, str]:
    stable = await _serves(run, then)
    _isolates(run)
    run.people.deploy("v2")
    assert await run.until(lambda: bool(copies(run))), facts.status(run.body).get("message")
    return stable, str(facts.rollout(run.body)["revision"])


async def isolated_then(run: Run, then: str) -> None:
    """Its copies end well; the policy goes, and then users come."""
    _, candidate = await _shadows(run, then)
    spec = policies(run)[candidate]["spec"]
    assert spec["podSelector"]["matchLabels"]["tidegate.dev/revision"] == candidate
    assert spec["egress"][1:] == [ALLOWED]
    await ends_well(run)
    assert facts.stable(run.body) == candidate
    assert await run.until(lambda: not policies(run), limit=20.0)


async def isolated_then_gated(run: Run) -> None:
    """Copies go on while a person is waited for, and their policy stays as long."""
    step: Object = {"name": "half", "weight": 50, "hold": "5s", "deadline": "75s"}
    step |= {"approval": {"name": "risk-board"}}
    run.people.create(asked(strategy=shadow("Canary", egress=EGRESS, canary={"steps": [step]})))
    assert await run.until(lambda: run.phase() == "Healthy"), facts.status(run.body).get("message")
    _isolates(run)
    run.people.deploy("v2")
    assert await run.until(lambda: waits_for(run) == "Approval"), run.phase()
    candidate = str(facts.rollout(run.body)["revision"])
    for _ in range(12):
        await asyncio.sleep(5.0)
        assert copies(run), "it is still judged"
        assert set(policies(run)) == {candidate}, "copies reach pods that may send"
    run.people.ask("promote")
    await ends_well(run)
    assert facts.stable(run.body) == candidate
    assert await run.until(lambda: not policies(run), limit=20.0)


async def isolated_and_aborted(run: Run) -> None:
    """The way back does not wait for it, and the policy does not outlive the copies for long."""
    stable, _ = await _shadows(run, "Hold")
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert facts.stable(run.body) == stable
    assert await run.until(lambda: not policies(run), limit=20.0), policies(run)
    assert await run.until(lambda: "shadowsIsolated" not in facts.status(run.body), limit=20.0)


async def isolated_and_replaced(run: Run) -> None:
    """The next version has a policy of its own, and that of the one before goes."""
    _, first = await _shadows(run, "Promote")
    run.people.deploy("v3")
    await ends_well(run)
    assert facts.stable(run.body) != first
    assert await run.until(lambda: not policies(run), limit=20.0), policies(run)


async def isolation_is_refused(run: Run) -> None:
    """Without the right to make one no request is copied; it says so, and goes on by itself."""
    run.cluster.refuse = _no_policies
    await _serves(run, "Promote")
    _isolates(run)
    run.people.deploy("v2")

    def says() -> bool:
        waits = facts.rollout(run.body).get("waitingFor") or {}
        return waits_for(run) == "Isolation" and "rbac.shadowEgress" in str(waits.get("message"))

    assert await run.until(says, limit=60.0), facts.rollout(run.body)
    await asyncio.sleep(180.0)
    assert says()
    assert not copies(run)
    assert not facts.rejected(run.body)
    run.cluster.refuse = lambda _: None
    await ends_well(run)
    assert await run.until(lambda: not policies(run), limit=20.0)


async def isolation_stays(run: Run) -> None:
    """Its deletion is refused: no user is sent to pods that may not send, and abort works."""
    stable, candidate = await _shadows(run, "Canary")
    run.cluster.refuse = _no_deletion
    assert await run.until(lambda: waits_for(run) == "Isolation", limit=180.0), run.phase()
    await asyncio.sleep(30.0)
    assert set(policies(run)) == {candidate}
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert facts.stable(run.body) == stable
    run.cluster.refuse = lambda _: None
    assert await run.until(lambda: not policies(run), limit=30.0), policies(run)


def _no_policies(request: http.Request) -> RefusedError | None:
    return _refused(request, "POST")


def _no_deletion(request: http.Request) -> RefusedError | None:
    return _refused(request, "DELETE")


def _refused(request: http.Request, method: str) -> RefusedError | None:
    it_is = "/networkpolicies" in request.path and request.method == method
    return RefusedError(403, "Forbidden", "networkpolicies is forbidden") if it_is else None


WITHOUT_PROMOTION = (isolated_and_aborted, isolation_stays)
_ALL: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "isolated_then_canary": partial(isolated_then, then="Canary"),
    "isolated_then_promoted": partial(isolated_then, then="Promote"),
    "isolated_then_gated": isolated_then_gated,
    "isolated_and_aborted": isolated_and_aborted,
    "isolated_and_replaced": isolated_and_replaced,
    "isolation_is_refused": isolation_is_refused,
    "isolation_stays": isolation_stays,
}
PLAYS = {
    name: Scenario(name=name, script=play, may_reject_good=play in WITHOUT_PROMOTION)
    for name, play in _ALL.items()
}
