"""Plays of what the simulation found in seeds: the shortest way to each, kept for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.sim import (
    facts,
    failing_over,
    finds_features,
    finds_kinds,
    finds_lost,
    finds_ports,
    finds_revisions,
    finds_traffic,
)
from tests.sim.autoscaled import AUTOSCALED
from tests.sim.cluster import Change
from tests.sim.cluster_side import CLUSTER_SIDE
from tests.sim.crash import ARRIVES_SECONDS, PAUSE_SECONDS
from tests.sim.finds_lease import (
    AnswersLate,
    FreezesAtAcquisition,
    FreezesInAnAction,
    deposed_within_an_action,
    frozen_at_acquisition,
    renewed_too_late,
)
from tests.sim.finds_slow import SLOW_PLAYS
from tests.sim.migrating import MIGRATING
from tests.sim.nemesis import WELL, CallPlan, Calm
from tests.sim.other_writers import OTHER_WRITERS
from tests.sim.people import MD, NAME, manifest
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import (
    BAD,
    BY_NAME,
    OVER,
    promote_or,
    replace_first,
    serve_first,
    walk_to,
)
from tests.sim.truth import Truth
from tests.sim.updates import RefusedError

from tidegate import ports
from tidegate.adapters import kube_http as http

if TYPE_CHECKING:
    from tests.sim.replica import Process

SLOW = Truth(startup_seconds=25.0)
SLOWER = Truth(startup_seconds=45.0)


async def slow_batches(run: Run) -> None:
    """Pods come one after the other; together they take longer than the progress deadline."""
    await serve_first(run, provider="ReplicaRatio", replicas=4)
    run.people.deploy("slower")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def fewer_replicas(run: Run) -> None:
    """Fewer pods than the plan was made for; its weights cannot be had any more."""
    run.people.create(manifest("v1", provider="ReplicaRatio", replicas=3, steps=((25, 5), (75, 5))))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("slow")
    await asyncio.sleep(3.0)
    run.people.edit_part("workload", replicas=1)
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def judging_edited_with_fewer(run: Run) -> None:
    """Pods that can no longer make the step's weight; then the way of judging is edited."""
    await serve_first(run, provider="ReplicaRatio", replicas=4)
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.people.edit_part("workload", replicas=1)
    await asyncio.sleep(1.0)
    run.people.edit_part("analysis", minRequests=200)
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def data_stay_away(run: Run) -> None:
    """No data for longer than noDataTimeout and the step's deadline; then a person decides."""
    await serve_first(run)
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.nemesis.frozen_at = run.loop.time()
    await asyncio.sleep(120.0)
    run.nemesis.frozen_at = None
    await promote_or(run, "promote")


async def paused_at_hundred(run: Run) -> None:
    """A pause while the last step already has all traffic, and a request to promote."""
    run.people.create(manifest("v1", steps=((100, 5),)))
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.people.edit_spec({"paused": True})
    await asyncio.sleep(3.0)
    run.people.ask("promote-full")
    await asyncio.sleep(20.0)
    run.people.edit_spec({"paused": False})
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def paused_for_long(run: Run) -> None:
    """A pause before any traffic that lasts longer than the progress deadline."""
    await serve_first(run)
    run.people.deploy("slow")
    await asyncio.sleep(3.0)
    run.people.edit_spec({"paused": True})
    await asyncio.sleep(120.0)
    run.people.edit_spec({"paused": False})
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def lead_to_weight(run: Run, version: str) -> Process:
    """Until a version has its first weight; the process that leads."""
    await serve_first(run)
    run.people.deploy(version)
    await walk_to(run, 0)
    process = run.replicas[0].process
    assert process is not None
    return process


async def clock_back(run: Run) -> None:
    """While a bad version gets traffic the operator's clock is an hour back for some seconds."""
    await _roll_back_by_a_wrong_clock(run, ahead_seconds=-3600.0)


async def clock_ahead(run: Run) -> None:
    """While a bad version gets traffic the operator's clock is ahead for some seconds."""
    await _roll_back_by_a_wrong_clock(run, ahead_seconds=250.0)


