"""Made-up pods behind the real analyst: drawn counters, each scraped at an instant of its own.

Rates are per second, shares from 0 to 1, instants in seconds after the first weight was confirmed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import evidence_build as build
import numpy as np
from analyst_bench import SOURCES, START, Bench, Pod, metric
from analyst_bench import _step as step_of
from metric_source import FakeSeries, pod_name

from tidegate import model
from tidegate.model import Verdict

HISTORY_SECONDS = 3600.0
EDGES = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10")

Failing = Callable[[float, float], float]  # share of failing requests between two instants


@dataclass(kw_only=True)
class DrawnPod(Pod):
    """Counters drawn once per scrape; `failing` tells the share of failures from one to the next."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))
    failing: Failing | None = None
    scrape: float = 15.0
    until: float = 7200.0
    median_seconds: float = 0.08

    def __post_init__(self) -> None:
        first = max(self.born_at - START, -HISTORY_SECONDS - 300.0)
        phase = float(self.rng.uniform(0, self.scrape))
        at = np.arange(np.ceil((first - phase) / self.scrape), (self.until) / self.scrape)
        self._at = at * self.scrape + phase
        seconds = np.diff(self._at, prepend=first)
        n = self.rng.poisson(self.per_second * seconds)
        failing = self.failing or NOTHING
        share = [failing(a - s, a) for a, s in zip(self._at, seconds, strict=True)]
        bad = self.rng.binomial(n, share)
        self._n, self._bad = np.cumsum(n), np.cumsum(bad)
        below = [_below(float(one), median_seconds=self.median_seconds) for one in EDGES]
        cells = np.diff(np.concatenate([[0.0], below, [1.0]]))
        drawn = self.rng.multinomial(n, cells / cells.sum())
        self._cumulative = np.cumsum(np.cumsum(drawn, axis=1), axis=0)

    def series(self, *, start: float, end: float) -> list[FakeSeries]:
        first, last = np.searchsorted(self._at, (start - START, end - START), side="right")
        chosen = range(int(first), int(last))
        found = [
            self._drawn(
                "rest_server_requests_total", self._n - self._bad, chosen, status_code="200"
            ),
            self._drawn("rest_server_requests_total", self._bad, chosen, status_code="500"),
        ]
        name = "rest_server_request_duration_seconds_bucket"
        for index, le in enumerate((*EDGES, "+Inf")):
            found.append(self._drawn(name, self._cumulative[:, index], chosen, le=le))
        return found

    def _drawn(
        self, metric: str, counts: np.ndarray, chosen: Sequence[int], **labels: str
    ) -> FakeSeries:
        names = {
            "namespace": "ml",
            "model_deployment": "iris",
            "revision": self.revision,
            "pod": pod_name("iris", self.revision, self.name),
            "instance": f"{self.revision}-{self.name}:8082",
            "path": "/v2/models/iris/infer",
            **labels,
        }
        values = [(START + float(self._at[k]), f"{int(counts[k])}") for k in chosen]
        return FakeSeries(metric=metric, labels=names, values=values)

    def scrapes_after(self, instant: float, *, until: float) -> int:
        """How many scrapes have seen something that began at an instant."""
        return int(np.count_nonzero((self._at > instant) & (self._at <= until)))


def _below(seconds: float, *, median_seconds: float) -> float:
    """Share of log-normal latencies with a sigma of a half that are at most so long."""
    return 0.5 * (1 + math.erf(math.log(seconds / median_seconds) / 0.5 / math.sqrt(2)))


def from_onset(base: float, *, onset: float, then: float) -> Failing:
    """A share of failures, and another one from an instant on."""

    def failing(since: float, until: float) -> float:
        if until <= since:
            return base
        after = max(0.0, until - max(since, onset)) / (until - since)
        return base + (then - base) * after

    return failing


NOTHING = from_onset(0.0, onset=0.0, then=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A rollout at one weight: how much traffic, how many pods, and what fails on either side."""

    weight: float = 0.1
    per_second: float = 100.0
    pods: int = 4
    scrape: float = 15.0
    stable: Failing = NOTHING
    candidate: Failing = NOTHING
    median_seconds: float = 0.08


def bench_of(world: World, *, rng: np.random.Generator, until: float, **analysis: object) -> Bench:
    """The analyst with its defaults before such a world: errors and latency against stable."""
    metrics = [
        metric(name, threshold=model.NO_THRESHOLD) for name in ("error-ratio", "latency-p95")
    ]
    bench = Bench(*metrics, analysis=analysis)
    sources = {
        name: replace(one, scrape_interval_seconds=world.scrape) for name, one in SOURCES.items()
    }
    bench.sources = sources
    candidates = max(1, int(np.ceil(world.pods * world.weight)))

    def pod(revision: str, number: int, share: float, failing: Failing, born: float) -> DrawnPod:
        return DrawnPod(
            revision=revision,
            name=f"{number}",
            per_second=world.per_second * share,
            born_at=START + born,
            failing=failing,
            scrape=world.scrape,
            until=until,
            rng=rng,
            median_seconds=world.median_seconds if revision == build.CANDIDATE else 0.08,
        )

    each = world.weight / candidates
    bench.tsdb.pods = [
        pod(build.CANDIDATE, k, each, world.candidate, -60.0) for k in range(candidates)
    ]
    rest = (1 - world.weight) / world.pods
    bench.tsdb.pods += [
        pod(build.STABLE, k, rest, world.stable, -HISTORY_SECONDS) for k in range(world.pods)
    ]
    step = step_of(100 * world.weight, confirmed_at=bench.clock.now())
    bench.edit_rollout(plan=(step,))
    bench.restart()
    return bench


def ended(
    world: World, *, rng: np.random.Generator, until: float, stop: Verdict = Verdict.ROLL_BACK
) -> tuple[float, model.AnalysisState, Bench]:
    """When the verdict comes, in seconds after the first weight, or infinity; and the last state."""

    async def play() -> tuple[float, model.AnalysisState, Bench]:
        bench = bench_of(world, rng=rng, until=until + 60)
        state = await bench.state()
        every = min(world.scrape, 15.0) / 6
        while bench.clock.monotonic() < until:
            await bench.clock.advance(every)
            await bench.look()
            state = await bench.state()
            if state.verdict is stop:
                return bench.clock.monotonic(), state, bench
        return float("inf"), state, bench

    return asyncio.run(play())
