"""One rollout with drift gates: what stays in memory as its intervals go by."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from dataclasses import dataclass, replace
from importlib import import_module

from bench.controller import analysis
from bench.controller.analysis import CANDIDATE, SCRAPE, STABLE, START
from tidegate import model
from tidegate.controller.analysis.case import Case
from tidegate.controller.analysis.fetch import Ask
from tidegate.controller.analysis.look import Look
from tidegate.controller.analysis.setting import setting_of
from tidegate.controller.analysis.subject import Subject
from tidegate.evidence.counts import samples
from tidegate.evidence.queries import presets
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.terms import LOOKBACK_SCRAPES, Problem, Series, Template
from tidegate.model import Json

BINS = [*(f"{10 * edge}" for edge in range(1, 10)), "+Inf", "missing", "other"]
ROW_SECONDS = 30.0
OBSERVED = "tidegate_probe_feature_observations_total"
OF_REQUESTS = [({"status_code": "200"}, 1.0), ({"status_code": "500"}, 0.001)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """How much a rollout observes, and after how many intervals; one pod is the candidate's."""

    features: int
    pods: int
    first: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Bytes of Python objects after the first and after all intervals, and CPU seconds between.

    `bins_bytes` is what the bins of the rows between have taken until they were recorded.
    """

    first_bytes: int
    last_bytes: int
    bins_bytes: int
    cpu_seconds: float


class Observations:
    """Counters of pods that count their requests, and the bins of their features, unevenly."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs

    def answer(self, ask: Ask) -> tuple[Series, ...] | Problem:
        """The samples that are asked for, as they come from a source."""
        assert isinstance(ask.wanted, Wanted), ask
        assert ask.since is not None, ask
        first = int((ask.since - LOOKBACK_SCRAPES * SCRAPE) // SCRAPE + 1) * SCRAPE
        times = range(first, int(ask.at) + 1, SCRAPE)
        binned = ask.wanted.metric == OBSERVED
        rows: list[Json] = [
            {
                "metric": {**self._target(pod), **labels},
                "values": [[at, f"{self._count(at, pod=pod, share=share)}"] for at in times],
            }
            for pod in range(self._inputs.pods)
            for labels, share in (self._of_features() if binned else OF_REQUESTS)
        ]
        return samples.series_of(json.loads(json.dumps(rows)))

    def _of_features(self) -> list[tuple[dict[str, str], float]]:
        return [
            ({"feature": f"feature-{number}", "bin": label}, 1 / (2 + place + number % 3))
            for number in range(self._inputs.features)
            for place, label in enumerate(BINS)
        ]

    def _target(self, pod: int) -> dict[str, str]:
        revision = STABLE if pod else CANDIDATE
        return {
            "namespace": "ml",
            "model_deployment": "iris",
            "revision": revision,
            "pod": f"iris-{revision}-5d4b9c6f5d-{pod:05}",
            "instance": f"10.0.0.{pod}:8080",
        }

    def _count(self, at: int, *, pod: int, share: float) -> int:
        since = at - int(START.timestamp()) + 7200
        return round(since * share * (5 + pod % 3)) + (at // SCRAPE * (pod + 3)) % 7


def subject() -> Subject:
    """A rollout whose first step never ends, with errors and inputs to be judged."""
    one = analysis.subject(analysis.Size(metrics=1, pods=1))
    inputs = model.Metric(name="inputs", preset=presets.FEATURE_DRIFT, drift=model.Drift())
    measure = presets.PROBE[presets.FEATURE_DRIFT].measure
    return replace(
        one,
        analysis=replace(one.analysis, metrics=(*one.analysis.metrics, inputs)),
        templates={
            **one.templates,
            inputs.name: Template(name=inputs.name, measure=measure, source="default"),
        },
    )


def kept(inputs: Inputs) -> Kept:
    """What the case of a rollout keeps after `first` intervals, and after all of them."""
    import_module("tidegate.evidence.drift.moves")  # SciPy, once for all rollouts
    wanted, world = subject(), Observations(inputs)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    case = Case(setting_of(wanted, scrapes={"default": float(SCRAPE)}))
    case.begin_evidence(wanted)
    _look(case, wanted, world, first=0, rows=inputs.first)
    early = _traced() - before
    began = time.process_time()
    bins = _look(case, wanted, world, first=inputs.first, rows=inputs.rows)
    seconds = time.process_time() - began
    late = _traced() - before
    tracemalloc.stop()
    return Kept(first_bytes=early, last_bytes=late, bins_bytes=bins, cpu_seconds=seconds)


def _look(case: Case, wanted: Subject, world: Observations, *, first: int, rows: int) -> int:
    """One look after each interval, as if it had just gone by; the bytes of the bins of all."""
    found = 0
    for number in range(first, rows):
        at = START.timestamp() + ROW_SECONDS * (number + 1)
        look = Look.begin(wanted, case, at=at)
        while asks := look.asks:
            look.take({ask: world.answer(ask) for ask in asks})
        found += _bins_bytes(case)
        look.end(now=at)
        case.journal()
    return found


def _bins_bytes(case: Case) -> int:
    """Of the rows that are not recorded yet; packed, without the objects around them."""
    return sum(
        len(one.packed)
        for table in case.counting.tables.values()
        for row in table.rows
        for counts in row.counts.values()
        for one in (*counts.bins_c.values(), *counts.bins_s.values())
    )


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
