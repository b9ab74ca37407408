"""Prometheus of the simulated cluster: counters per pod, scraped, and asked by raw selectors.

Counters follow the truth of each revision; a scrape turns them into samples; a query is matched
against labels and answered with raw samples, exactly in the shapes of the real source.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from tests.sim import rates

from tidegate import ports
from tidegate.model import IdentityMode

_SELECTOR = re.compile(r"(?P<metric>[\w:]+)\{(?P<matchers>.*)\}\[(?P<range>\d+)s\]", re.DOTALL)
_COUNT = re.compile(r"count by \(job\) \((?P<selector>.*)\)", re.DOTALL)
_MATCHER = re.compile(r'(?P<label>\w+)(?P<operator>=~|!~|!=|=)"(?P<value>(?:[^"\\]|\\.)*)"')
EDGES = ("0.05", "0.1", "0.25", "0.5", "1.0", "+Inf")
FAST_EDGE, SLOW_EDGE = 1, 4  # index of the first bucket that fast and slow requests fall into
FEATURES = "tidegate_probe_feature_observations_total"
_OLDEST_SECONDS = 1800.0
LOOKBACK_SECONDS = 300  # how old a sample may be that an instant query still sees


def target_labels(
    style: IdentityMode, *, namespace: str, name: str, revision: str, pod: str
) -> dict[str, str]:
    """What the scrape of a pod says whose it is; nothing for style Gateway."""
    labels = {"namespace": namespace, "pod": pod}
    match style:
        case IdentityMode.LABEL:
            return labels | {"model_deployment": name, "revision": revision}
        case IdentityMode.POD_LABEL:
            ours = {"tidegate_dev_model_deployment": name, "tidegate_dev_revision": revision}
            return labels | ours
        case IdentityMode.POD:
            return labels
        case IdentityMode.GATEWAY:
            return {}


@dataclass(slots=True)
class Series:
    """Samples of one label set, ascending in time."""

    labels: dict[str, str]
    times: list[float] = field(default_factory=list)
    values: list[list[Any]] = field(default_factory=list)

    def add(self, at: float, value: float) -> None:
        self.times.append(at)
        self.values.append([at, str(round(value))])

    def between(self, after: float, until: float) -> list[list[Any]]:
        low, high = bisect_right(self.times, after), bisect_right(self.times, until)
        return self.values[low:high]


@dataclass(slots=True)
class PodCounters:
    """What one server counts since it started."""

    labels: dict[str, str]
    good: float = 0.0
    bad: float = 0.0
    slow: float = 0.0
    observed: dict[tuple[str, str], float] = field(default_factory=dict)  # by feature and bin
    series: dict[tuple[str, str], Series] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return self.good + self.bad

    def serve(self, requests: float, *, error_ratio: float, slow_ratio: float) -> None:
        """Answer requests with these shares of errors and slow answers."""
        self.bad += requests * error_ratio
        self.good += requests * (1.0 - error_ratio)
        self.slow += requests * slow_ratio

    def observe(self, requests: float, mix: Mapping[str, Mapping[str, float]]) -> None:
        """Count requests by the bins of their features; a bin is there before its first one."""
        for feature, shares in mix.items():
            for label, share in shares.items():
                key = (feature, label)
                self.observed[key] = self.observed.get(key, 0.0) + requests * share

    def scrape(self, at: float) -> None:
        """Turn the counters into samples. A label set appears with its first request."""
        requests = "rest_server_requests_total"
        self._add(("up", ""), {}, at)
        if self.good >= 0.5:
            self._add((requests, "200"), {"path": "/v2/models/m/infer", "status_code": "200"}, at)
        if self.bad >= 0.5:
            self._add((requests, "500"), {"path": "/v2/models/m/infer", "status_code": "500"}, at)
        for edge in EDGES:
            key = ("rest_server_request_duration_seconds_bucket", edge)
            self._add(key, {"path": "/v2/models/m/infer", "le": edge}, at)
        for feature, label in self.observed:
            more = {"feature": feature, "bin": label}
            self._add((FEATURES, f"{feature} {label}"), more, at)

    def _add(self, key: tuple[str, str], more: dict[str, str], at: float) -> None:
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = Series(self.labels | more)
        series.add(at, self._value(key))

    def _value(self, key: tuple[str, str]) -> float:
        metric, detail = key
        if metric == "up":
            return 1.0
        if metric == FEATURES:
            feature, label = detail.split(" ")
            return self.observed[feature, label]
        if metric == "rest_server_requests_total":
            return self.good if detail == "200" else self.bad
        edge = EDGES.index(detail)
        fast = self.total - self.slow if edge >= FAST_EDGE else 0.0
        return fast + (self.slow if edge >= SLOW_EDGE else 0.0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A parsed range selector."""

    metric: str
    matchers: tuple[tuple[str, bool, re.Pattern[str]], ...]
    range_seconds: float

    def accepts(self, labels: dict[str, str]) -> bool:
        return all(
            bool(pattern.fullmatch(labels.get(label, ""))) is positive
            for label, positive, pattern in self.matchers
        )


