"""Plays about a slow world: sources that hang, ready URLs that take seconds, many pods and metrics.

None of it may delay a rollback (review of the code, A4 and A5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from tests.sim import facts
from tests.sim.nemesis import Calm, QueryPlan
from tests.sim.people import NAME, NAMESPACE, manifest
from tests.sim.run import Run
from tests.sim.scenarios import OVER, serve_first, walk_to
from tests.sim.truth import Truth

from tidegate import ports

if TYPE_CHECKING:
    from tests.sim.replica import Process

LONGEST_TIMEOUT_SECONDS = 60.0  # of a metric source, by the settings
LOWERED_SECONDS = 2.0
MANY_PODS, MANY_METRICS = 200, 32
CRASHING = Truth(starts=False, crashes=True)

Play = Callable[[Run], Coroutine[Any, Any, None]]


class Slow(Calm):
    """Metric sources hang for their longest timeout once told to; pods answer after seconds."""

    hangs = False

    def on_query(self, process: Process) -> QueryPlan:
        """Prometheus accepts the query, and never says anything."""
        if not self.hangs:
            return super().on_query(process)
        return QueryPlan(
            seconds=LONGEST_TIMEOUT_SECONDS, failure=ports.Retryable(message="no answer")
        )


class Unreadable(Slow):
    """Once told to, Prometheus answers in a form that cannot be counted: native histograms."""

    def on_query(self, process: Process) -> QueryPlan:
        return QueryPlan(distort=_without_samples) if self.hangs else super().on_query(process)


def _without_samples(answer: ports.RawAnswer) -> ports.RawAnswer:
    native = [{"metric": one["metric"], "histograms": []} for one in answer.result]
    return ports.RawAnswer(result_type=answer.result_type, result=native)


class SlowPods(Slow):
    """A ready URL that takes a second, as one does that runs the model."""

    probe_seconds = 1.0


def _hang(run: Run) -> None:
    assert isinstance(run.nemesis, Slow)
    run.nemesis.hangs = True


async def _lowers(run: Run, trouble: Callable[[], None]) -> None:
    """The data plane gives everything to stable within two seconds after the trouble began."""
    stable = facts.stable(run.body)

    def is_lowered() -> bool:
        route = run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
        if route is None:
            return facts.selected(run.cluster.get(ports.SERVICE, NAMESPACE, NAME)) == stable
        return facts.shares(route, name=NAME).get(stable) == 100.0

    assert not is_lowered(), "the candidate has no traffic"
    trouble()
    assert await run.until(is_lowered, limit=LOWERED_SECONDS), facts.status(run.body)["message"]


def _crash(run: Run, version: str) -> None:
    """All pods of a version fail, and their containers do not come up again."""
    run.world.truths[version] = CRASHING
    for uid, pods in run.world.pods.items():
        for pod in pods:
            if pod.version == version:
                run.world.set_ready(uid, pod, ready=False)


def _metrics(count: int) -> list[dict[str, Any]]:
    presets = ("error-ratio", "latency-p50", "latency-p95", "latency-p99")
    return [
        {"name": f"m{index}", "preset": presets[index % 4], "threshold": {"max": 0.9}}
        for index in range(count)
    ]


def aborted_while_prometheus_hangs(provider: str) -> Play:
    async def play(run: Run) -> None:
        """It hangs from the first look on; half a minute later somebody gives up."""
        await serve_first(run, provider=provider)
        run.people.deploy("v2")
        await walk_to(run, 0)
        _hang(run)
        await asyncio.sleep(30.0)
        await _lowers(run, lambda: run.people.ask("abort"))
        assert await run.until(lambda: run.phase() in OVER), run.phase()

    return play


def crashes_while_prometheus_hangs(provider: str) -> Play:
    async def play(run: Run) -> None:
        """Many pods and metrics, and a source that never answers: the pods' word is enough."""
        run.people.create(
            manifest(
                "v1",
                provider=provider,
                replicas=MANY_PODS,
                steps=((20, 60), (50, 5)),
                analysis={"metrics": _metrics(MANY_METRICS)},
            )
        )
        assert await run.until(lambda: run.phase() == "Healthy"), run.phase()
        _hang(run)
        run.people.deploy("v2")
        await walk_to(run, 0)
        await asyncio.sleep(20.0)
        await _lowers(run, lambda: _crash(run, "v2"))
        assert await run.until(lambda: run.phase() in OVER), run.phase()

    return play


