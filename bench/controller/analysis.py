"""One rollout that is analysed: the longest callback of the loop, and what stays in memory."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from bench.controller.meter import Meter
from tidegate import model, ports
from tidegate.adapters.executor import SingleThread
from tidegate.adapters.telemetry import Telemetry
from tidegate.controller.analysis.judge import Analyst
from tidegate.controller.analysis.subject import Subject
from tidegate.controller.background import Background
from tidegate.controller.workqueue import Key
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Template
from tidegate.settings import MetricSourceSettings

T = TypeVar("T")
SCRAPE = 15
START = datetime(2026, 1, 1, tzinfo=UTC)
EDGES = [f"{2**index / 1000:g}" for index in range(14)] + ["+Inf"]
CANDIDATE, STABLE = "c0ffee0001", "5ab1e00001"
LOOKS = 6
SOURCES = {"default": MetricSourceSettings(name="default", url="", timeout_seconds=600.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a rollout is; a tenth of the pods, at least one, are the candidate's."""

    metrics: int
    pods: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU seconds of the loop's thread in its longest callback, and of the process in all looks."""

    longest_callback_seconds: float
    callbacks: int
    above_ten_ms: int
    cpu_seconds: float
    kept_bytes: int


class Inline:
    """Counting in the loop, as it was before there was an executor: the thing to compare with."""

    async def run(self, work: Callable[[], T]) -> T:
        """The result, at once."""
        return work()

    def close(self) -> None:
        """Nothing to end."""


class BenchClock:
    """Time moves only when the benchmark says so."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        """Wall clock."""
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Until the time was moved far enough."""
        until = self.seconds + seconds
        while self.seconds < until:
            moved = self._moved
            await moved.wait()

    def advance(self, seconds: float) -> None:
        """Move the time."""
        self.seconds += seconds
        self._moved.set()
        self._moved = asyncio.Event()


class Counters:
    """A metric source whose pods count evenly. Answers are made off the loop, as by the adapter."""

    def __init__(self, size: Size) -> None:
        self._size = size

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> ports.Result[ports.RawAnswer]:
        """Raw samples of all pods in the range of the query."""
        assert source in SOURCES
        assert not namespace
        return await asyncio.to_thread(self._answer, promql, at.timestamp())

    def _answer(self, promql: str, at: float) -> ports.Result[ports.RawAnswer]:
        seconds = int(promql.rsplit("[", 1)[1].removesuffix("s]"))
        first = int((at - seconds) // SCRAPE + 1) * SCRAPE
        times = range(first, int(at) + 1, SCRAPE)
        latency = "_bucket" in promql
        rows = [
            {
                "metric": self._labels(pod, label),
                "values": [[t, str(self._count(pod, place, t))] for t in times],
            }
            for pod in range(self._size.pods)
            for place, label in enumerate(EDGES if latency else ("200", "500"))
        ]
        return ports.Ok(ports.RawAnswer(result_type="matrix", result=rows))

    def _labels(self, pod: int, label: str) -> dict[str, str]:
        revision = CANDIDATE if pod < max(1, self._size.pods // 10) else STABLE
        return {
            "namespace": "ml",
            "model_deployment": "iris",
            "revision": revision,
            "pod": f"iris-{revision}-5d4b9c6f5d-{pod:05}",
            "instance": f"10.0.0.{pod}:8080",
            "le" if label in EDGES else "status_code": label,
        }

    def _count(self, pod: int, place: int, at: int) -> int:
        since = at - int(START.timestamp()) + 7200
        return (since * (50 + pod % 7) * (place + 1)) // len(EDGES)


def subject(size: Size) -> Subject:
    """A rollout on its first step, whose metrics are error ratios and latencies by turns."""
    names = ("error-ratio", "latency-p95")
    metrics = tuple(
        model.Metric(name=f"m{index}", preset=names[index % 2], compare=model.Compare())
        for index in range(size.metrics)
    )
    templates = {
        one.name: Template(
            name=one.name,
            measure=presets.TEMPLATES["MLServer", one.preset].measure,
            source="default",
        )
        for one in metrics
    }
    stage = model.Stage(
        name="p10",
        weight_percent=10.0,
        effective_weight_percent=10.0,
        hold_seconds=300.0,
        deadline_seconds=3600.0,
        min_requests=100,
        confirmed_at=START,
    )
    return Subject(
        key=Key(namespace="ml", name="iris"),
        uid="uid",
        id="iris-1",
        candidate=CANDIDATE,
        control=STABLE,
        control_until=START - timedelta(seconds=20),
        since=START,
        first_traffic_at=START,
        stages=(stage,),
        analysis=analysis(metrics),
        traffic=model.Traffic(provider=model.Provider.REPLICA_RATIO),
        preset="MLServer",
        templates=templates,
    )


def analysis(metrics: tuple[model.Metric, ...]) -> model.Analysis:
    """The defaults of the API."""
    return model.Analysis(
        source="default",
        metrics=metrics,
        interval_seconds=30.0,
        warmup_seconds=60.0,
        settle_seconds=30.0,
        min_requests=100,
        breach_failures=3,
        breach_out_of=5,
        error_limit=5,
        no_data_timeout_seconds=600.0,
        on_inconclusive=model.OnInconclusive.PAUSE,
    )


async def looked_at(size: Size, executor: Any) -> Analyst:
    """The analyst after some looks, of which the first learns the history."""
    recorder = Telemetry()
    clock, background = BenchClock(), Background(recorder=recorder)
    analyst = Analyst(
        source=Counters(size),
        clock=clock,
        sources=SOURCES,
        recorder=recorder,
        executor=executor,
        background=background,
        leading=lambda: True,
    )
    wanted, woken = subject(size), asyncio.Event()

    def wake(key: Key, *, priority: bool = False) -> None:
        del key, priority
        woken.set()

    running = asyncio.create_task(background.run(wake))
    await asyncio.sleep(0)
    for _ in range(LOOKS):
        woken.clear()
        analyst.judged(wanted)
        clock.advance(45.0)
        await woken.wait()
    running.cancel()
    return analyst


def cost(size: Size, *, in_thread: bool, memory: bool = False) -> Cost:
    """What some looks at one rollout cost."""
    executor = SingleThread() if in_thread else Inline()
    meter = Meter()

    async def run() -> int:
        if not memory:
            await looked_at(size, executor)
            return 0
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        analyst = await looked_at(size, executor)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del analyst
        return after - before

    began = time.process_time()
    with meter.running():
        kept = asyncio.run(run())
    executor.close()
    return Cost(
        longest_callback_seconds=meter.longest,
        callbacks=len(meter.seconds),
        above_ten_ms=meter.above(0.01),
        cpu_seconds=time.process_time() - began,
        kept_bytes=kept,
    )
