"""Plays of what the cluster does to pods and writes (../cases/operator.md): nobody is blamed for it.

Each stands for a kind of fault and is played with both data planes where both can have it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.fields import Object
from tests.sim.people import NAME, NAMESPACE, manifest
from tests.sim.pod import Pod
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, walk_to
from tests.sim.truth import Truth

from tidegate import ports
from tidegate.model import objects

PROVIDERS = ("GatewayAPI", "ReplicaRatio")
LONG = "10m"


async def serve(run: Run, **spec: Any) -> str:
    """A first version that serves; its revision."""
    run.people.create(manifest("v1", **spec))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    return facts.stable(run.body)


async def serve_and_walk(run: Run, version: str = "v2", **spec: Any) -> tuple[str, str]:
    """A second version at its first weight; the revisions of stable and candidate."""
    stable = await serve(run, **spec)
    run.people.deploy(version)
    await walk_to(run, 0)
    return stable, str(facts.rollout(run.body)["revision"])


def deployment(run: Run, revision: str) -> Object:
    found = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{revision}")
    assert found is not None, revision
    return found


def pods(run: Run, revision: str) -> list[Pod]:
    return run.world.pods[deployment(run, revision)["metadata"]["uid"]]


def ready(run: Run, revision: str) -> int:
    return sum(pod.ready for pod in pods(run, revision))


def make_unready(run: Run, revision: str, *, keep: int = 0) -> list[Pod]:
    """Pods that run and are not ready, but for so many of them."""
    uid = deployment(run, revision)["metadata"]["uid"]
    chosen = pods(run, revision)[keep:]
    for pod in chosen:
        run.world.set_ready(uid, pod, ready=False)
    return chosen


def make_ready(run: Run, revision: str) -> None:
    uid = deployment(run, revision)["metadata"]["uid"]
    for pod in pods(run, revision):
        run.world.set_ready(uid, pod, ready=True)


def shares(run: Run) -> dict[str, float]:
    return facts.shares(run.cluster.get(run.cluster.route_kind, NAMESPACE, NAME), name=NAME)


def waits_for(run: Run) -> str:
    return str((facts.rollout(run.body).get("waitingFor") or {}).get("reason", ""))


def nobody_is_rejected(run: Run) -> None:
    assert not facts.rejected(run.body), facts.status(run.body).get("rejectedRevisions")


async def ends(run: Run, phase: str, *, limit: float = 600.0) -> None:
    """The rollout that goes on is over within so many virtual seconds, in this phase."""
    assert await run.until(lambda: run.phase() in OVER, limit=limit), facts.status(run.body)
    assert run.phase() == phase, facts.status(run.body).get("message")


async def ends_well(run: Run) -> None:
    """The rollout that goes on is promoted in the end."""
    await ends(run, "Healthy")
    nobody_is_rejected(run)


# --- pods that the cluster takes (R4) ------------------------------------------------------------


async def evicted(run: Run, provider: str) -> None:
    """The candidate's only pod is evicted and replaced some seconds later."""
    _, candidate = await serve_and_walk(
        run, provider=provider, replicas=4, steps=((10, 60), (50, 10)), progressDeadline=LONG
    )
    await asyncio.sleep(20.0)
    run.world.evict(deployment(run, candidate)["metadata"]["uid"])
    assert await run.until(lambda: waits_for(run) == "Withdrawn", limit=10.0)
    await ends_well(run)


async def evicted_for_long(run: Run, provider: str) -> None:
    """Its node goes, and for longer than the deadline there is room for no other pod."""
    _, candidate = await serve_and_walk(run, provider=provider, replicas=2, steps=((50, 5),))
    uid = deployment(run, candidate)["metadata"]["uid"]
    run.world.capacity = run.world.running - len(run.world.pods[uid])
    run.world.evict(uid)
    assert await run.until(lambda: run.phase() == "Paused", limit=120.0), run.phase()
    nobody_is_rejected(run)
    run.world.capacity = 10_000
    run.world.look_after(uid)
    await ends_well(run)


