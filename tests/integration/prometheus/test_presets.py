"""Presets against a real Prometheus that scrapes what real servers exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import recorded
from evidence_build import CANDIDATE, STABLE

from tidegate.evidence.counts import histograms, samples, tally
from tidegate.evidence.queries import presets, promql
from tidegate.evidence.queries.narrowing import Narrowing
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import Identity, Latency, Series, Window

# Others export the same names: vLLM http_requests_total, OpenVINO ovms_requests_success.
SHARING_NAMES = {"HTTP", "OpenVINOGraph"}
Played = dict[str, tuple[Identity, Window]]
Asked = dict[str, tuple[Series, ...]]


def _asked(prometheus: Any, server: str, metric: str, identity: Identity) -> Asked:
    """The series that the operator would find, by role."""
    wanted = promql.wanted(
        presets.TEMPLATES[server, metric], given={}, identity=identity, window_seconds=60
    )
    assert not isinstance(wanted, Unsafe), wanted
    found: Asked = {}
    for role, one in wanted.items():  # the total comes before what is picked from it
        if isinstance(one, Wanted):
            rows = prometheus.query(one.group.text([identity], range_seconds=60))
            series = samples.series_of(rows)
        else:
            assert isinstance(one, Narrowing)
            series = one.pick(found[promql.TOTAL])
        assert isinstance(series, tuple), series
        found[role] = series
    return found


def _count(series: tuple[Series, ...], among: tuple[Series, ...], window: Window) -> float:
    return sum(tally.once(series, window=window, among=among).events.values())


def _replayed(prometheus: Any, path: str, *, matchers: str, servers: Iterable[str]) -> Window:
    """The time between a scrape before the traffic of all these servers and one after it."""
    scraped = []
    for moment in ("before", "after"):
        text = "".join(recorded.text(server, moment) for server in servers)
        prometheus.replay(path, text)
        scraped.append(prometheus.scraped(matchers))
    return Window(start=scraped[0], end=scraped[1], scrape_interval_seconds=1.0)


@pytest.fixture(scope="module")
def played(prometheus: Any, names: Iterator[str]) -> Played:
    """Pods that speak like many servers at once; those that share a name stand apart."""
    apart = [it for it in recorded.COUNTED if it in SHARING_NAMES]
    rest = [it for it in recorded.COUNTED if it not in SHARING_NAMES]
    found = {}
    for servers in (apart, rest):
        name = next(names)
        matchers = f'model_deployment="{name}",revision="{CANDIDATE}",pod=~".*-0000a"'
        path = f"/{name}/{CANDIDATE}/a"
        window = _replayed(prometheus, path, matchers=matchers, servers=servers)
        identity = Identity(namespace="ml", name=name, candidate=CANDIDATE)
        found |= dict.fromkeys(servers, (identity, window))
    return found


@pytest.mark.parametrize("server", [it for it, one in recorded.COUNTED.items() if one.bad])
def test_errors_are_those_that_were_served(prometheus: Any, played: Played, server: str) -> None:
    identity, window = played[server]

    found = _asked(prometheus, server, "error-ratio", identity)

    total, bad = found[promql.TOTAL], found[promql.BAD]
    expected = recorded.COUNTED[server]
    assert _count(total, total, window) == expected.total
    assert _count(bad, total, window) == expected.bad


@pytest.mark.parametrize("server", [it for it, one in recorded.COUNTED.items() if one.timed])
def test_slow_requests_are_those_that_were_served(
    prometheus: Any, played: Played, server: str
) -> None:
    identity, window = played[server]
    measure = presets.TEMPLATES[server, "latency-p95"].measure
    assert isinstance(measure, Latency)

    series = _asked(prometheus, server, "latency-p95", identity)[promql.BUCKETS]
    histogram = histograms.collect(
        tally.once(series, window=window).events, unit_seconds=measure.unit_seconds
    )

    assert histogram is not None
    assert histogram.total == recorded.COUNTED[server].timed
    edge = max(edge for edge in histogram.edges if edge <= 0.5)
    assert histogram.above(edge) == recorded.COUNTED[server].slow


def test_the_documented_relabelling_tells_the_clusters_of_a_gateway_apart(prometheus: Any) -> None:
    window = _replayed(prometheus, "/gateway", matchers='job="gateway"', servers=["Envoy"])
    identity = Identity(namespace="ml", name="iris", candidate=STABLE)

    found = _asked(prometheus, "Envoy", "error-ratio", identity)

    total, bad = found[promql.TOTAL], found[promql.BAD]
    assert (_count(total, total, window), _count(bad, total, window)) == (17, 3)
