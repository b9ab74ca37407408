"""A `ports.MetricSource` that holds series and understands the queries of grouped metrics."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean
from typing import Any

from tidegate.evidence.terms import Identity
from tidegate.ports import Failure, Ok, RawAnswer, Result

_SELECTOR = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}')
_MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)(=~|!~)"((?:[^"\\]|\\.)*)"')
_BY = ("namespace", "model_deployment", "revision")

Row = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class FakeSeries:
    """A series; `values` holds (unix seconds, text as Prometheus writes it)."""

    metric: str
    labels: Mapping[str, str]
    values: list[tuple[float, str]]


@dataclass(slots=True)
class FakeSource:
    """Answers from `series`; `spoil` may change rows, `fail` may refuse a query."""

    series: list[FakeSeries] = field(default_factory=list)
    queries: list[tuple[str, float]] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    fail: Callable[[str], Failure | None] = lambda _: None
    spoil: Callable[[list[Row], str], None] = lambda _rows, _promql: None
    warnings: tuple[str, ...] = ()
    hangs: bool = False

    def grows(
        self,
        identity: Identity,
        *,
        metric: str = "m_total",
        until: float,
        pods: Iterable[str] = ("a", "b"),
        **labels: str,
    ) -> None:
        """A counter per pod of both revisions, one event per second, scraped every 15 s."""
        for revision in (identity.candidate, identity.stable):
            for pod in pods if revision else ():
                names = {
                    "namespace": identity.namespace,
                    "model_deployment": identity.name,
                    "revision": revision,
                    "pod": pod_name(identity.name, revision, pod),
                    **labels,
                }
                values = [(float(at), str(at)) for at in range(0, int(until) + 1, 15)]
                self.series.append(FakeSeries(metric=metric, labels=names, values=values))

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> Result[RawAnswer]:
        del source
        instant = at.timestamp()
        self.queries.append((promql, instant))
        self.namespaces.append(namespace)
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        failure = self.fail(promql)
        if failure is not None:
            return failure
        raw = promql.endswith("]")
        rows = self._raw(promql, at=instant) if raw else self._numbers(promql, at=instant)
        self.spoil(rows, promql)
        kind = "matrix" if raw else "vector"
        return Ok(RawAnswer(result_type=kind, result=rows, warnings=self.warnings))

    def _matching(self, promql: str) -> list[FakeSeries]:
        found = _SELECTOR.search(promql)
        assert found, promql
        metric, inside = found.groups()
        matchers = [
            (label, op == "=~", _text(text)) for label, op, text in _MATCHER.findall(inside)
        ]
        assert len(matchers) == inside.count('~"'), promql
        return [
            one
            for one in self.series
            if one.metric == metric
            and all(
                (re.fullmatch(pattern, one.labels.get(label, "")) is not None) == positive
                for label, positive, pattern in matchers
            )
        ]

    def _raw(self, promql: str, *, at: float) -> list[Row]:
        seconds = float(promql.rsplit("[", 1)[1].removesuffix("s]"))
        rows = []
        for one in self._matching(promql):
            values = [[when, text] for when, text in one.values if at - seconds < when <= at]
            if values:
                metric = {"__name__": one.metric} | dict(one.labels)
                rows.append({"metric": metric, "values": values})
        return rows

    def _numbers(self, promql: str, *, at: float) -> list[Row]:
        groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for one in self._matching(promql):
            last = [float(text) for when, text in one.values if when <= at]
            groups[tuple(one.labels[name] for name in _BY)].append(last[-1])
        by: dict[str, Callable[[list[float]], float]] = {
            "avg": fmean,
            "max": max,
            "min": min,
            "sum": sum,
        }
        return [
            {
                "metric": dict(zip(_BY, key, strict=True)),
                "value": [at, str(by[promql[:3]](values))],
            }
            for key, values in groups.items()
        ]


def pod_name(name: str, revision: str, pod: str) -> str:
    """Names of the pods of a Deployment: a ReplicaSet's hash and five more characters."""
    return f"{name}-{revision}-5d4b9c6f5d-{pod:0>5}"


def _text(literal: str) -> str:
    return literal.replace("\\\\", "\\")
