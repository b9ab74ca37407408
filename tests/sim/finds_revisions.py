"""Plays about what belongs to a revision: its ports, its objects, its spec, and a status that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.fields import Object
from tests.sim.people import MD, NAME, NAMESPACE, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, walk_to
from tests.sim.truth import Truth

from tidegate import ports

Script = Callable[[Run], Coroutine[Any, Any, None]]
PLANES = ("GatewayAPI", "ReplicaRatio")
LONG = ((25, 60), (50, 60))


def template(port: int) -> Object:
    """A server that listens on this port, under a name of its own."""
    ports_ = [{"name": "http", "containerPort": port}]
    return {"spec": {"containers": [{"name": "server", "image": "mlserver:1", "ports": ports_}]}}


def server(port: int) -> Object:
    return {"preset": "MLServer", "port": port}


async def serve(run: Run, plane: str, *, port: int = 8080) -> None:
    """v1 serves, with steps that leave time for things to happen."""
    first = manifest("v1", provider=plane, replicas=4, steps=LONG, server=server(port))
    first["spec"]["workload"]["template"] = template(port)
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


async def at_first_step(run: Run, plane: str, *, version: str = "v2") -> None:
    await serve(run, plane)
    run.people.deploy(version)
    await walk_to(run, 0)


def deploy_on(run: Run, version: str, port: int) -> None:
    """Another version that listens elsewhere."""
    workload = {"replicas": 4, "template": template(port)}
    run.people.edit_spec(
        {"model": {"version": version}, "server": server(port), "workload": workload}
    )


def candidates_share(run: Run) -> float:
    """What anybody but stable gets by the data plane, in percent; with pods: that it is selected."""
    stable = facts.stable(run.body)
    if run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME) is None:
        entry = run.cluster.get(ports.SERVICE, NAMESPACE, NAME)
        return 0.0 if facts.selected(entry) == stable else 100.0
    route = run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
    return 100.0 - facts.shares(route, name=NAME).get(stable, 0.0)


async def stable_has_everything(run: Run, *, within: float) -> None:
    given_back = await run.until(lambda: candidates_share(run) == 0, limit=within)
    assert given_back, f"{candidates_share(run):g} % are not given back: {facts.status(run.body)}"


# --- ports ---------------------------------------------------------------------------------------


async def other_port_promoted(run: Run, plane: str) -> None:
    await serve(run, plane)
    deploy_on(run, "v2", 9000)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "Healthy", facts.status(run.body)["message"]


async def other_port_rolled_back(run: Run, plane: str) -> None:
    await serve(run, plane)
    deploy_on(run, "bad", 9000)
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


async def other_preset_aborted(run: Run, plane: str) -> None:
    """A preset whose server listens elsewhere, taken back by a person."""
    await serve(run, plane)
    workload = {"replicas": 4, "template": template(8000)}
    run.people.edit_spec(
        {"model": {"version": "v2"}, "server": {"preset": "VLLM"}, "workload": workload}
    )
    await walk_to(run, 0)
    run.people.ask("abort")
    await stable_has_everything(run, within=5.0)


async def port_edited_alone(run: Run, plane: str) -> None:
    """The port in spec, and nothing that makes a revision: what runs goes on to listen where it does."""
    await serve(run, plane)
    run.people.edit_spec({"service": {"port": 80, "targetPort": 8080}, "server": {"port": 8081}})
    await asyncio.sleep(30.0)
    run.people.delete(ports.SERVICE, NAME)
    await asyncio.sleep(10.0)
    run.people.edit_spec({"service": {"port": 80}, "server": server(8080)})


async def preset_there_and_back(run: Run, plane: str) -> None:
    """A preset that cannot be compared with what serves, for a while: the rollout goes on after it."""
    await serve(run, plane)
    run.people.edit_part("analysis", metrics=[{"name": "errors", "preset": "error-ratio"}])
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.people.edit_spec({"server": {**server(8080), "preset": "Triton"}})
    assert await run.until(lambda: run.phase() == "Invalid", limit=10.0), run.phase()
    await asyncio.sleep(10.0)
    run.people.edit_spec({"server": server(8080)})
    assert await run.until(lambda: run.phase() == "Healthy"), facts.status(run.body).get("message")


async def preset_corrected(run: Run, plane: str) -> None:
    """Whoever named a wrong preset need not start new pods to mend it."""
    first = manifest("v1", provider=plane, replicas=4, steps=LONG, server=server(8080))
    first["spec"]["server"]["preset"] = "HTTP"
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.edit_spec({"server": server(8080)})
    await asyncio.sleep(5.0)
    frozen = run.cluster.get(
        ports.CONTROLLER_REVISION, NAMESPACE, f"{NAME}-{facts.stable(run.body)}"
    )
    assert frozen is not None
    assert frozen["data"]["server"]["preset"] == "MLServer"
    assert frozen["data"]["template"]["spec"]["containers"]
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


async def other_server(run: Run, plane: str, version: str, outcome: str) -> None:
    """What serves is read by other names than its successor, which is held to limits alone."""
    first = manifest("v1", provider=plane, replicas=4, server={"preset": "HTTP"})
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.edit_spec({"model": {"version": version}, "server": {"preset": "MLServer"}})
    assert await run.until(lambda: run.phase() in OVER, limit=200.0), facts.status(run.body)
    assert run.phase() == outcome, facts.status(run.body)["message"]


async def other_server_without_limits(run: Run, plane: str) -> None:
    """Nothing could be judged: it is said before any traffic moves, and a limit mends it."""
    compared = [{"name": "errors", "preset": "error-ratio"}]
    first = manifest("v1", provider=plane, replicas=4, analysis={"metrics": compared})
    first["spec"]["server"] = {"preset": "HTTP"}
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.edit_spec({"model": {"version": "v2"}, "server": {"preset": "MLServer"}})
    assert await run.until(lambda: run.phase() == "Invalid", limit=10.0), run.phase()
    assert "give it a threshold" in facts.status(run.body)["message"]
    await asyncio.sleep(20.0)
    assert candidates_share(run) == 0
    limited = [{**compared[0], "threshold": {"max": 0.05}}]
    run.people.edit_part("analysis", metrics=limited)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


# --- edits that cannot be carried out -------------------------------------------------------------

UNSUPPORTED = {
    "GatewayAPI": {"maxUnavailablePercent": 10},
    "ReplicaRatio": {"matchTraffic": False},
}


async def mended(run: Run, good: Object) -> None:
    """Somebody brings the spec back; what was decided stands."""
    run.people.edit_spec(good)
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def unsupported_edit_then_breach(run: Run, plane: str) -> None:
    await at_first_step(run, plane)
    assert run.body is not None
    good = run.body["spec"]["strategy"]
    run.people.edit_spec({"strategy": {**good, "scaling": UNSUPPORTED[plane]}})
    await asyncio.sleep(5.0)
    run.world.truths["v2"] = BAD
    await stable_has_everything(run, within=60.0)
    await mended(run, {"strategy": good})


UNREADABLE: tuple[tuple[str, Any], ...] = (
    ("analysis", {"metrics": "none"}),
    ("strategy", {"canary": {"steps": []}}),
    ("workload", {"replicas": "many"}),
    ("traffic", {"provider": "Carrier pigeon"}),
    ("server", {"preset": "TorchServe"}),
    ("model", {}),
    ("progressDeadline", "soon"),
)


async def unreadable_edit_then_abort(run: Run, plane: str, part: str, value: object) -> None:
    await at_first_step(run, plane)
    assert run.body is not None
    good = run.body["spec"].get(part)
    run.people.edit_spec({part: value})
    await asyncio.sleep(5.0)
    assert run.phase() == "Invalid", run.phase()
    run.people.ask("abort")
    await stable_has_everything(run, within=5.0)
    await mended(run, {part: good})


async def unreadable_edit_then_breach(run: Run, plane: str) -> None:
    await at_first_step(run, plane)
    assert run.body is not None
    good = run.body["spec"]["analysis"]
    run.people.edit_spec({"analysis": "none"})
    await asyncio.sleep(5.0)
    run.world.truths["v2"] = BAD
    await stable_has_everything(run, within=60.0)
    await mended(run, {"analysis": good})


async def unreadable_edit_then_deletion(run: Run, plane: str) -> None:
    await at_first_step(run, plane)
    run.people.edit_spec({"traffic": "none"})
    await asyncio.sleep(5.0)
    run.people.delete(MD, NAME)
    assert await run.until(lambda: run.body is None, limit=10.0), "deletion hangs"


async def unknown_fields(run: Run, plane: str) -> None:
    """A field of a newer release: it is named, and nothing waits for it."""
    await at_first_step(run, plane)
    run.people.edit_spec({"futureField": {"a": 1}})
    told = await run.until(lambda: facts.condition(run.body, "UnknownFields") != {}, limit=10.0)
    assert told
    assert "spec.futureField" in facts.condition(run.body, "UnknownFields")["message"]
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


# --- objects that are lost or changed --------------------------------------------------------------


async def stable_lost(run: Run, plane: str, kind: ports.Kind) -> None:
    """Deployment or Service of stable is deleted in the middle of a step of what listens elsewhere."""
    await serve(run, plane)
    deploy_on(run, "v2", 9000)
    await walk_to(run, 0)
    stable = facts.stable(run.body)
    name = f"{NAME}-{stable}"
    before = run.cluster.get(kind, NAMESPACE, name)
    run.people.delete(kind, name)
    back = await run.until(
        lambda: run.cluster.get(kind, NAMESPACE, name) not in (None, before), limit=5.0
    )
    assert back, f"{kind.kind} of stable does not come back"
    after = run.cluster.get(kind, NAMESPACE, name)
    assert before is not None
    assert after is not None
    assert _made(after) == _made(before)
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def single_stable_lost(run: Run, plane: str) -> None:
    """The only pod that serves loses its Deployment while its successor starts."""
    run.people.create(manifest("v1", provider=plane, replicas=1, steps=((100, 5),)))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    stable = facts.stable(run.body)
    run.world.truths["slowly"] = Truth(startup_seconds=25.0)
    run.people.deploy("slowly")
    assert await run.until(lambda: facts.rollout(run.body) != {})
    await asyncio.sleep(2.0)
    run.people.delete(ports.DEPLOYMENT, f"{NAME}-{stable}")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def stable_lost_unselected(run: Run, plane: str) -> None:
    """Stable loses its Deployment while the candidate has everything and is not proven yet."""
    run.people.create(manifest("v1", provider=plane, replicas=1, steps=((100, 40),)))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    name = f"{NAME}-{facts.stable(run.body)}"
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.people.delete(ports.DEPLOYMENT, name)
    back = await run.until(lambda: _pods(run, name) == 1, limit=5.0)
    assert back, "there is no way back"
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


def _pods(run: Run, name: str) -> int:
    found = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, name)
    return found["spec"]["replicas"] if found is not None else 0


def _made(body: Object) -> Any:
    """What must be as it was before."""
    return body["spec"].get("template") or body["spec"]["ports"]


async def changed_in_place(run: Run, plane: str) -> None:
    """Somebody sets another image on the Deployment that serves: told, and not fought."""
    await serve(run, plane)
    name = f"{NAME}-{facts.stable(run.body)}"
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "other:2"}
    run.people.patch(ports.DEPLOYMENT, name, [image])
    assert await run.until(lambda: bool(facts.condition(run.body, "RevisionModified")), limit=5.0)
    back = {**image, "value": "mlserver:1"}
    run.people.patch(ports.DEPLOYMENT, name, [back])
    assert await run.until(lambda: not facts.condition(run.body, "RevisionModified"), limit=5.0)


# --- a status that is lost -------------------------------------------------------------------------

EMPTIED = {"op": "add", "path": "/status", "value": {}}


async def emptied_at_rest(run: Run, plane: str) -> None:
    """After a rejection: what serves goes on to serve, what was rejected stays so."""
    await serve(run, plane)
    stable = facts.stable(run.body)
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    rejected = facts.rejected(run.body)
    await asyncio.sleep(20.0)
    run.people.patch_status(EMPTIED)
    assert await run.until(lambda: run.phase() == "RolledBack", limit=10.0), run.phase()
    assert facts.stable(run.body) == stable
    assert facts.rejected(run.body) == rejected


async def emptied_in_a_step(run: Run, plane: str) -> None:
    """The rollout begins anew: the candidate has the weight of the first step, and is judged by it."""
    await at_first_step(run, plane)
    await walk_to(run, 1)
    stable, candidate = facts.stable(run.body), facts.rollout(run.body)["revision"]
    run.people.patch_status(EMPTIED)
    assert await run.until(lambda: facts.rollout(run.body).get("attempt") == 2, limit=10.0)
    assert facts.stable(run.body) == stable
    await walk_to(run, 0)
    assert facts.intent(run.body) == 25.0
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    assert facts.stable(run.body) == candidate


async def unreadable_in_a_step(run: Run, plane: str, part: str) -> None:
    """A word of a newer release where it decides: the rollout begins anew."""
    await at_first_step(run, plane)
    await walk_to(run, 1)
    stable, candidate = facts.stable(run.body), facts.rollout(run.body)["revision"]
    run.people.patch_status({"op": "replace", "path": f"/status/rollout/{part}", "value": "Baked"})
    assert await run.until(lambda: facts.rollout(run.body).get("attempt") == 2, limit=10.0)
    assert facts.stable(run.body) == stable
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    assert facts.stable(run.body) == candidate
    assert facts.condition(run.body, "StatusPartlyRead") == {}


async def unreadable_beside_a_step(run: Run, plane: str) -> None:
    """The same where it only tells: the rollout goes on as if nothing had been."""
    await at_first_step(run, plane)
    run.people.patch_status({"op": "replace", "path": "/status/phase", "value": "Frozen"})
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "Healthy"
    assert facts.status(run.body)["lastRollout"]["attempt"] == 1
    assert facts.condition(run.body, "StatusPartlyRead") == {}


async def emptied_without_stable(run: Run, plane: str) -> None:
    """Status and the Deployment of stable are lost at once: only the candidate has pods."""
    await at_first_step(run, plane)
    stable = facts.stable(run.body)
    run.people.delete(ports.DEPLOYMENT, f"{NAME}-{stable}")
    run.people.patch_status(EMPTIED)
    assert await run.until(lambda: facts.stable(run.body) != "", limit=10.0)
    assert facts.stable(run.body) == stable
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


OWNED = (
    ports.DEPLOYMENT,
    ports.SERVICE,
    ports.HTTP_ROUTE,
    ports.CONTROLLER_REVISION,
    ports.ROLLOUT_RECORD,
)


def give_to(run: Run, uid: str) -> None:
    """What docs/how-to/restore.md tells people to do."""
    path = "/metadata/ownerReferences/0/uid"
    for kind in OWNED:
        for body in list(run.cluster.all(kind)):
            patch = [{"op": "replace", "path": path, "value": uid}]
            run.people.patch(kind, body["metadata"]["name"], patch)


async def restored(run: Run, plane: str) -> None:
    """A backup without status: the object has another uid, and what it owned is given to it."""
    await serve(run, plane)
    stable = facts.stable(run.body)
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    await asyncio.sleep(20.0)
    assert run.body is not None
    rejected, spec = facts.rejected(run.body), run.body["spec"]
    deployed = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{stable}")
    run.world.controller_seconds = 30.0  # so that the garbage collector comes too late
    run.people.delete(MD, NAME)
    assert await run.until(lambda: run.body is None)
    run.people.create({**manifest("bad"), "spec": spec})
    await asyncio.sleep(3.0)
    assert run.body is not None
    assert facts.condition(run.body, "Stalled").get("reason") == "NameConflict"
    give_to(run, run.body["metadata"]["uid"])
    run.world.controller_seconds = 0.05
    assert await run.until(lambda: run.phase() == "RolledBack"), facts.status(run.body)
    assert facts.stable(run.body) == stable
    assert facts.rejected(run.body) == rejected
    kept = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{stable}")
    assert kept is not None
    assert deployed is not None
    assert kept["metadata"]["uid"] == deployed["metadata"]["uid"]


def _plays() -> dict[str, Scenario]:
    scripts = (
        other_port_promoted,
        other_port_rolled_back,
        other_preset_aborted,
        port_edited_alone,
        preset_there_and_back,
        preset_corrected,
        other_server_without_limits,
        single_stable_lost,
        stable_lost_unselected,
        unsupported_edit_then_breach,
        unreadable_edit_then_breach,
        unreadable_edit_then_deletion,
        unknown_fields,
        changed_in_place,
        emptied_at_rest,
        emptied_in_a_step,
        emptied_without_stable,
        unreadable_beside_a_step,
        restored,
    )
    found: dict[str, Script] = {}
    for plane in PLANES:
        for version, outcome in (("v2", "Healthy"), ("bad", "RolledBack")):
            found[f"other_server {outcome} {plane}"] = partial(
                other_server, plane=plane, version=version, outcome=outcome
            )
        for script in scripts:
            found[f"{script.__name__} {plane}"] = partial(script, plane=plane)
        for part in ("plan/0/kind", "plan/0/state"):
            found[f"unreadable_in_a_step {part} {plane}"] = partial(
                unreadable_in_a_step, plane=plane, part=part
            )
        for kind in (ports.DEPLOYMENT, ports.SERVICE):
            found[f"stable_lost {kind.kind} {plane}"] = partial(stable_lost, plane=plane, kind=kind)
        for part, value in UNREADABLE:
            name = f"unreadable_edit_then_abort {part} {plane}"
            found[name] = partial(unreadable_edit_then_abort, plane=plane, part=part, value=value)
    return {
        name: Scenario(name=name, script=script, truths={"bad": BAD}, may_reject_good=True)
        for name, script in found.items()
    }


PLAYS = _plays()
