"""Watches what serves, beside the passes and at low cost: few looks, all models at once.

All models that are looked at equally often are looked at together, at multiples of their interval:
so those with one template share one query, whoever asked first. A source sums over pods itself, so
that an answer has one row for each feature and bin of a model, and no row of a pod.

What is kept of a model is bounded (`evidence.drift.slices`) and lost with the process: then the watch
begins anew, and what was found stands in status until a whole window has shown something else.
Source: ADR 0080; performance.md, 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from tidegate import model
from tidegate.controller.analysis.fetch import Answers, Ask, Fetcher
from tidegate.controller.analysis.pieces import Asked
from tidegate.controller.background import Background
from tidegate.controller.ticks import Ticks
from tidegate.controller.watch import distributions, labels, limits
from tidegate.controller.watch.family import Answered, Family, Slice, State
from tidegate.controller.watch.served import Served
from tidegate.evidence.attempt import attempt, failure
from tidegate.evidence.queries.promql import Free, Wanted
from tidegate.evidence.terms import Problem
from tidegate.ports import Clock, Executor, MetricSource
from tidegate.settings import MetricSourceSettings

FAMILIES: Mapping[model.Against, Family] = {
    model.Against.TRAINING: Family(asked=distributions.asked, looked=distributions.looked),
    model.Against.THRESHOLD: Family(asked=limits.asked, looked=limits.looked),
    model.Against.LABELS: Family(asked=labels.asked, looked=labels.looked),
}
LATE_SECONDS = 2.0  # until the last sample of a slice can be asked for
LEAST_SCRAPES = 4  # of a slice: a rate of fewer samples is none

Rows = tuple[model.WatchedMetric, ...]


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A model that is watched, and what is known of each of its metrics."""

    served: Served
    slice_seconds: float
    known: dict[str, State] = field(default_factory=dict)
    rows: Rows = ()


class Watcher:
    """The newest finding for every revision that serves. Must be used from one event loop."""

    def __init__(
        self,
        *,
        source: MetricSource,
        clock: Clock,
        sources: Mapping[str, MetricSourceSettings],
        executor: Executor,
        background: Background,
        leading: Callable[[], bool],
    ) -> None:
        self._fetcher = Fetcher(
            source=source, sources=sources, executor=executor, background=background
        )
        self._clock = clock
        self._sources = sources
        self._executor = executor
        self._background = background
        self._leading = leading
        self._entries: dict[str, _Entry] = {}
        self._ticks = Ticks(
            self._come_up,
            clock=clock,
            background=background,
            name="tick of the watch",
            late_seconds=LATE_SECONDS,
        )

    def newest(self, served: Served) -> Rows:
        """What the newest look found; from now on it is looked at. Empty before the first look."""
        entry = self._entries.get(served.uid)
        slice_seconds = self._slice_seconds(served)
        if entry is None or not _goes_on(entry, served, slice_seconds=slice_seconds):
            entry = _Entry(served=served, slice_seconds=slice_seconds)
            self._entries[served.uid] = entry
            self._put(entry)
        entry.served = served
        return entry.rows

    def forget(self, uid: str) -> None:
        """It is not watched now: drop what is known of it."""
        self._entries.pop(uid, None)

    def _slice_seconds(self, served: Served) -> float:
        scrapes = [
            self._sources[one.source].scrape_interval_seconds
            for one in served.templates.values()
            if one.source in self._sources
        ]
        least = LEAST_SCRAPES * max(scrapes, default=0.0)
        return math.ceil(max(served.monitoring.interval_seconds, least))

    # --- when ------------------------------------------------------------------------------------

    def _put(self, entry: _Entry) -> None:
        """Look at the end of the slice that is open now, together with all others."""
        length = entry.slice_seconds
        self._ticks.put(entry, at=(math.floor(self._now() / length) + 1) * length)

    def _come_up(self, at: float, waiting: list[_Entry]) -> None:
        """Ask for everything that is due at once, and judge it one by one."""
        due = [one for one in waiting if self._entries.get(one.served.uid) is one]
        for entry in due:
            self._put(entry)
        if not self._leading() or self._now() < at:
            return  # nobody asks, or the clock was set back
        looks = [(entry, _asked(entry.served, seconds=entry.slice_seconds)) for entry in due]
        answers = self._fetcher.send(
            ask
            for _, asked in looks
            for one in asked.values()
            if not isinstance(one, Problem)
            for ask in _asks(one, at=at).values()
        )
        for entry, asked in looks:
            self._background.spawn(
                self._look(entry, asked, answers, at=at), name="look of the watch"
            )

    def _now(self) -> float:
        return self._clock.now().timestamp()

    # --- looking ---------------------------------------------------------------------------------

    async def _look(
        self,
        entry: _Entry,
        asked: Mapping[str, Asked | Problem],
        answers: Answers,
        *,
        at: float,
    ) -> None:
        newest, before = Slice(served=entry.served, at=at, seconds=entry.slice_seconds), entry.rows
        answered: dict[str, Answered | Problem] = {}
        for name, one in asked.items():
            if isinstance(one, Problem):
                answered[name] = one
                continue
            asks = _asks(one, at=at)
            found = {role: await answers[ask] for role, ask in asks.items()}
            answered[name] = Answered(asked=one, found=found)
        judged = await self._executor.run(partial(_judged, dict(entry.known), newest, answered))
        if self._entries.get(entry.served.uid) is not entry:
            return  # it is not watched any more
        entry.known, entry.rows = judged
        if entry.rows != before:
            self._background.wake(entry.served.key)


def _asked(served: Served, *, seconds: float) -> Mapping[str, Asked | Problem]:
    """What each metric wants, or why it cannot be asked for."""
    return {
        metric.name: attempt(
            partial(_family(metric).asked, metric, served=served, seconds=seconds),
            otherwise=failure,
        )
        for metric in served.metrics
    }


def _asks(asked: Asked, *, at: float) -> Mapping[str, Ask]:
    return {
        role: Ask(wanted=one, at=at)
        for role, one in asked.items()
        if isinstance(one, Wanted | Free)
    }


def _goes_on(entry: _Entry, served: Served, *, slice_seconds: float) -> bool:
    """What was counted still holds: the same revision, counted in the same way."""
    was = entry.served
    return (was.revision, was.templates, entry.slice_seconds) == (
        served.revision,
        served.templates,
        slice_seconds,
    )


def _family(metric: model.Metric) -> Family:
    against = model.against_of(metric)
    assert against is not None, metric
    return FAMILIES[against]


def _judged(
    known: dict[str, State], newest: Slice, answered: Mapping[str, Answered | Problem]
) -> tuple[dict[str, State], Rows]:
    """The state of each metric after one more slice, and the rows for status."""
    rows = []
    for metric in newest.served.metrics:
        state, row = _family(metric).looked(
            metric, known.get(metric.name), answered=answered[metric.name], newest=newest
        )
        known[metric.name] = state
        rows.append(row)
    return known, tuple(rows)
