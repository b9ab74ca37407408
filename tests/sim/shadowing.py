"""Plays of a shadow: copies for a candidate that answers nobody, and what comes after its verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.cluster_side import deployment, ends_well, make_ready, make_unready, serve
from tests.sim.fields import Object
from tests.sim.people import NAME, NAMESPACE, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER
from tests.sim.truth import Truth

from tidegate import ports

SLUGGISH = Truth(slow_ratio=0.6)
LATENCY = {"name": "latency", "preset": "latency-p95", "threshold": {"max": 0.25}}
SAFE = {
    "metadata": {"annotations": {"tidegate.dev/shadow-safe": "true"}},
    "spec": {"containers": [{"name": "server", "image": "mlserver:1"}]},
}
CANARY = {"steps": [{"name": "half", "weight": 50, "hold": "5s", "deadline": "75s"}]}
SHADOW = {"mirrorPercent": 20, "duration": "1m", "minRequests": 20_000}


def shadow(then: str, *, canary: Mapping[str, Any] = CANARY, **changes: Any) -> Object:
    """A strategy of this type."""
    steps = {"canary": dict(canary)} if then == "Canary" else {}
    return {"type": "Shadow", "shadow": {**SHADOW, "then": then, **changes}, **steps}


def asked(version: str = "v1", *, strategy: Object, **more: Any) -> Object:
    """A ModelDeployment with this strategy and a server that is safe to copy requests to."""
    body = manifest(version, replicas=more.pop("replicas", 4), **more)
    kept = {"scaleDownDelay": "3s", **more.get("strategy", {})}
    body["spec"]["strategy"] = {**kept, **strategy}
    body["spec"]["workload"]["template"] = SAFE
    return body


def route(run: Run) -> Object | None:
    return run.cluster.get(run.cluster.route_kind, NAMESPACE, NAME)


def copies(run: Run) -> dict[str, float]:
    """Percent of copies by revision, as written."""
    found = facts.mirrored_to(route(run))
    return {service.removeprefix(f"{NAME}-"): percent for service, percent in found.items()}


async def _serves(run: Run, strategy: Object, **more: Any) -> str:
    run.people.create(asked(strategy=strategy, **more))
    assert await run.until(lambda: run.phase() == "Healthy"), facts.status(run.body).get("message")
    return facts.stable(run.body)


async def _shadows(
    run: Run, version: str, then: str, *, more: Mapping[str, Any] = {}, **changes: Any
) -> tuple[str, str]:
    """A version at its copies; the revisions of stable and candidate."""
    stable = await _serves(run, shadow(then, **changes), **more)
    run.people.deploy(version)

    def there() -> bool:
        step = facts.rollout(run.body).get("step") or {}
        return run.phase() == "Shadowing" and bool(step.get("confirmedAt"))

    assert await run.until(there), facts.status(run.body).get("message")
    candidate = str(facts.rollout(run.body)["revision"])
    assert copies(run) == {candidate: changes.get("mirrorPercent", 20.0)}
    return stable, candidate


def never_answers(run: Run, revision: str) -> None:
    """From here on no route gives the revision a share of the users."""

    def look(change: Change) -> None:
        if change.kind is run.cluster.route_kind and change.new is not None:
            share = facts.shares(change.new, name=NAME).get(revision, 0.0)
            assert share == 0, f"a shadow answers {share:g} % of the users"

    run.cluster.listeners.append(look)


async def shadow_then(run: Run, then: str) -> None:
    """A good version is promoted with the pods that it had as a shadow, judged anew on the way."""
    began = run.loop.time()
    _, candidate = await _shadows(run, "v2", then)
    made = {pod.name for pods in run.world.pods.values() for pod in pods if pod.version == "v2"}
    assert len(made) == 1, made  # a fifth of four
    await ends_well(run)
    assert facts.stable(run.body) == candidate
    assert run.loop.time() - began > 60
    now = {pod.name for pods in run.world.pods.values() for pod in pods if pod.version == "v2"}
    assert made <= now, "the pods that had copies were not kept"
    ended = facts.status(run.body)["rollout"]
    plan = ended["plan"]
    assert [it["state"] for it in plan] == ["Passed"] * len(plan)
    judged = next(it for it in reversed(plan) if it["kind"] in {"Live", "Shadow"})
    assert ended["evidenceSince"] == judged["confirmedAt"], "what copies have shown counts on"


async def shadow_of_a_bad_one(run: Run, then: str) -> None:
    """Harm in the answers that nobody got: rejected, and no user has ever seen it."""
    stable = await _serves(run, shadow(then))
    run.people.deploy("bad")
    assert await run.until(lambda: bool(copies(run))), facts.status(run.body).get("message")
    candidate = next(iter(copies(run)))
    never_answers(run, candidate)
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    assert candidate in facts.rejected(run.body)
    assert facts.stable(run.body) == stable
    assert not copies(run)
    assert run.world.user_errors == 0


async def shadow_of_a_slow_one(run: Run) -> None:
    """Latency alone is enough."""
    analysis = {"metrics": [LATENCY]}
    await _serves(run, shadow("Canary"), analysis=analysis)
    run.people.deploy("sluggish")
    assert await run.until(lambda: run.phase() == "RolledBack"), facts.status(run.body)["message"]
    assert not copies(run)


async def shadow_waits_for_a_person(run: Run, act: str) -> None:
    """Hold: it is proven, and says what it waits for; nothing moves until somebody asks."""
    stable, candidate = await _shadows(run, "v2", "Hold")
    if act == "abort":
        never_answers(run, candidate)
    assert await run.until(lambda: run.phase() == "Paused"), facts.status(run.body).get("message")
    waits = facts.rollout(run.body)["waitingFor"]
    assert waits["reason"] == "ManualStep", waits
    assert "request promote" in waits["message"], waits
    await asyncio.sleep(30.0)
    assert run.phase() == "Paused"
    assert copies(run) == {candidate: 20.0}, "it is still judged"
    run.people.ask(act)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert facts.stable(run.body) == (stable if act == "abort" else candidate)
    assert not copies(run)


async def shadow_turns_bad_while_it_waits(run: Run) -> None:
    """What was proven is watched on: harm does not wait for anybody."""
    _, candidate = await _shadows(run, "v2", "Hold")
    assert await run.until(lambda: run.phase() == "Paused"), facts.status(run.body).get("message")
    run.world.truths["v2"] = BAD
    assert await run.until(lambda: run.phase() == "RolledBack", limit=120.0), run.phase()
    assert candidate in facts.rejected(run.body)


async def shadow_stops(run: Run) -> None:
    """Stop: neither promoted nor rejected, and not begun again until somebody asks for it."""
    stable, candidate = await _shadows(run, "v2", "Stop")
    never_answers(run, candidate)
    assert await run.until(lambda: facts.completed(run.body) == candidate), run.phase()
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    assert facts.stable(run.body) == stable
    assert not facts.rejected(run.body)
    assert not facts.marker(route(run)), "it is marked as rolled back"
    assert facts.condition(run.body, "Promoted")["reason"] == "Completed"
    assert "v2 is not promoted" in facts.status(run.body)["message"]
    await asyncio.sleep(60.0)
    assert deployment(run, candidate)["spec"]["replicas"] == 0
    assert not facts.rollout(run.body), "it began again unasked"
    run.people.ask("retry")
    assert await run.until(lambda: bool(copies(run)), limit=60.0)
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    assert facts.status(run.body)["lastRollout"]["result"] == "Completed"


async def shadow_stops_then_canary(run: Run) -> None:
    """What a stopped shadow has tried is rolled out once the strategy promotes."""
    _, candidate = await _shadows(run, "v2", "Stop")
    assert await run.until(lambda: facts.completed(run.body) == candidate), run.phase()
    run.people.edit_spec({"strategy": {"canary": CANARY, "scaleDownDelay": "3s"}})
    assert await run.until(lambda: facts.stable(run.body) == candidate), run.phase()


async def shadow_aborted(run: Run) -> None:
    _, candidate = await _shadows(run, "v2", "Canary")
    never_answers(run, candidate)
    run.people.ask("abort")
    assert await run.until(lambda: not copies(run), limit=5.0), "an abort waits for nothing"
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


async def shadow_promoted_fully(run: Run, then: str) -> None:
    """A person skips what is left; a strategy that would stop promotes for once."""
    _, candidate = await _shadows(run, "v2", then)
    run.people.ask("promote-full")
    await ends_well(run)
    assert facts.stable(run.body) == candidate
    assert facts.status(run.body)["lastRollout"]["result"] == "FastPromoted"


async def shadow_replaced(run: Run, version: str) -> None:
    """The spec moves on, or back: its copies end first, and nobody blames it."""
    await _shadows(run, "v2", "Promote")
    run.people.deploy(version)
    assert await run.until(lambda: not copies(run), limit=5.0)
    await ends_well(run)
    assert facts.status(run.body)["stable"]["modelVersion"] == version


async def shadow_deleted(run: Run) -> None:
    """Nothing is left behind, and no copies are made on the way."""
    await _shadows(run, "v2", "Canary")
    run.people.delete(ports.MODEL_DEPLOYMENT, NAME)
    assert await run.until(lambda: run.body is None, limit=60.0)
    assert not copies(run)


async def shadow_edited(run: Run) -> None:
    """The strategy waits for the next rollout; how it is judged starts the hold again."""
    _, candidate = await _shadows(run, "v2", "Canary")
    run.people.edit_part("strategy", shadow={**SHADOW, "mirrorPercent": 50, "then": "Canary"})
    run.people.edit_part("analysis", minRequests=30_000, metrics=[LATENCY])
    await asyncio.sleep(10.0)
    assert copies(run) == {candidate: 20.0}
    assert await run.until(lambda: facts.stable(run.body) == candidate), run.phase()


async def shadow_paused(run: Run) -> None:
    """A pause keeps the copies and goes no further."""
    _, candidate = await _shadows(run, "v2", "Canary")
    run.people.ask("pause")
    await asyncio.sleep(100.0)
    assert run.phase() == "Paused"
    assert copies(run) == {candidate: 20.0}
    run.people.ask("resume")
    await ends_well(run)


async def shadow_evicted(run: Run) -> None:
    """Its only pod goes: no copies until it is back, nobody is blamed, and nobody noticed."""
    _, candidate = await _shadows(run, "v2", "Canary")
    await asyncio.sleep(20.0)
    run.world.evict(deployment(run, candidate)["metadata"]["uid"])
    assert await run.until(lambda: not copies(run), limit=10.0)
    await ends_well(run)


async def shadow_while_stable_is_empty(run: Run) -> None:
    """Stable loses its pods for a while: not even then does a shadow answer."""
    stable, candidate = await _shadows(run, "v2", "Hold")
    never_answers(run, candidate)
    make_unready(run, stable)
    await asyncio.sleep(20.0)
    make_ready(run, stable)
    await asyncio.sleep(5.0)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def shadow_meddled_with(run: Run) -> None:
    """Somebody takes the mirror away, or makes it larger: it is as it was within seconds."""
    _, candidate = await _shadows(run, "v2", "Hold", duration="5m")
    body = route(run)
    assert body is not None
    without = [
        {key: value for key, value in rule.items() if key != "filters"}
        for rule in body["spec"]["rules"]
    ]
    for rules in (without, _with_percent(body, 100)):
        edit = [{"op": "replace", "path": "/spec/rules", "value": rules}]
        run.people.patch(ports.HTTP_ROUTE, NAME, edit)
        run.people.delete(ports.HTTP_ROUTE, NAME)  # so that the fields are ours again
        assert await run.until(lambda: copies(run) == {candidate: 20.0}, limit=30.0), copies(run)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


def _with_percent(body: Object, percent: int) -> list[Object]:
    return [
        {
            **rule,
            "filters": [
                {**it, "requestMirror": {**it["requestMirror"], "percent": percent}}
                for it in rule["filters"]
            ],
        }
        for rule in body["spec"]["rules"]
    ]


async def shadow_by_fractions(run: Run) -> None:
    """Half a percent is written exactly, and read back as such, once slow pods are there."""
    unasked = {"server": {"preset": "MLServer", "readyPath": "Off"}}  # readiness is all there is
    await _shadows(run, "slowly", "Promote", more=unasked, mirrorPercent=0.5, minRequests=1000)
    found = route(run)
    assert found is not None
    mirror = found["spec"]["rules"][0]["filters"][0]["requestMirror"]
    assert mirror["fraction"] == {"numerator": 5, "denominator": 1000}
    await ends_well(run)


async def warmed_up(run: Run) -> None:
    """A canary whose pods have had copies first: time ends that, and then it is judged."""
    strategy = {"canary": {**CANARY, "warmup": {"mirrorPercent": 50, "duration": "20s"}}}
    stable = await _serves(run, strategy)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Shadowing"), run.phase()
    assert list(copies(run).values()) == [50.0]
    assert await run.until(lambda: run.phase() == "Progressing"), run.phase()
    assert not copies(run)
    await ends_well(run)
    assert facts.stable(run.body) != stable
    assert facts.status(run.body)["lastRollout"]["result"] == "Promoted"


async def warmed_up_badly(run: Run) -> None:
    """A warm-up proves nothing: what is bad is found at its first weight."""
    strategy = {"canary": {**CANARY, "warmup": {"mirrorPercent": 50, "duration": "20s"}}}
    await _serves(run, strategy)
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


async def no_mirror_by_pods(run: Run) -> None:
    """A plane that cannot copy is refused with the field, before anything is made."""
    run.people.create(asked(strategy=shadow("Hold"), provider="ReplicaRatio"))
    assert await run.until(lambda: run.phase() == "Invalid"), run.phase()
    told = facts.condition(run.body, "Stalled")
    assert told["reason"] == "UnsupportedByProvider", told
    assert "spec.strategy.shadow.mirrorPercent" in told["message"], told
    assert not list(run.cluster.all(ports.DEPLOYMENT))
    run.people.edit_spec({"strategy": {"canary": CANARY, "scaleDownDelay": "3s"}})
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


async def no_mirror_by_class(run: Run) -> None:
    """A Gateway whose class lists no mirror is refused before the candidate exists; it heals."""
    _put_gateway(run, features=["HTTPRoute", "Gateway"])
    run.people.create(asked(strategy=shadow("Promote")))
    assert await run.until(lambda: run.phase() == "Invalid"), run.phase()
    told = facts.condition(run.body, "Stalled")
    assert told["reason"] == "UnsupportedByProvider", told
    assert "HTTPRouteRequestPercentageMirror" in told["message"], told
    assert not list(run.cluster.all(ports.DEPLOYMENT))
    _put_gateway(run, features=["HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"])
    assert await run.until(lambda: run.phase() == "Healthy", limit=150.0), run.phase()
    run.people.deploy("v2")
    await ends_well(run)


def _put_gateway(run: Run, *, features: list[str]) -> None:
    """The Gateway that the route names, and its class."""

    def body(kind: ports.Kind, name: str, namespace: str) -> Object:
        version = str(run.cluster.version + 1)
        metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": version}
        where = {"namespace": namespace} if namespace else {}
        return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata | where}

    gateway = body(ports.GATEWAY, "inference", "gateways")
    class_ = body(ports.GATEWAY_CLASS, "eg", "")
    listed = [{"name": name} for name in features]
    run.cluster.restore(ports.GATEWAY, gateway | {"spec": {"gatewayClassName": "eg"}})
    run.cluster.restore(ports.GATEWAY_CLASS, class_ | {"status": {"supportedFeatures": listed}})


async def unsafe_shadow(run: Run) -> None:
    """Nobody has said that answering twice does no harm."""
    stable = await serve(run, replicas=4)
    run.people.edit_spec({"strategy": {**shadow("Hold"), "scaleDownDelay": "3s"}})
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Invalid"), run.phase()
    told = facts.condition(run.body, "Stalled")
    assert told["reason"] == "UnsafeShadow", told
    assert "tidegate.dev/shadow-safe" in told["message"], told
    assert {facts.revision_label(it) for it in run.cluster.all(ports.DEPLOYMENT)} == {stable}
    run.people.deploy("v1")
    run.people.edit_spec({"strategy": {"canary": CANARY, "scaleDownDelay": "3s"}})
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


def _of(play: Any, *arguments: str, **options: Any) -> Scenario:
    return Scenario(
        name="_".join([play.__name__, *(one.lower() for one in arguments)]),
        script=partial(_played, play, arguments),
        truths={"bad": BAD, "sluggish": SLUGGISH, "slowly": Truth(startup_seconds=25.0)},
        **options,
    )


async def _played(play: Any, arguments: tuple[str, ...], run: Run) -> None:
    await play(run, *arguments)


PLAYS = {
    scenario.name: scenario
    for scenario in (
        *(_of(shadow_then, then) for then in ("Canary", "Promote")),
        *(_of(shadow_of_a_bad_one, then) for then in ("Hold", "Canary", "Promote", "Stop")),
        _of(shadow_of_a_slow_one),
        _of(shadow_waits_for_a_person, "promote"),
        _of(shadow_waits_for_a_person, "abort", may_reject_good=True),
        _of(shadow_turns_bad_while_it_waits),
        _of(shadow_stops),
        _of(shadow_stops_then_canary),
        _of(shadow_aborted, may_reject_good=True),
        *(_of(shadow_promoted_fully, then) for then in ("Hold", "Stop")),
        *(_of(shadow_replaced, version) for version in ("v3", "v1")),
        _of(shadow_deleted),
        _of(shadow_edited),
        _of(shadow_paused),
        _of(shadow_evicted),
        _of(shadow_while_stable_is_empty, may_reject_good=True),
        _of(shadow_meddled_with, may_reject_good=True),
        _of(shadow_by_fractions),
        _of(warmed_up),
        _of(warmed_up_badly),
        _of(no_mirror_by_pods),
        _of(no_mirror_by_class),
        _of(unsafe_shadow),
    )
}