async def nobody_is_ready(run: Run, provider: str) -> None:
    """All pods of both versions are unready for a while: a trouble that they share."""
    stable, candidate = await serve_and_walk(
        run, provider=provider, replicas=2, steps=((50, 20),), progressDeadline=LONG
    )
    for one in (stable, candidate):
        make_unready(run, one)
    await asyncio.sleep(5.0)
    nobody_is_rejected(run)
    for one in (candidate, stable):
        make_ready(run, one)
        await asyncio.sleep(1.0)
    await ends_well(run)


async def nobody_starts(run: Run, provider: str) -> None:
    """Stable has no ready pod either for longer than the deadline; then both come up."""
    stable = await serve(run, provider=provider, replicas=2, steps=((50, 5),))
    make_unready(run, stable)
    run.people.deploy("slower")
    await asyncio.sleep(80.0)
    nobody_is_rejected(run)
    assert run.phase() == "Paused", run.phase()
    run.world.truths["slower"] = Truth()
    make_ready(run, stable)
    await ends_well(run)


async def replaced_slowly(run: Run) -> None:
    """The pod that replaces an evicted one takes longer to start than the deadline lasts."""
    _, candidate = await serve_and_walk(run, replicas=2, steps=((50, 5),))
    run.world.truths["v2"] = Truth(startup_seconds=100.0)
    run.world.evict(deployment(run, candidate)["metadata"]["uid"])
    assert await run.until(lambda: run.phase() == "Paused", limit=90.0), run.phase()
    nobody_is_rejected(run)
    run.world.truths["v2"] = Truth()
    await ends_well(run)


async def one_is_always_replaced(run: Run, provider: str) -> None:
    """Nodes are consolidated: of six pods one is always missing, all through the promotion."""
    await serve(run, provider=provider, replicas=6, steps=((50, 5),))
    run.people.deploy("v2")
    while run.phase() not in OVER or facts.rollout(run.body):
        await asyncio.sleep(2.0)
        revision = facts.rollout(run.body).get("revision")
        if revision and facts.stage_kind(run.body) == "Switch":
            run.world.evict(deployment(run, revision)["metadata"]["uid"], youngest=True)
        assert run.loop.time() < 900, facts.status(run.body).get("message")
    await ends_well(run)


async def hangs(run: Run) -> None:
    """Its pods run and are ready no more, by themselves: after the deadline it is rejected."""
    _, candidate = await serve_and_walk(run, "hangs", replicas=2, steps=((50, 60),))
    run.world.truths["hangs"] = Truth(starts=False)
    make_unready(run, candidate)
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    assert candidate in facts.rejected(run.body)


async def crashes_later(run: Run, provider: str) -> None:
    """Its containers crash while those of stable do not: rejected at once."""
    _, candidate = await serve_and_walk(
        run, "crashes", provider=provider, replicas=2, steps=((50, 60),), progressDeadline=LONG
    )
    run.world.truths["crashes"] = Truth(starts=False, crashes=True)
    make_unready(run, candidate)
    assert await run.until(lambda: run.phase() == "RolledBack", limit=10.0), run.phase()


# --- capacity (A16) and the surge (R6) -----------------------------------------------------------


async def no_room(run: Run, provider: str) -> None:
    """No node has room for the candidate for longer than the deadline."""
    await serve(run, provider=provider, replicas=2, steps=((50, 5),))
    run.world.capacity = 2
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Paused", limit=120.0), run.phase()
    assert waits_for(run) == "Capacity"
    run.world.capacity = 10_000
    for body in run.cluster.all(ports.DEPLOYMENT):
        run.world.look_after(body["metadata"]["uid"])
    await ends_well(run)


