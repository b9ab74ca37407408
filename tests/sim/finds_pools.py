"""Plays of pools without room: stable lends its pods, or they are swapped in place."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.sim import facts
from tests.sim.cluster_side import LONG, PROVIDERS, deployment, ends_well, ready, serve
from tests.sim.fields import Object
from tests.sim.finds_bake import SPOILT, share_of
from tests.sim.people import NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, OVER, STUCK, walk_to

from tidegate import ports

POLICIES = ("Borrow", "Recreate")


async def _serve_in_a_full_pool(
    run: Run, provider: str, policy: str, *, replicas: int, strategy: Object | None = None
) -> str:
    stable = await serve(
        run,
        provider=provider,
        replicas=replicas,
        steps=((25, 5), (50, 10)),
        strategy={"scaling": {"surgePolicy": policy}, **(strategy or {})},
        progressDeadline=LONG,
    )
    run.world.capacity = replicas
    return stable


async def _has_all_its_pods(run: Run, revision: str, *, replicas: int) -> None:
    def whole() -> bool:
        return ready(run, revision) == replicas

    assert await run.until(whole, limit=120.0), deployment(run, revision)["spec"]["replicas"]


async def promoted_in_a_full_pool(run: Run, provider: str, policy: str) -> None:
    """Four pods, and room for four: v2 comes into service, and nothing ever waits for a fifth."""
    stable = await _serve_in_a_full_pool(run, provider, policy, replicas=4)
    run.people.deploy("v2")
    await walk_to(run, 1)
    await asyncio.sleep(2.0)
    candidate = str(facts.rollout(run.body)["revision"])
    assert (ready(run, stable), ready(run, candidate)) == (2, 2)
    await ends_well(run)
    await _has_all_its_pods(run, candidate, replicas=4)


async def promoted_with_two_pods(run: Run, provider: str, policy: str) -> None:
    """One for each side; the new stable has its second when the old one has drained."""
    await _serve_in_a_full_pool(run, provider, policy, replicas=2)
    run.people.deploy("v2")
    await ends_well(run)
    await _has_all_its_pods(run, facts.stable(run.body), replicas=2)


async def newer_waits_for_the_room_of_the_older(run: Run, policy: str) -> None:
    """The pods of v2 drain for longer than the deadline of v3, which has no room before."""
    await serve(
        run,
        replicas=2,
        steps=((50, 10),),
        strategy={"scaling": {"surgePolicy": policy}, "scaleDownDelay": "100s"},
        progressDeadline="1m",
    )
    run.world.capacity = 2
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.people.deploy("v3")
    assert await run.until(lambda: run.phase() == "Paused"), run.phase()
    assert facts.rollout(run.body)["waitingFor"]["reason"] == "Capacity"
    await ends_well(run)


async def told_what_will_not_fit(run: Run) -> None:
    """A quota without room for one pod more is said at once, holds up nothing, and goes when it fits."""
    _put_quota(run, left=0)
    await serve(run, replicas=4, steps=((25, 5), (50, 10)))
    run.people.deploy("v2")
    assert await run.until(lambda: "RoomMissing" in _told(run), limit=10.0), run.phase()
    assert facts.intent(run.body) == 0, "it is said before anything moves"
    assert (
        "ResourceQuota team has 0 of pods left, and 4 more pods need 4" in _told(run)["RoomMissing"]
    )
    await walk_to(run, 1)
    assert "RoomMissing" in _told(run)
    _put_quota(run, left=9)
    assert await run.until(lambda: "RoomMissing" not in _told(run), limit=120.0)
    await ends_well(run)


def _told(run: Run) -> dict[str, str]:
    return {it["type"]: it["message"] for it in facts.status(run.body).get("conditions") or []}


def _put_quota(run: Run, *, left: int) -> None:
    metadata = {"name": "team", "namespace": NAMESPACE, "uid": "uid-team"}
    metadata["resourceVersion"] = str(run.cluster.version + 1)
    status = {"hard": {"pods": str(left)}, "used": {"pods": "0"}}
    run.cluster.restore(ports.RESOURCE_QUOTA, {"metadata": metadata, "spec": {}, "status": status})


async def back_in_a_full_pool(run: Run, provider: str, policy: str, act: str) -> None:
    """The same way back: its pods go, then those of stable come."""
    stable = await _serve_in_a_full_pool(run, provider, policy, replicas=4)
    run.people.deploy("bad" if act == "bad" else "v2")
    if act != "bad":
        await walk_to(run, 1)
        if act == "abort":
            run.people.ask("abort")
        else:
            run.people.deploy("v3" if act == "newer" else "v1")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    if act == "newer":
        stable = facts.stable(run.body)
    await _has_all_its_pods(run, stable, replicas=4)


async def the_share_keeps_its_pods(run: Run, provider: str) -> None:
    """Borrow: stable has the pods for what it answers, but for the one that is lent, at each moment."""
    stable = await _serve_in_a_full_pool(run, provider, "Borrow", replicas=4)
    run.people.deploy("v2")
    while run.phase() != "Healthy" or facts.stable(run.body) == stable:
        await asyncio.sleep(0.25)
        assert run.loop.time() < 900, facts.status(run.body).get("message")
        share = share_of(run, stable)
        asked = deployment(run, stable)["spec"]["replicas"]
        if facts.stable(run.body) == stable and provider == "GatewayAPI":
            assert 25 * (asked + 1) >= share, f"{asked} pods for {share} %"
        assert asked >= 1 or share == 0 or facts.stable(run.body) != stable


async def the_only_pod(run: Run, provider: str) -> None:
    """One pod, room for one: it is swapped, watched, and swapped back on a breach."""
    strategy = {"postPromotion": {"bake": "60s"}}
    stable = await _serve_in_a_full_pool(run, provider, "Recreate", replicas=1, strategy=strategy)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Baking"), facts.status(run.body).get("message")
    run.world.truths["v2"] = SPOILT
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    assert facts.stable(run.body) == stable
    await _has_all_its_pods(run, stable, replicas=1)


async def the_only_pod_is_promoted(run: Run, provider: str) -> None:
    await _serve_in_a_full_pool(run, provider, "Recreate", replicas=1)
    run.people.deploy("v2")
    await ends_well(run)
    await _has_all_its_pods(run, facts.stable(run.body), replicas=1)


async def _serve_by_the_only_pod(run: Run, provider: str) -> str:
    """The revision that serves, by one pod that is swapped in place within a minute or comes back."""
    return await serve(
        run,
        provider=provider,
        replicas=1,
        strategy={"scaling": {"surgePolicy": "Recreate"}},
        progressDeadline="1m",
    )


async def the_only_pod_never_comes(run: Run, provider: str) -> None:
    """Nobody serves while it is waited for: at the deadline the old one comes back."""
    stable = await _serve_by_the_only_pod(run, provider)
    run.world.capacity = 1
    run.people.deploy("stuck")
    began = run.loop.time()
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    await _has_all_its_pods(run, stable, replicas=1)
    assert run.loop.time() - began < 90


async def the_pool_shrinks_while_the_only_pod_is_swapped(run: Run, provider: str) -> None:
    """The cluster has no room for the new pod: whoever is to blame, the old version comes back."""
    stable = await _serve_by_the_only_pod(run, provider)
    run.world.capacity = 0
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()
    run.world.capacity = 1
    for body in run.cluster.all(ports.DEPLOYMENT):
        run.world.look_after(body["metadata"]["uid"])
    await _has_all_its_pods(run, stable, replicas=1)


def _scenarios() -> dict[str, Scenario]:
    plays = {
        f"{play.__name__}_{provider}_{policy}".lower(): partial(
            play, provider=provider, policy=policy
        )
        for play in (promoted_in_a_full_pool, promoted_with_two_pods)
        for provider in PROVIDERS
        for policy in POLICIES
    }
    plays |= {
        f"back_in_a_full_pool_{provider}_{policy}_{act}".lower(): partial(
            back_in_a_full_pool, provider=provider, policy=policy, act=act
        )
        for provider in PROVIDERS
        for policy in POLICIES
        for act in ("abort", "bad", "back", "newer")
    }
    plays |= {
        f"{play.__name__}_{provider}".lower(): partial(play, provider=provider)
        for provider in PROVIDERS
        for play in (
            the_share_keeps_its_pods,
            the_only_pod,
            the_only_pod_is_promoted,
            the_only_pod_never_comes,
            the_pool_shrinks_while_the_only_pod_is_swapped,
        )
    }
    plays |= {
        f"newer_waits_for_the_room_of_the_older_{policy}".lower(): partial(
            newer_waits_for_the_room_of_the_older, policy=policy
        )
        for policy in POLICIES
    }
    plays["told_what_will_not_fit"] = partial(told_what_will_not_fit)
    blamed = ("abort", "the_pool_shrinks")
    return {
        name: Scenario(
            name=name,
            script=script,
            truths={"bad": BAD, "stuck": STUCK},
            may_reject_good=any(word in name for word in blamed),
        )
        for name, script in plays.items()
    }


PLAYS = _scenarios()
