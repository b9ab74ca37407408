"""Plays of entry Service and route: edits of the spec, and of everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.sim import facts
from tests.sim.fields import Object
from tests.sim.people import NAME, NAMESPACE, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, serve_first, walk_to

from tidegate import ports

SOON_SECONDS = 5.0


def _entry_port(run: Run) -> Object:
    service = run.cluster.get(ports.SERVICE, NAMESPACE, NAME)
    found: Object = (service or {"spec": {"ports": [{}]}})["spec"]["ports"][0]
    return found


def _route(run: Run) -> Object:
    route = run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
    found: Object = (route or {"spec": {}})["spec"]
    return found


def _ready(run: Run) -> Object:
    return facts.condition(run.body, "Ready")


def _edit_gateway(run: Run, **changes: Any) -> None:
    assert run.body is not None
    gateway = {**run.body["spec"]["traffic"]["gatewayAPI"], **changes}
    run.people.edit_part("traffic", gatewayAPI=gateway)


async def _follows(run: Run, done: Callable[[], bool]) -> None:
    """Within seconds, and Ready of this generation is not True before."""
    generation = (run.body or {})["metadata"]["generation"]

    early: list[Object] = []

    def judge(_: Any) -> None:
        ready = _ready(run)
        told = ready["status"] == "True" and ready["observedGeneration"] == generation
        if told and not done():
            early.append(ready)

    run.cluster.listeners.append(judge)
    reached = await run.until(done, limit=SOON_SECONDS)
    run.cluster.listeners.remove(judge)
    assert reached, facts.status(run.body).get("message")
    assert not early, early


EDITED = {"name": "other", "namespace": "gateways"}
MATCHES = [{"path": {"type": "PathPrefix", "value": "/v2"}}]


async def _edit_everything(run: Run) -> None:
    """Every field of service and traffic that can be edited, one after the other."""
    run.people.edit_spec({"service": {"port": 8000, "appProtocol": "kubernetes.io/h2c"}})
    await _follows(run, lambda: _entry_port(run).get("port") == 8000)
    assert _entry_port(run)["appProtocol"] == "kubernetes.io/h2c"
    run.people.edit_spec({"service": {"port": 8000}})
    await _follows(run, lambda: "appProtocol" not in _entry_port(run))
    if not _route(run):
        return
    _edit_gateway(run, hostnames=["new.example.com"])
    await _follows(run, lambda: _route(run).get("hostnames") == ["new.example.com"])
    _edit_gateway(run, hostnames=[])
    await _follows(run, lambda: not _route(run).get("hostnames"))
    _edit_gateway(run, matches=MATCHES)
    await _follows(run, lambda: _route(run)["rules"][0]["matches"] == MATCHES)
    _edit_gateway(run, timeouts={"request": "120s", "backendRequest": "90s"})
    await _follows(run, lambda: "timeouts" in _route(run)["rules"][0])
    _edit_gateway(run, parentRefs=[EDITED])
    await _follows(run, lambda: _route(run)["parentRefs"][0]["name"] == "other")


async def edited_at_rest(run: Run) -> None:
    await serve_first(run)
    await _edit_everything(run)
    assert await run.until(lambda: _ready(run)["status"] == "True", limit=10.0), _ready(run)
    deployments = list(run.cluster.all(ports.DEPLOYMENT))
    assert len(deployments) == 1, "an edit of traffic is no rollout"


async def edited_at_rest_by_pods(run: Run) -> None:
    await serve_first(run, provider="ReplicaRatio")
    await _edit_everything(run)
    assert await run.until(lambda: _ready(run)["status"] == "True", limit=10.0), _ready(run)


async def _edited_in_a_step(run: Run, **spec: Any) -> None:
    """The weight stays, and the rollout goes on to its end."""
    run.people.create(manifest("v1", steps=((20, 60), (50, 5)), **spec))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("v2")
    await walk_to(run, 0)
    weight = facts.intent(run.body)
    await _edit_everything(run)
    assert facts.intent(run.body) == weight
    candidate = facts.rollout(run.body)["revision"]
    if _route(run):
        route = run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
        assert facts.shares(route, name=NAME)[candidate] == weight
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert _entry_port(run)["port"] == 8000
    assert "timeouts" in _route(run)["rules"][0] if _route(run) else True


async def edited_in_a_step(run: Run) -> None:
    await _edited_in_a_step(run)


async def edited_in_a_step_by_pods(run: Run) -> None:
    await _edited_in_a_step(run, provider="ReplicaRatio", replicas=4)


async def first_edited(run: Run) -> None:
    """The first revision waits for a Gateway that never answers; a person names another one."""
    run.world.gateway_accepts = False
    run.people.create(manifest("v1"))
    assert await run.until(lambda: bool(_route(run)))
    await asyncio.sleep(5.0)
    _edit_gateway(run, parentRefs=[EDITED])
    await _follows(run, lambda: _route(run)["parentRefs"][0]["name"] == "other")
    run.world.gateway_accepts = True
    assert await run.until(lambda: run.phase() in OVER), run.phase()


# --- other writers -------------------------------------------------------------------------------


def _set_port(run: Run, port: int) -> None:
    where = "/spec/ports/0/port"
    run.people.patch(ports.SERVICE, NAME, [{"op": "replace", "path": where, "value": port}])


async def taken_back_once(run: Run) -> None:
    """Somebody changes a port by hand, once, and long after it again."""
    await serve_first(run, provider="ReplicaRatio")
    for _ in range(2):
        _set_port(run, 9999)
        assert await run.until(lambda: _entry_port(run)["port"] == 80, limit=5.0)
        assert await run.until(lambda: _ready(run)["status"] == "True", limit=5.0), _ready(run)
        await asyncio.sleep(1200.0)


async def left_when_fought(run: Run) -> None:
    """A program that sets its own port again and again; it wins, and status says so."""
    await serve_first(run)
    written = 0

    def again(change: Any) -> None:
        nonlocal written
        mine = change.kind is ports.SERVICE and change.body["metadata"]["name"] == NAME
        if mine and change.actor != "people" and change.new["spec"]["ports"][0]["port"] == 80:
            written += 1
            run.loop.call_later(2.0, _set_port, run, 9999)

    run.cluster.listeners.append(again)
    _set_port(run, 9999)
    await asyncio.sleep(3600.0)
    assert written == 1, written
    assert _ready(run)["reason"] == "TrafficDrift", _ready(run)
    assert "spec.ports[0].port" in facts.status(run.body)["message"]
    run.cluster.listeners.remove(again)
    run.people.edit_spec({"service": {"port": 8000}})
    assert await run.until(lambda: _entry_port(run)["port"] == 8000, limit=5.0)
    assert await run.until(lambda: _ready(run)["status"] == "True", limit=5.0), _ready(run)


async def fought_at_once(run: Run) -> None:
    """Another program undoes an edit of the spec in the very moment in which it is written."""
    await serve_first(run, provider="ReplicaRatio")
    written = 0

    def again(change: Any) -> None:
        nonlocal written
        mine = change.kind is ports.SERVICE and change.body["metadata"]["name"] == NAME
        if mine and change.actor != "people" and change.new["spec"]["ports"][0]["port"] != 9999:
            written += 1
            run.loop.call_soon(_set_port, run, 9999)

    run.cluster.listeners.append(again)
    run.people.edit_spec({"service": {"port": 8000}})
    await asyncio.sleep(3600.0)
    assert 1 <= written < 5, written
    assert _ready(run)["reason"] == "TrafficDrift", _ready(run)
    run.cluster.listeners.remove(again)
    run.people.edit_spec({"service": {"port": 8001}})
    await _follows(run, lambda: _entry_port(run)["port"] == 8001)


async def timeout_by_hand(run: Run) -> None:
    """Somebody owns the rules of the route: nothing is forced, and the model has no part in it."""
    await serve_first(run)
    rules = [{**rule, "timeouts": {"request": "120s"}} for rule in _route(run)["rules"]]
    set_rules = [{"op": "replace", "path": "/spec/rules", "value": rules}]
    run.people.patch(ports.HTTP_ROUTE, NAME, set_rules)
    assert await run.until(lambda: _ready(run)["reason"] == "TrafficDrift", limit=5.0), _ready(run)
    await asyncio.sleep(900.0)
    assert facts.condition(run.body, "Stalled")["reason"] == "FieldConflict"
    assert _route(run)["rules"] == rules, "it was taken back by force"
    _edit_gateway(run, timeouts={"request": "120s"})
    assert await run.until(lambda: _ready(run)["status"] == "True", limit=5.0), _ready(run)
    run.people.delete(ports.HTTP_ROUTE, NAME)  # only a new one has no other owner
    assert await run.until(lambda: bool(_route(run)), limit=5.0)
    assert _route(run)["rules"][0]["timeouts"] == {"request": "120s"}
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def annotated_by_others(run: Run) -> None:
    """Labels and annotations of other tools are none of our business."""
    await serve_first(run)
    for kind in (ports.HTTP_ROUTE, ports.SERVICE):
        there = run.cluster.get(kind, NAMESPACE, NAME)
        assert there is not None
        labels = {**there["metadata"]["labels"], "team": "ml"}
        notes = {**(there["metadata"].get("annotations") or {}), "example.com/owner": "ml"}
        metadata = [("labels", labels), ("annotations", notes)]
        run.people.patch(
            kind, NAME, [{"op": "add", "path": f"/metadata/{k}", "value": v} for k, v in metadata]
        )
    await asyncio.sleep(60.0)
    assert _ready(run)["status"] == "True"
    _edit_gateway(run, hostnames=["new.example.com"])
    await _follows(run, lambda: _route(run).get("hostnames") == ["new.example.com"])
    for kind in (ports.HTTP_ROUTE, ports.SERVICE):
        there = run.cluster.get(kind, NAMESPACE, NAME)
        assert there is not None
        assert there["metadata"]["labels"]["team"] == "ml"
        assert there["metadata"]["annotations"]["example.com/owner"] == "ml"


async def timeout_by_hand_in_a_step(run: Run) -> None:
    """The same while a candidate has its weight: that stays, and goes on when the owner is gone."""
    run.people.create(manifest("v1", steps=((20, 30), (50, 5))))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("v2")
    await walk_to(run, 0)
    rules = [{**rule, "timeouts": {"request": "120s"}} for rule in _route(run)["rules"]]
    set_rules = [{"op": "replace", "path": "/spec/rules", "value": rules}]
    run.people.patch(ports.HTTP_ROUTE, NAME, set_rules)
    blocked = await run.until(lambda: _stalled(run) == "FieldConflict", limit=5.0)
    assert blocked, facts.status(run.body).get("message")
    assert facts.condition(run.body, "TrafficProgrammed")["reason"] == "TrafficDrift"
    await asyncio.sleep(10.0)
    assert _route(run)["rules"] == rules
    run.people.delete(ports.HTTP_ROUTE, NAME)
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def refused_in_a_step(run: Run) -> None:
    """Somebody takes the weights of a held step, and we may not write them: one wait, told once."""
    run.people.create(manifest("v1", steps=((20, 30), (50, 5))))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("v2")
    await walk_to(run, 0)
    rules = [
        {**rule, "backendRefs": [{**it, "weight": 50} for it in rule["backendRefs"]]}
        for rule in _route(run)["rules"]
    ]
    set_rules = [{"op": "replace", "path": "/spec/rules", "value": rules}]
    run.people.patch(ports.HTTP_ROUTE, NAME, set_rules)

    def waits() -> str:
        return str((facts.rollout(run.body).get("waitingFor") or {}).get("reason", ""))

    assert await run.until(lambda: waits() == "RouteNotReady", limit=5.0)
    since = facts.rollout(run.body)["waitingFor"]["since"]
    await asyncio.sleep(20.0)
    assert facts.rollout(run.body)["waitingFor"]["since"] == since
    run.people.delete(ports.HTTP_ROUTE, NAME)
    assert await run.until(lambda: not waits(), limit=10.0), waits()
    # Half of the requests came at a share that nobody asked for: only a person can decide on them.
    assert await run.until(lambda: run.phase() in {*OVER, "Paused"}), run.phase()
    run.people.ask("promote")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


def _stalled(run: Run) -> str:
    return str(facts.condition(run.body, "Stalled").get("reason", ""))


# --- what Gateways report ------------------------------------------------------------------------


def _left_behind(run: Run, *, generation: int) -> Object:
    """An entry for our parent by a controller that owned the Gateway once."""
    condition = {"status": "False", "reason": "Gone", "observedGeneration": generation}
    return {
        "parentRef": _route(run)["parentRefs"][0],
        "controllerName": "example.com/before",
        "conditions": [{"type": kind, **condition} for kind in ("Accepted", "ResolvedRefs")],
    }


async def left_behind_by_a_controller(run: Run) -> None:
    """A rollout and a rollback in spite of it."""
    await serve_first(run)
    run.world.leftover_answers = [_left_behind(run, generation=1)]
    run.world.report_routes()
    await asyncio.sleep(2.0)
    assert facts.condition(run.body, "TrafficProgrammed")["status"] == "True"
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy", limit=120.0), run.phase()
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() == "RolledBack", limit=120.0), run.phase()


async def one_gateway_at_a_time(run: Run) -> None:
    """Of two Gateways only one stands in the status: the step begins when both do, and not before."""
    await serve_first(run)
    _edit_gateway(run, parentRefs=[{"name": "inference", "namespace": "gateways"}, EDITED])
    await _follows(run, lambda: len(_route(run)["parentRefs"]) == 2)
    run.world.silent_gateways = {"other"}
    run.people.deploy("v2")
    assert await run.until(lambda: facts.intent(run.body) > 0)
    for silent in ("other", "inference", "other"):
        run.world.silent_gateways = {silent}
        run.world.report_routes()
        await asyncio.sleep(25.0)  # words may wait for as long as this
        assert not facts.rollout(run.body)["step"].get("confirmedAt")
        told = facts.condition(run.body, "TrafficProgrammed")
        assert f"no answer from Gateway {silent}" in told["message"], told
    run.world.silent_gateways = set()
    run.world.report_routes()
    assert await run.until(lambda: run.phase() in OVER), run.phase()


PLAYS = {
    play.__name__: Scenario(name=play.__name__, script=play, truths={"bad": BAD})
    for play in (
        edited_at_rest,
        edited_at_rest_by_pods,
        edited_in_a_step,
        edited_in_a_step_by_pods,
        first_edited,
        taken_back_once,
        left_when_fought,
        fought_at_once,
        timeout_by_hand,
        timeout_by_hand_in_a_step,
        refused_in_a_step,
        annotated_by_others,
        left_behind_by_a_controller,
        one_gateway_at_a_time,
    )
}