async def _roll_back_by_a_wrong_clock(run: Run, *, ahead_seconds: float) -> None:
    process = await lead_to_weight(run, "bad")
    process.wall_offset_seconds = ahead_seconds
    await asyncio.sleep(8.0)
    process.wall_offset_seconds = 0.0
    assert await run.until(lambda: run.phase() == "RolledBack", limit=120.0), run.phase()


async def bounced_by_wrong_clock(run: Run) -> None:
    """The clock is an hour back; A to B to A at a held weight, just as B has lowered the traffic."""
    process = await lead_to_weight(run, "v2")
    process.wall_offset_seconds = -3600.0

    def returns(change: Change) -> None:
        if change.kind is ports.HTTP_ROUTE:
            run.cluster.listeners.remove(returns)
            run.loop.call_soon(run.people.deploy, "v2")

    run.cluster.listeners.append(returns)
    run.people.deploy("v3")
    await asyncio.sleep(8.0)
    process.wall_offset_seconds = 0.0
    run.people.deploy("v1")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def dated_by_nobody(run: Run) -> None:
    """The clock is an hour back while a route is lost, and right again before the weight is back."""
    process = await lead_to_weight(run, "bad")
    process.wall_offset_seconds = -3600.0

    def rights(change: Change) -> None:
        if change.kind is ports.HTTP_ROUTE and change.new is not None:
            run.cluster.listeners.remove(rights)
            process.wall_offset_seconds = 0.0

    run.cluster.listeners.append(rights)
    run.people.delete(ports.HTTP_ROUTE, NAME)
    assert await run.until(lambda: run.phase() == "RolledBack", limit=120.0), run.phase()


async def deadline_without_route(run: Run) -> None:
    """The route is deleted just before a step's deadline: the step is taken again, and then it ends."""
    await serve_first(run, analysis={"minRequests": 10**9, "onInconclusive": "Rollback"})
    run.people.deploy("v2")
    await walk_to(run, 0)
    await asyncio.sleep(73.0)
    process = run.replicas[0].process
    assert process is not None
    process.pause()
    run.people.delete(ports.HTTP_ROUTE, NAME)
    await asyncio.sleep(4.0)
    process.resume()
    assert await run.until(lambda: run.phase() == "RolledBack", limit=150.0), run.phase()


async def _name_no_source(run: Run) -> None:
    """A candidate has traffic, and the spec names a metric source that does not exist."""
    await serve_first(run)
    run.people.deploy("v2")
    await walk_to(run, 0)
    run.people.edit_part("analysis", source="nowhere")
    assert await run.until(lambda: run.phase() == "Invalid"), run.phase()


async def deleted_while_invalid(run: Run) -> None:
    """Traffic is given back all the same."""
    await _name_no_source(run)
    run.people.delete(MD, NAME)
    assert await run.until(lambda: run.body is None, limit=20.0), "deletion hangs"


async def aborted_while_invalid(run: Run) -> None:
    """A person can still end the rollout."""
    await _name_no_source(run)
    run.people.ask("abort")
    left = await run.until(lambda: not facts.rollout(run.body), limit=20.0)
    assert left, facts.status(run.body).get("message")
    run.people.edit_part("analysis", source="prometheus")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


class Late(Calm):
    """One write, the first that is chosen, is on its way past a leader change."""

    view_lag_seconds = float("inf")

    def __init__(self, dice: random.Random, *, chooses: Callable[[http.Request], bool]) -> None:
        super().__init__(dice)
        self._chooses = chooses
        self._struck = False

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        if self._struck or not process.name.endswith(".1") or not self._chooses(request):
            return WELL
        self._struck = True
        process.pause()
        process.run.loop.call_later(PAUSE_SECONDS, process.resume)
        return CallPlan(send_seconds=ARRIVES_SECONDS)


_SCALE_TO_ZERO = {"op": "replace", "path": "/spec/replicas", "value": 0}


def _takes_pods(request: http.Request) -> bool:
    return request.verb == "json_patch" and _SCALE_TO_ZERO in (request.body or [])


def _deletes_pods(request: http.Request) -> bool:
    return request.verb == "delete" and "/deployments/" in request.path


async def back_as_it_goes(run: Run) -> None:
    """Nothing old is kept; while the old version is being deleted it is asked for again."""
    await serve_first(run, revisionHistoryLimit=0)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
    await asyncio.sleep(6.0)
    run.people.deploy("v1")
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