@lru_cache(maxsize=8192)
def parse(promql: str) -> Wanted:
    """Take a selector apart as `evidence.queries` renders it; anything else is an error."""
    found = _SELECTOR.fullmatch(promql)
    assert found is not None, promql
    matchers = tuple(
        (m["label"], m["operator"] in {"=", "=~"}, _pattern(m["operator"], m["value"]))
        for m in _MATCHER.finditer(found["matchers"])
    )
    return Wanted(found["metric"], matchers, float(found["range"]))


@lru_cache(maxsize=1024)
def _pattern(operator: str, quoted: str) -> re.Pattern[str]:
    text = re.sub(r"\\(.)", r"\1", quoted)
    return re.compile(text if operator.endswith("~") else re.escape(text))


def forget() -> None:
    """Free what is remembered of queries: it is the world's, and none of the operator's memory."""
    parse.cache_clear()
    _pattern.cache_clear()
    re.purge()


class Target(Protocol):
    """What was scraped of one pod: series by metric and detail."""

    series: dict[tuple[str, str], Series]


class Prometheus:
    """All samples; pods that are gone keep theirs."""

    def __init__(self) -> None:
        self._pods: list[Target] = []
        self._matching: dict[tuple[str, Any], bool] = {}
        self.visible_after_seconds = 0.5

    def add(self, counters: Target) -> None:
        self._pods.append(counters)

    def answer(self, promql: str, *, at: float) -> ports.RawAnswer:
        """Raw samples in (at - range, at], as far as they are visible; or the newest of each."""
        if not promql.endswith("]"):
            return self._newest(promql, at=at)
        wanted = parse(promql)
        result = []
        for pod in self._pods:
            for (metric, _), series in pod.series.items():
                if metric != wanted.metric or not wanted.accepts(series.labels):
                    continue
                values = series.between(at - wanted.range_seconds, at)
                if values:
                    result.append({"metric": series.labels, "values": values})
        return ports.RawAnswer(result_type="matrix", result=result)

    def _newest(self, promql: str, *, at: float) -> ports.RawAnswer:
        """The last sample of each series of any of the selectors; or how many by job, or summed rates."""
        if rates.is_asked(promql):
            rows = self.answer(
                rates.selector(promql, lookback_seconds=LOOKBACK_SECONDS), at=at
            ).result
            summed = rates.summed(promql, rows=rows, at=at)
            return ports.RawAnswer(result_type="vector", result=summed)
        counted = _COUNT.fullmatch(promql)
        if counted is not None:
            return self._count(counted["selector"], at=at)
        found = {
            id(row["metric"]): {"metric": row["metric"], "value": row["values"][-1]}
            for selector in promql.split(" or ")
            for row in self.answer(f"{selector}[{LOOKBACK_SECONDS}s]", at=at).result
        }
        return ports.RawAnswer(result_type="vector", result=list(found.values()))

    def _count(self, selector: str, *, at: float) -> ports.RawAnswer:
        found = self._newest(selector, at=at).result
        jobs = Counter(one["metric"]["job"] for one in found)
        result = [
            {"metric": {"job": job}, "value": [at, str(n)]} for job, n in sorted(jobs.items())
        ]
        return ports.RawAnswer(result_type="vector", result=result)