async def one_spare_pod(run: Run) -> None:
    """Ten pods, room for eleven, and half of the traffic for the candidate."""
    scaling = {"maxSurgePercent": 10}
    first = manifest("v1", replicas=10, steps=((50, 5),), progressDeadline="3m")
    first["spec"]["strategy"]["scaling"] = scaling
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.world.capacity = 11
    most = 0

    def count(_: Any) -> None:
        nonlocal most
        if facts.rollout(run.body):
            most = max(most, sum(d["spec"]["replicas"] for d in run.cluster.all(ports.DEPLOYMENT)))

    run.cluster.listeners.append(count)
    run.people.deploy("v2")
    await ends_well(run)
    run.cluster.listeners.remove(count)
    assert most <= 11, most


# --- stable without pods (R5) --------------------------------------------------------------------


async def stable_is_empty(run: Run, provider: str, act: str) -> None:
    """Stable has no ready pod, the candidate serves: no act moves traffic to nobody."""
    stable, candidate = await serve_and_walk(
        run, provider=provider, replicas=4, steps=((50, 60),), progressDeadline=LONG
    )
    await asyncio.sleep(5.0)
    make_unready(run, stable)
    await asyncio.sleep(3.0)
    if act == "abort":
        run.people.ask("abort")
    else:
        run.people.deploy("v3" if act == "newer" else "v1")
    for _ in range(20):
        await asyncio.sleep(1.0)
        selected = facts.selected(run.cluster.get(ports.SERVICE, NAMESPACE, NAME))
        alone = shares(run).get(candidate) == 0 or selected == stable
        assert provider != "ReplicaRatio" or selected != stable
        assert provider != "GatewayAPI" or shares(run).get(candidate, 0.0) >= 50.0, alone
    make_ready(run, stable)
    assert await run.until(lambda: run.phase() in OVER), facts.status(run.body).get("message")


async def harm_while_stable_is_empty(run: Run) -> None:
    """The candidate does harm, and stable has no pod: some answers beat none."""
    stable, candidate = await serve_and_walk(run, replicas=2, steps=((50, 60),))
    make_unready(run, stable)
    await asyncio.sleep(5.0)
    run.world.truths["v2"] = BAD
    assert await run.until(lambda: candidate in facts.rejected(run.body)), run.phase()
    await asyncio.sleep(10.0)
    assert shares(run)[candidate] == 100.0, "it answered for stable before it did harm"
    make_ready(run, stable)
    assert await run.until(lambda: not shares(run).get(candidate), limit=5.0)
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


# --- writes that are refused (R7, R8) ------------------------------------------------------------


async def somebodys_timeout(run: Run) -> None:
    """Somebody sets a timeout on the managed route; in the end it is taken away again."""
    await serve(run, steps=((20, 5), (50, 5)))
    rules = run.cluster.get(run.cluster.route_kind, NAMESPACE, NAME)
    assert rules is not None
    given = [{**rule, "timeouts": {"request": "120s"}} for rule in rules["spec"]["rules"]]
    edit = [{"op": "replace", "path": "/spec/rules", "value": given}]
    run.people.patch(run.cluster.route_kind, NAME, edit)
    run.people.deploy("v2")

    def told() -> bool:
        return run.phase() == "Paused" and "FieldConflict" in facts.status(run.body)["message"]

    assert await run.until(told, limit=180.0), facts.status(run.body).get("message")
    assert facts.condition(run.body, "Stalled")["reason"] == "FieldConflict"
    nobody_is_rejected(run)
    route = run.cluster.get(run.cluster.route_kind, NAMESPACE, NAME)
    assert route is not None
    assert "timeouts" in route["spec"]["rules"][0]
    run.people.delete(run.cluster.route_kind, NAME)
    await ends_well(run)


# --- the way back (R21, R22, R23) ----------------------------------------------------------------


