"""A real Watcher before a metric source that answers with rates by bin, time in the test's hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import beside
import evidence_build as build
import port_fakes

from tidegate import model
from tidegate.controller.watch.served import Served
from tidegate.controller.watch.watcher import Watcher
from tidegate.controller.workqueue import Key
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Template, TrainingData
from tidegate.ports import Failure, Ok, RawAnswer, Result
from tidegate.settings import MetricSourceSettings

USUAL = {"1": 0.3, "5": 0.4, "+Inf": 0.2, "missing": 0.1, "other": 0.0}
MOVED = {"1": 0.1, "5": 0.1, "+Inf": 0.5, "missing": 0.3, "other": 0.0}
TRAINED = {label: 100_000.0 * share for label, share in USUAL.items()}
WINDOW = 3600.0
SLICE = WINDOW / model.SLICES
_NAMES = re.compile(r'model_deployment=~"([^"]*)"')


@dataclass(kw_only=True)
class Rates:
    """`ports.MetricSource`: every model that is named sees the same mix, `per_second` requests."""

    mix: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: {"amount": USUAL})
    per_second: float = 50.0
    queries: list[tuple[str, datetime]] = field(default_factory=list)
    failure: Failure | None = None
    number: Callable[[float], str] = repr
    bin_label: str = "bin"
    sums: Callable[[str], Sequence[tuple[Mapping[str, str], float]]] | None = None

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> Result[RawAnswer]:
        del source, namespace
        self.queries.append((promql, at))
        await asyncio.sleep(0)
        if self.failure is not None:
            return self.failure
        if self.sums is not None:
            return Ok(RawAnswer(result_type="vector", result=self._summed(promql, at.timestamp())))
        found = _NAMES.search(promql)
        assert found is not None, promql
        rows = [row for name in found[1].split("|") for row in self._rows(name, at.timestamp())]
        return Ok(RawAnswer(result_type="vector", result=rows))

    def _summed(self, promql: str, at: float) -> list[dict[str, Any]]:
        """Rows of iris with these labels, by what the query asks for."""
        assert self.sums is not None
        whose = {"namespace": "ml", "model_deployment": "iris", "revision": build.STABLE}
        return [
            {"metric": {**whose, **labels}, "value": [at, self.number(number)]}
            for labels, number in self.sums(promql)
        ]

    def _rows(self, name: str, at: float) -> list[dict[str, Any]]:
        whose = {"namespace": "ml", "model_deployment": name, "revision": build.STABLE}
        return [
            {
                "metric": {**whose, "feature": feature, self.bin_label: label},
                "value": [at, self.number(self.per_second * share)],
            }
            for feature, shares in self.mix.items()
            for label, share in shares.items()
        ]


def template(**more: Any) -> Template:
    preset = presets.PROBE[presets.FEATURE_DRIFT]
    fields: dict[str, Any] = {"mode": model.IdentityMode.LABEL, **more}
    return Template(name="skew", measure=preset.measure, source="default", **fields)


def metric(name: str = "skew", **more: Any) -> model.Metric:
    reference = model.ProfileRef(name="training", key="profile.json")
    return model.Metric(
        name=name, preset=presets.FEATURE_DRIFT, drift=model.Drift(training=reference), **more
    )


def served(name: str = "iris", **more: Any) -> Served:
    fields: dict[str, Any] = {
        "monitoring": model.Monitoring(window_seconds=WINDOW),
        "metrics": (metric(),),
        "templates": {"skew": template()},
        "references": {"skew": TrainingData(counts={"amount": TRAINED})},
        "analysis": build.analysis(),
        **more,
    }
    key = Key(namespace="ml", name=name)
    return Served(key=key, uid=f"uid-{name}", revision=build.STABLE, **fields)


class Bench:
    """One process that watches; `watched` is whom its passes name."""

    def __init__(self, *watched: Served) -> None:
        self.watched = list(watched or (served(),))
        self.source = Rates()
        self.clock = port_fakes.ManualClock()
        self.leading = True
        self.restart()

    def restart(self) -> None:
        """Another process: nothing of the old one is left."""
        self.recorder = port_fakes.MemoryRecorder()
        self.background = beside.Background(recorder=self.recorder)
        settings = MetricSourceSettings(name="default", url="", scrape_interval_seconds=15.0)
        self.watcher = Watcher(
            source=self.source,
            clock=self.clock,
            sources={"default": settings},
            executor=beside.Inline(),
            background=self.background,
            leading=lambda: self.leading,
        )

    def edit(self, **changes: Any) -> None:
        self.watched = [replace(one, **changes) for one in self.watched]

    async def rows(self, *, slices: int = 1) -> tuple[model.WatchedMetric, ...]:
        """What the passes read after so many more looks, of the first one."""
        for one in self.watched:
            self.watcher.newest(one)
        for _ in range(slices):
            await self.clock.advance(SLICE)
            await self.background.idle()
        first, *_ = [self.watcher.newest(one) for one in self.watched]
        return first

    def woken(self) -> list[Key]:
        """The passes that are asked for from now on."""
        found: list[Key] = []

        def wake(key: Key, *, priority: bool = False) -> None:
            assert not priority
            found.append(key)

        self._beside = asyncio.get_running_loop().create_task(self.background.run(wake))
        return found


def run(scenario: Callable[[Bench], Awaitable[None]], bench: Bench | None = None) -> None:
    beside.play(scenario, bench or Bench())
