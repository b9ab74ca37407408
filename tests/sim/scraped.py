"""What Prometheus would have scraped of the operator during rollouts, played in virtual time.

The controller is the real one, and what it is told goes to the recorder of the real program. Beside it
stand the series of the kubelet for the pods that there are. `python -m tests.sim.scraped` prints it as
JSON: tests of other things must not share a process with a play, which remembers what it has read.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from prometheus_client import generate_latest
from tests.sim import drifting
from tests.sim.cluster_side import serve
from tests.sim.people import NAMESPACE
from tests.sim.run import Run, Scenario, play
from tests.sim.scenarios import OVER

from tidegate import ports
from tidegate.adapters.telemetry import Telemetry

SCRAPE_SECONDS = 15.0
Scrapes = dict[float, list[str]]  # lines of an exposition, by the instant of the scrape
_TOLD = (
    *("transition", "reconciled", "api_request", "rollback", "rollout_ended", "queue", "leading"),
    *("problem", "drift"),
)
_METRICS: list[dict[str, Any]] = [
    {"name": "errors", "preset": "error-ratio", "threshold": {"max": 0.05}},
    {"name": "latency-p95", "preset": "latency-p95", "threshold": {"max": 0.5}},
    {"name": "inputs", "preset": "feature-drift", "onBreach": "Hold"},
]


def scraped() -> Scrapes:
    """A drifting version that holds and is aborted, then a good one that is paused and promoted."""
    found: Scrapes = {}

    async def script(run: Run) -> None:
        telemetry = _listening(run)
        task = asyncio.create_task(_scrape(run, telemetry, found))
        try:
            await _story(run)
        finally:
            task.cancel()

    truths = {"broken": drifting.BROKEN}
    scenario = Scenario(name="scraped", script=script, truths=truths, may_reject_good=True)
    result = play(scenario, seed=1)
    assert not result.failure, result.failure
    return found


async def _story(run: Run) -> None:
    run.world.mix = drifting.USUAL
    analysis = {"minRequests": 2_000, "metrics": _METRICS}
    await serve(run, provider="GatewayAPI", replicas=4, analysis=analysis)
    run.people.deploy("broken")
    assert await run.until(lambda: drifting.result(run).get("outcome") == "Fail")
    await asyncio.sleep(60.0)
    run.people.ask("abort")
    assert await run.until(lambda: run.phase() in OVER)
    await asyncio.sleep(45.0)
    run.people.deploy("v2")
    await asyncio.sleep(45.0)
    run.people.ask("pause")
    await asyncio.sleep(60.0)
    run.people.ask("resume")
    assert await run.until(lambda: run.phase() in OVER)
    assert run.phase() == "Healthy"
    await asyncio.sleep(60.0)


def _listening(run: Run) -> Telemetry:
    """A recorder of the real program that hears all that the simulation's own hears."""
    telemetry = Telemetry()

    def gauges() -> Iterator[ports.GaugeFamily]:
        for replica in run.replicas:
            if replica.process is not None:
                yield from replica.process.gauges()

    telemetry.show(gauges)
    for name in _TOLD:
        both = partial(_both, getattr(run.recorder, name), getattr(telemetry, name))
        setattr(run.recorder, name, both)
    return telemetry


def _both(
    one: Callable[..., None], other: Callable[..., None], /, *given: object, **named: object
) -> None:
    one(*given, **named)
    other(*given, **named)


async def _scrape(run: Run, telemetry: Telemetry, found: Scrapes) -> None:
    seconds = 0.0
    while True:
        await asyncio.sleep(SCRAPE_SECONDS)
        seconds += SCRAPE_SECONDS
        # The adapter counts its queries, and here none is sent.
        telemetry.metric_query(source="prometheus", seconds=0.02, outcome="Ok")
        if seconds % 60 == 0:
            telemetry.metric_query(source="prometheus", seconds=5.0, outcome="Retryable")
        exposed = generate_latest(telemetry.registry).decode().splitlines()
        of_operator = [_of_the_pod(it) for it in exposed if not it.startswith("#")]
        now = run.wall().timestamp()
        found[now] = [*of_operator, *_of_the_kubelet(run, seconds)]


def _of_the_pod(line: str) -> str:
    """A sample with the labels that a scrape adds."""
    added = 'instance="10.0.0.1:8080",pod="tidegate-1",namespace="tidegate-system"'
    name, space, value = line.rpartition(" ")
    if name.endswith("}"):
        return f"{name[:-1]},{added}}}{space}{value}"
    return f"{name}{{{added}}}{space}{value}"


def _of_the_kubelet(run: Run, seconds: float) -> Iterator[str]:
    """CPU time and memory of every pod, as cAdvisor names them."""
    for deployment in run.cluster.all(ports.DEPLOYMENT):
        name = deployment["metadata"]["name"]
        for at in range(deployment["spec"].get("replicas", 0)):
            pod = f'namespace="{NAMESPACE}",pod="{name}-5d8f9c7b6d-x{at}",container="server"'
            yield f"container_cpu_usage_seconds_total{{{pod}}} {seconds * 0.2}"
            yield f"container_memory_working_set_bytes{{{pod}}} {2e8 + at * 1e6}"


if __name__ == "__main__":
    json.dump(scraped(), sys.stdout)