async def the_gateway_is_slow(run: Run, act: str) -> None:
    """A data plane that follows later than the pods' delay: they stay until it has."""
    _, candidate = await serve_and_walk(run, replicas=2, steps=((50, 60),), progressDeadline=LONG)
    run.world.gateway_seconds = 20.0
    run.people.deploy("v3" if act == "newer" else "v1")
    await asyncio.sleep(19.0)
    assert deployment(run, candidate)["spec"]["replicas"] > 0
    run.world.gateway_seconds = 0.3
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert await run.until(lambda: deployment(run, candidate)["spec"]["replicas"] == 0, limit=60)


async def stable_keeps_its_share(run: Run, stable: str, *, seconds: float) -> None:
    """Until another revision is stable: it has the pods of four for the weight in force."""
    for _ in range(round(2 * seconds)):
        await asyncio.sleep(0.5)
        if facts.stable(run.body) != stable:
            break
        in_force = run.world.planes[(NAMESPACE, NAME)].weights.get(f"{NAME}-{stable}", 0)
        asked = deployment(run, stable)["spec"]["replicas"]
        assert 25 * asked >= in_force, f"{asked} pods for {in_force} %"


async def shrinks_late(run: Run) -> None:
    """Stable shrinks with the weight, and the data plane follows only after a while."""
    first = manifest("v1", replicas=4, steps=((50, 30),), progressDeadline=LONG)
    first["spec"]["strategy"]["scaling"] = {"maxSurgePercent": 25}
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    stable = facts.stable(run.body)
    run.world.gateway_seconds = 20.0
    run.people.deploy("v2")
    await stable_keeps_its_share(run, stable, seconds=200.0)
    run.world.gateway_seconds = 0.3
    await ends_well(run)


async def back_under_a_small_surge(run: Run, provider: str, act: str) -> None:
    """Stable was shrunk for the candidate: it has pods before it has their traffic."""
    first = manifest("v1", provider=provider, replicas=4, steps=((50, 60),), progressDeadline=LONG)
    first["spec"]["strategy"]["scaling"] = {"maxSurgePercent": 0 if act == "abort" else 25}
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    stable = facts.stable(run.body)
    run.people.deploy("v2")
    await walk_to(run, 0)
    await asyncio.sleep(10.0)
    if act == "abort":
        run.people.ask("abort")
    else:
        run.people.deploy("v3" if act == "newer" else "v1")
    while facts.rollout(run.body).get("modelVersion") == "v2":
        await asyncio.sleep(0.25)
        lent = 1 if act == "abort" else 0  # without any surge one pod may be missing
        carried = max(25 * (ready(run, stable) + lent), 50)
        assert shares(run).get(stable, 0.0) <= carried + 0.1 or provider == "ReplicaRatio"
        assert run.loop.time() < 600, facts.status(run.body).get("message")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


# --- what stays (R3), sizes (R9), returning (R13), labels (A24) ----------------------------------


async def the_successor_falls_over(run: Run, provider: str) -> None:
    """The new version has all traffic, and only then most of its pods fall over."""
    first = manifest("v1", provider=provider, replicas=4, steps=((50, 5),))
    first["spec"]["strategy"]["scaleDownDelay"] = "30s"
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    old = facts.stable(run.body)
    run.people.deploy("v2")
    assert await run.until(lambda: facts.stable(run.body) != old)
    new = facts.stable(run.body)
    await asyncio.sleep(15.0)
    make_unready(run, new, keep=1)
    kept = deployment(run, old)["spec"]["replicas"]
    await asyncio.sleep(60.0)
    assert deployment(run, old)["spec"]["replicas"] == kept
    assert facts.condition(run.body, "Ready")["reason"] == "CapacityMissing"
    make_ready(run, new)
    assert await run.until(lambda: facts.condition(run.body, "Ready")["status"] == "True")
    await asyncio.sleep(25.0)
    assert deployment(run, old)["spec"]["replicas"] == kept
    assert await run.until(lambda: deployment(run, old)["spec"]["replicas"] == 0, limit=60.0)