class FirstServesUnseen(Calm):
    """The status write that would make the first revision stable is refused for a while."""

    def on_request(self, process: Process, request: http.Request) -> CallPlan:
        cluster = process.run.cluster
        if request.verb != "apply_status" or process.run.loop.time() > 12.0:
            return WELL
        if cluster.get(ports.SERVICE, "models", NAME) is None:
            return WELL
        refused = RefusedError(503, "ServiceUnavailable", "simulated refusal")
        return CallPlan(answer=refused.reply)


async def first_replaced_by_pods(run: Run) -> None:
    """The entry Service selects the first revision, which is replaced before status says so."""
    run.people.create(manifest("v1", provider="ReplicaRatio"))
    await asyncio.sleep(8.0)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() == "Healthy", limit=120.0), run.phase()


class FollowerMissesRoutes(Calm):
    """From some moment on one process learns of no route any more."""

    view_lag_seconds = 10.0
    deaf = ""

    def on_event(self, process: Process, change: Change) -> str:
        lost = process.name == self.deaf and change.kind is ports.HTTP_ROUTE
        return "drop" if lost and change.new is not None else ""


async def taken_over_blindly(run: Run) -> None:
    """A route is made anew unseen by the follower, who then has to withdraw as the leader."""
    await serve_first(run)
    run.people.deploy("v2")
    await walk_to(run, 0)
    leads = [it.process for it in run.replicas if it.process is not None and it.process.leading]
    follows = [it.process for it in run.replicas if it.process not in leads]
    assert isinstance(run.nemesis, FollowerMissesRoutes)
    assert follows[0] is not None
    run.nemesis.deaf = follows[0].name
    run.people.delete(ports.HTTP_ROUTE, NAME)
    assert await run.until(lambda: bool(list(run.cluster.all(ports.HTTP_ROUTE))))
    leads[0].pause()
    run.people.delete(ports.DEPLOYMENT, f"{NAME}-{facts.rollout(run.body)['revision']}")
    run.loop.call_later(40.0, leads[0].resume)
    await asyncio.sleep(60.0)
    run.nemesis.deaf = ""
    assert await run.until(lambda: run.phase() == "Healthy", limit=300.0), run.phase()


async def replaced_after_mark(run: Run) -> None:
    """The process dies between mark and status; meanwhile another version is asked for, and back."""
    process = await lead_to_weight(run, "bad")

    def dies(change: Change) -> None:
        if change.kind is ports.HTTP_ROUTE and facts.marker(change.new):
            process.die()

    run.cluster.listeners.append(dies)
    assert await run.until(lambda: process.dead), "never rolled back"
    run.people.deploy("v3")
    assert await run.until(lambda: facts.rollout(run.body).get("modelVersion") == "v3")
    run.people.deploy("bad")
    assert await run.until(lambda: run.phase() == "RolledBack"), run.phase()


class WrongClock(Calm):
    """Nothing goes wrong but the clock."""

    clock_skew_seconds = 7300.0


async def abort_forgotten(run: Run) -> None:
    """An abort before any traffic; as soon as the target is marked somebody asks for a pause."""
    await serve_first(run)
    run.people.deploy("slow")
    await asyncio.sleep(3.0)
    run.people.ask("abort")
    marked = await run.until(
        lambda: bool(facts.marker(run.cluster.get(ports.HTTP_ROUTE, "models", NAME)))
    )
    assert marked
    run.people.ask("pause")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


async def first_replaced_slowly(run: Run) -> None:
    """The first revision serves on, long after its delay, since its successor takes a while."""
    await replace_first(run, "slow")


async def there_and_back(run: Run) -> None:
    """A candidate is replaced by another one, and that one by the first again."""
    await serve_first(run)
    run.people.deploy("v2")
    await asyncio.sleep(0.5)
    run.people.deploy("v3")
    await asyncio.sleep(0.5)
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


class LosesFirstEvents(Calm):
    """A Deployment changes while the second process lists for the first time; the event is lost."""

    def on_start(self, process: Process) -> None:
        run = process.run
        assert isinstance(run, Run)
        if process.name.endswith(".2"):
            run.loop.call_later(0.01, _scale_stable, run)

    def on_event(self, process: Process, change: Change) -> str:
        lost = process.name.endswith(".2") and change.actor == "people"
        return "drop" if lost and change.kind is ports.DEPLOYMENT else ""


