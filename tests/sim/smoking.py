"""Plays of a smoke test: a Job that has to succeed in preview before the users change sides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, deployment, ends_well, serve, waits_for
from tests.sim.fields import Object
from tests.sim.finds_bake import share_of
from tests.sim.finds_blue_green import Moves, previewed
from tests.sim.jobs import Jobs
from tests.sim.people import NAME, NAMESPACE
from tests.sim.probing import says_why
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import OVER
from tests.sim.updates import RefusedError

from tidegate import ports
from tidegate.adapters import kube_http as http
from tidegate.rollout.smoke_test import FAILED

JOB: Object = {
    "template": {"spec": {"containers": [{"name": "ask", "image": "example.com/ask:1"}]}},
    "timeout": "40s",
}
ASKED: Object = {
    "type": "BlueGreen",
    "blueGreen": {"prePromotion": {"duration": "5s", "job": JOB}},
    "postPromotion": {"bake": "10s"},
}


async def _smokes(run: Run, provider: str, jobs: Jobs) -> tuple[str, str, Moves]:
    """A second version in preview, and its Job: the revisions of stable and candidate."""
    stable = await serve(run, provider=provider, replicas=2, strategy=ASKED)
    assert not jobs.made, "the first version was tested"
    moves = Moves(run)
    run.people.deploy("v2")
    assert await run.until(lambda: bool(jobs.made)), facts.status(run.body).get("message")
    candidate = str(facts.rollout(run.body)["revision"])
    assert previewed(run) == candidate
    return stable, candidate, moves


def _told(job: Object) -> dict[str, str]:
    [container] = job["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"]}


async def smoke_passes(run: Run, provider: str) -> None:
    """The switch waits for it, although the preview's own time is over long before."""
    jobs = Jobs(run)
    stable, candidate, moves = await _smokes(run, provider, jobs)
    await asyncio.sleep(15.0)
    assert (facts.stage_kind(run.body), share_of(run, candidate)) == ("Preview", 0)
    assert waits_for(run) == "SmokeTest"
    await ends_well(run)
    assert facts.stable(run.body) == candidate
    assert set(moves.seen) <= {stable, candidate}
    [job] = jobs.made  # whatever became of the operator meanwhile
    assert _told(job)["TIDEGATE_REVISION"] == candidate
    assert f"//{NAME}-{candidate}.{NAMESPACE}." in _told(job)["TIDEGATE_PREVIEW_URL"]


async def smoke_fails(run: Run, provider: str, *, hang: bool = False) -> None:
    """A test that fails, or comes to no end, rejects; no user was ever sent there."""
    jobs = Jobs(run, fail=not hang, hang=hang)
    stable, candidate, moves = await _smokes(run, provider, jobs)
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert (run.phase(), facts.stable(run.body)) == ("RolledBack", stable)
    assert candidate in facts.rejected(run.body)
    says_why(run, FAILED)
    assert set(moves.seen) <= {stable}, moves.seen
    assert len(jobs.made) == 1


async def smoke_aborted(run: Run, provider: str) -> None:
    """The Job goes with its rollout, which does not wait for it."""
    jobs = Jobs(run, hang=True)
    stable, _, moves = await _smokes(run, provider, jobs)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert await run.until(lambda: not jobs.live, limit=20.0), jobs.live
    assert set(moves.seen) <= {stable}, moves.seen
    assert previewed(run) == stable


async def smoke_replaced(run: Run, provider: str) -> None:
    """The next version has a Job of its own, and that of the one before is deleted."""
    jobs = Jobs(run, hang=True)
    _, candidate, moves = await _smokes(run, provider, jobs)
    jobs.hang = False
    run.people.deploy("v3")
    await ends_well(run)
    assert candidate not in moves.seen
    first, second = jobs.made
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert not run.cluster.exists(first["metadata"]["uid"])


async def smoke_deleted(run: Run, provider: str) -> None:
    """Somebody deletes it while it runs: nothing is known of the version, so it runs again."""
    jobs = Jobs(run)
    _, candidate, _ = await _smokes(run, provider, jobs)
    await asyncio.sleep(8.0)
    run.people.delete(ports.JOB, jobs.made[0]["metadata"]["name"])
    assert await run.until(lambda: len(jobs.made) > 1, limit=30.0)
    assert share_of(run, candidate) == 0
    await ends_well(run)
    assert facts.stable(run.body) == candidate


async def smoke_without_rights(run: Run, provider: str) -> None:
    """Jobs may not be made: it waits and says so, is never rejected, and goes on by itself."""
    jobs = Jobs(run)
    run.cluster.refuse = _no_jobs
    stable = await serve(run, provider=provider, replicas=2, strategy=ASKED)
    run.people.deploy("v2")
    assert await run.until(lambda: waits_for(run) == "SmokeTest"), run.phase()

    def says() -> bool:
        waits = facts.rollout(run.body).get("waitingFor") or {}
        return "rbac.smokeTests" in str(waits.get("message"))

    assert await run.until(says, limit=30.0), facts.rollout(run.body)
    await asyncio.sleep(300.0)
    assert says()
    assert not facts.rejected(run.body)
    assert not jobs.made
    run.cluster.refuse = lambda _: None
    await ends_well(run)
    assert facts.stable(run.body) != stable


def _no_jobs(request: http.Request) -> RefusedError | None:
    is_job = request.path.endswith("/jobs")
    return RefusedError(403, "Forbidden", "jobs.batch is forbidden") if is_job else None


async def smoke_with_lost_pods(run: Run, provider: str) -> None:
    """The candidate's pods are gone while it fails: that says nothing, and it runs once more."""
    jobs = Jobs(run, hang=True)
    _, candidate, _ = await _smokes(run, provider, jobs)
    jobs.hang = False
    run.world.restart_pods(deployment(run, candidate)["metadata"]["uid"])
    assert await run.until(lambda: waits_for(run) != "SmokeTest", limit=10.0)
    jobs.finish(jobs.made[0], "Failed", "BackoffLimitExceeded")
    await ends_well(run)
    assert facts.stable(run.body) == candidate
    assert len(jobs.made) == 2


_ALL: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "smoke_passes": smoke_passes,
    "smoke_fails": smoke_fails,
    "smoke_hangs": partial(smoke_fails, hang=True),
    "smoke_aborted": smoke_aborted,
    "smoke_replaced": smoke_replaced,
    "smoke_deleted": smoke_deleted,
    "smoke_without_rights": smoke_without_rights,
    "smoke_with_lost_pods": smoke_with_lost_pods,
}
PLAYS = {
    f"{name}_{provider.lower()}": Scenario(
        name=f"{name}_{provider.lower()}",
        script=partial(play, provider=provider),
        may_reject_good=True,
    )
    for name, play in _ALL.items()
    for provider in PROVIDERS
}