async def parked(run: Run, provider: str) -> None:
    """A new version for no pods at all becomes stable without steps, and is woken up later."""
    await serve(run, provider=provider)
    run.people.edit_part("workload", replicas=0)
    await asyncio.sleep(10.0)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy", limit=30.0), run.phase()
    run.people.edit_part("workload", replicas=2)
    assert await run.until(lambda: facts.condition(run.body, "Ready")["status"] == "True")
    nobody_is_rejected(run)


async def parked_half_way(run: Run, provider: str) -> None:
    """A canary is parked for an hour and woken up: no verdict, and the step is taken again."""
    _, candidate = await serve_and_walk(run, provider=provider, replicas=2, steps=((50, 20),))
    run.people.edit_part("workload", replicas=0)
    await asyncio.sleep(3600.0)
    nobody_is_rejected(run)
    assert facts.stable(run.body) != candidate, "half proven is not proven"
    run.people.edit_part("workload", replicas=2)
    await ends_well(run)


async def returns_at_once(run: Run, provider: str) -> None:
    """The version before is asked for right after the promotion; its pods are still warm."""
    first = manifest("v1", provider=provider, replicas=4, steps=((50, 30),))
    first["spec"]["strategy"]["scaleDownDelay"] = "60s"
    run.people.create(first)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    old = facts.stable(run.body)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    warm = deployment(run, old)["spec"]["replicas"]
    run.people.deploy("v1")
    while facts.stable(run.body) != old:
        await asyncio.sleep(0.25)
        assert deployment(run, old)["spec"]["replicas"] >= warm
        assert run.loop.time() < 300, facts.status(run.body).get("message")
    assert run.phase() == "Healthy"


async def label_removed(run: Run, whose: str) -> None:
    """Somebody removes the label by which a Deployment is watched: it comes back."""
    stable, candidate = await serve_and_walk(run, replicas=2, steps=((50, 30),))
    name = f"{NAME}-{candidate if whose == 'candidate' else stable}"
    path = "/metadata/labels/" + objects.LABEL_WATCH.replace("/", "~1")
    run.people.patch(ports.DEPLOYMENT, name, [{"op": "remove", "path": path}])

    def is_back() -> bool:
        body = run.cluster.get(ports.DEPLOYMENT, NAMESPACE, name)
        return objects.label(body or {}, objects.LABEL_WATCH) == "true"

    # At once, and not only when its role changes.
    assert await run.until(is_back, limit=10.0)
    await ends_well(run)


def _of(play: Any, *arguments: str, **options: Any) -> Scenario:
    return Scenario(
        name="_".join([play.__name__, *(one.lower() for one in arguments)]),
        script=partial(_played, play, arguments),
        truths={"bad": BAD, "slower": Truth(startup_seconds=100.0)},
        **options,
    )


async def _played(play: Any, arguments: tuple[str, ...], run: Run) -> None:
    await play(run, *arguments)


CLUSTER_SIDE = {
    scenario.name: scenario
    for scenario in (
        *(
            _of(play, provider)
            for play in (
                evicted,
                evicted_for_long,
                nobody_is_ready,
                nobody_starts,
                one_is_always_replaced,
                crashes_later,
                no_room,
                the_successor_falls_over,
                parked,
                parked_half_way,
                returns_at_once,
            )
            for provider in PROVIDERS
        ),
        *(
            _of(play, provider, act, may_reject_good=act == "abort")
            for play in (stable_is_empty, back_under_a_small_surge)
            for provider in PROVIDERS
            for act in ("abort", "newer", "back")
        ),
        *(_of(the_gateway_is_slow, act) for act in ("newer", "back")),
        *(_of(label_removed, whose) for whose in ("candidate", "stable")),
        _of(hangs),
        _of(shrinks_late),
        _of(harm_while_stable_is_empty),
        _of(replaced_slowly),
        _of(one_spare_pod),
        _of(somebodys_timeout),
    )
}