def _scale_stable(run: Run) -> None:
    patch = [{"op": "replace", "path": "/spec/replicas", "value": 5}]
    run.people.patch(ports.DEPLOYMENT, f"{NAME}-{facts.stable(run.body)}", patch)


async def lost_at_start(run: Run) -> None:
    """The process that knows nothing of it must begin to work all the same."""
    await serve_first(run)
    process = run.replicas[0].process
    assert process is not None
    run.world.controller_seconds = 1000.0  # no later change brings the object to light
    process.die()
    await asyncio.sleep(5.0)
    run.world.controller_seconds = 0.05
    run.people.deploy("v2")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


class DeafToServices(Calm):
    """From some moment on the watch of Services brings nothing, and nothing ends it."""

    deaf = False

    def silences(self, process: Process, kind: ports.Kind) -> bool:  # noqa: ARG002
        return self.deaf and kind is ports.SERVICE


async def gone_unseen(run: Run) -> None:
    """The entry Service is deleted behind a hung watch, and then the object itself."""
    await serve_first(run, provider="ReplicaRatio")
    run.people.deploy("v2")
    await walk_to(run, 0)
    assert isinstance(run.nemesis, DeafToServices)
    run.nemesis.deaf = True
    run.people.delete(ports.SERVICE, NAME)
    run.people.delete(MD, NAME)
    assert await run.until(lambda: run.body is None, limit=20.0), "deletion hangs"


def _found(play: Any, *, name: str = "", **options: Any) -> Scenario:
    return Scenario(
        name=name or play.__name__,
        script=play,
        truths={"slow": SLOW, "slower": SLOWER, "bad": BAD},
        **options,
    )


PLAYS = (
    BY_NAME
    | finds_kinds.PLAYS
    | finds_lost.PLAYS
    | finds_ports.PLAYS
    | finds_revisions.PLAYS
    | finds_traffic.PLAYS
    | finds_features.PLAYS
    | failing_over.PLAYS
    | {
        scenario.name: scenario
        for scenario in (
            _found(slow_batches),
            _found(fewer_replicas),
            _found(judging_edited_with_fewer),
            _found(data_stay_away),
            _found(paused_at_hundred),
            _found(paused_for_long),
            _found(clock_back, make_nemesis=WrongClock),
            _found(clock_ahead, make_nemesis=WrongClock),
            _found(bounced_by_wrong_clock, make_nemesis=WrongClock),
            _found(dated_by_nobody, make_nemesis=WrongClock),
            _found(abort_forgotten, may_reject_good=True),
            _found(deadline_without_route, may_reject_good=True),
            _found(back_as_it_goes, make_nemesis=partial(Late, chooses=_deletes_pods), replicas=2),
            _found(first_replaced_by_pods, make_nemesis=FirstServesUnseen),
            _found(
                taken_over_blindly,
                make_nemesis=FollowerMissesRoutes,
                replicas=2,
                may_reject_good=True,
            ),
            _found(replaced_after_mark),
            _found(deleted_while_invalid),
            _found(aborted_while_invalid, may_reject_good=True),
            replace(
                BY_NAME["retried"],
                name="retried_late",
                make_nemesis=partial(Late, chooses=_takes_pods),
                replicas=2,
            ),
            _found(there_and_back),
            _found(first_replaced_slowly),
            _found(renewed_too_late, make_nemesis=AnswersLate),
            _found(frozen_at_acquisition, make_nemesis=FreezesAtAcquisition),
            _found(gone_unseen, make_nemesis=DeafToServices),
            _found(deposed_within_an_action, make_nemesis=FreezesInAnAction, replicas=2),
            _found(lost_at_start, make_nemesis=LosesFirstEvents),
            *(
                _found(play, name=name, make_nemesis=weather, may_reject_good=True)
                for name, (play, weather) in SLOW_PLAYS.items()
            ),
        )
    }
    | CLUSTER_SIDE
    | OTHER_WRITERS
    | AUTOSCALED
    | MIGRATING
)