async def hangs_for_long(run: Run) -> None:
    """Status says so, nothing is promoted or rejected by it, and the rollout goes on by itself."""
    await serve_first(run, analysis={"errorLimit": 3})  # a look comes with each scrape
    run.people.deploy("v2")
    await walk_to(run, 0)
    _hang(run)
    waits = await run.until(
        lambda: facts.rollout(run.body).get("waitingFor", {}).get("reason") == "MetricsUnavailable",
        limit=150.0,
    )
    assert waits, facts.status(run.body)["message"]
    assert isinstance(run.nemesis, Slow)
    run.nemesis.hangs = False
    assert await run.until(lambda: run.phase() in {*OVER, "Paused"}, limit=300.0), run.phase()
    run.people.ask("promote")
    assert await run.until(lambda: run.phase() in OVER), run.phase()


def ready_slowly(provider: str) -> Play:
    async def play(run: Run) -> None:
        """Forty pods that answer after a second each: it takes some rounds, and hangs nowhere."""
        await serve_first(run, provider=provider, replicas=40)
        run.people.deploy("v2")
        assert await run.until(lambda: run.phase() in OVER), run.phase()
        assert run.phase() == "Healthy", facts.status(run.body)["message"]

    return play


async def aborted_before_ready(run: Run) -> None:
    """Pods that never answer hold up nobody who gives up."""
    await serve_first(run)
    assert isinstance(run.nemesis, SlowPods)
    run.nemesis.probe_seconds = 1e6
    run.people.deploy("v2")
    says = "has not answered yet"
    assert await run.until(lambda: says in facts.status(run.body).get("message", ""), limit=30.0)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER, limit=LOWERED_SECONDS), run.phase()


async def asked_too_late(run: Run) -> None:
    """The operator dies, and the next one leads only after the deadline: it has asked no pod yet."""
    await serve_first(run)
    run.world.truths["v2"] = Truth(startup_seconds=52.0)
    run.people.deploy("v2")
    await asyncio.sleep(50.0)
    for replica in run.replicas:
        if replica.process is not None:
            replica.process.die()
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "Healthy", facts.status(run.body)["message"]


async def answers_unreadably(run: Run) -> None:
    """What cannot be counted is an error of the metric: nobody is promoted or rejected by it."""
    await serve_first(run)
    run.people.deploy("v2")
    await walk_to(run, 0)
    _hang(run)

    def is_error() -> bool:
        return facts.condition(run.body, "AnalysisPassing").get("reason") == "Error"

    assert await run.until(is_error, limit=30.0), facts.condition(run.body, "AnalysisPassing")
    assert isinstance(run.nemesis, Unreadable)
    run.nemesis.hangs = False
    assert await run.until(lambda: run.phase() in OVER), run.phase()
    assert run.phase() == "Healthy", facts.status(run.body)["message"]


SLOW_PLAYS: dict[str, tuple[Play, type[Slow]]] = {
    "aborted_while_prometheus_hangs": (aborted_while_prometheus_hangs("GatewayAPI"), Slow),
    "aborted_while_prometheus_hangs_by_pods": (
        aborted_while_prometheus_hangs("ReplicaRatio"),
        Slow,
    ),
    "crashes_while_prometheus_hangs": (crashes_while_prometheus_hangs("GatewayAPI"), Slow),
    "crashes_while_prometheus_hangs_by_pods": (
        crashes_while_prometheus_hangs("ReplicaRatio"),
        Slow,
    ),
    "hangs_for_long": (hangs_for_long, Slow),
    "ready_slowly": (ready_slowly("GatewayAPI"), SlowPods),
    "ready_slowly_by_pods": (ready_slowly("ReplicaRatio"), SlowPods),
    "aborted_before_ready": (aborted_before_ready, SlowPods),
    "answers_unreadably": (answers_unreadably, Unreadable),
    "asked_too_late": (asked_too_late, SlowPods),
}
