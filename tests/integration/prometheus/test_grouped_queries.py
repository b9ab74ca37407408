"""What a group gets from a real Prometheus is what each rollout would have got alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import beside
import evidence_build as build
import port_fakes
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tidegate.adapters.clock import SystemClock
from tidegate.adapters.prometheus import PrometheusSources
from tidegate.controller.analysis.fetch import Ask, Fetcher, Found
from tidegate.evidence.queries import narrowing, presets, promql
from tidegate.evidence.queries.narrowing import Matcher, Narrowing
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.terms import Aggregate, Identity, Problem, Selector, Series, Template, Value
from tidegate.ports import RawAnswer, Result
from tidegate.settings import MetricSourceSettings

LABELS = (
    "200",
    "500",
    "503",
    "50",
    "5000",
    "5\n3",
    "a.b",
    "axb",
    "a|b",
    "",
    "é5",
    "ab/ab",
    "+",
    '"',
)


class Counted:
    """`ports.MetricSource` that counts what passes."""

    def __init__(self, source: PrometheusSources) -> None:
        self._source = source
        self.queries: list[str] = []

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> Result[RawAnswer]:
        self.queries.append(promql)
        return await self._source.query(source, promql=promql, at=at, namespace=namespace)


class World:
    """Some rollouts with traffic, that are asked for at one instant."""

    def __init__(self, prometheus: Any, *, settings: MetricSourceSettings, source: Counted) -> None:
        self.prometheus = prometheus
        self.source = source
        self._settings = {"default": settings}
        self.at = 0.0
        self.identities: list[Identity] = []

    async def found(self, asks: Sequence[Ask]) -> list[Found]:
        """The answers to what is asked at once."""
        fetcher = Fetcher(
            source=self.source,
            sources=self._settings,
            executor=beside.Inline(),
            background=beside.Background(recorder=port_fakes.MemoryRecorder()),
        )
        answers = fetcher.send(asks)
        return [await answers[ask] for ask in asks]

    def recent(self, wanted: Wanted) -> Ask:
        """The last five seconds."""
        return Ask(wanted=wanted, since=self.at - 5, at=self.at)

    def wanted(self, template: Template, role: str) -> list[Wanted]:
        found = [
            promql.wanted(template, given={}, identity=one, window_seconds=10)
            for one in self.identities
        ]
        asked = [one[role] for one in found if isinstance(one, Mapping)]
        return [one for one in asked if isinstance(one, Wanted)]


@pytest.fixture(scope="module")
def world(prometheus: Any, deployments: list[Any]) -> Iterator[World]:
    settings = MetricSourceSettings(name="default", url=prometheus.url, scrape_interval_seconds=1.0)
    sources = PrometheusSources(
        [settings], clock=SystemClock(), recorder=port_fakes.MemoryRecorder()
    )
    world = World(prometheus, settings=settings, source=Counted(sources))
    for index, deployment in enumerate(deployments):
        for revision, pod in ((build.CANDIDATE, "a"), (build.CANDIDATE, "b"), (build.STABLE, "a")):
            started = deployment.start(revision, pod)
            started.serve(10 + index)
            started.serve(index, code=500, seconds=0.7)
            started.queue.set(index if pod == "a" else 100)
            started.speak(*LABELS)
        world.identities.append(
            Identity(
                namespace="ml",
                name=deployment.name,
                candidate=build.CANDIDATE,
                stable=build.STABLE,
            )
        )
    for _ in range(2):
        world.at = min(deployment.scraped() for deployment in deployments)
    yield world
    sources.close()


def _template(server: str, metric: str) -> Template:
    template = presets.TEMPLATES[server, metric]
    return Template(name=metric, measure=template.measure, source="default")


@pytest.mark.parametrize(
    ("server", "metric", "role"),
    [
        ("MLServer", "error-ratio", promql.TOTAL),
        ("HTTP", "error-ratio", promql.TOTAL),
        ("MLServer", "latency-p95", promql.BUCKETS),
    ],
)
def test_raw_samples_of_a_group_are_those_of_each_alone(
    world: World, server: str, metric: str, role: str
) -> None:
    wanted = world.wanted(_template(server, metric), role)

    async def play() -> None:
        world.source.queries.clear()
        together = await world.found([world.recent(one) for one in wanted])
        assert len(world.source.queries) == 1
        for one, found in zip(wanted, together, strict=True):
            assert isinstance(found, tuple), found
            pods = {it.labels["pod"] for it in found}
            assert {it.labels["model_deployment"] for it in found} == {one.identity.name}
            assert len(pods) == 3
            (alone,) = await world.found([world.recent(one)])
            assert isinstance(alone, tuple)
            assert _ordered(alone) == _ordered(found)

    asyncio.run(play())


def _ordered(series: tuple[Series, ...]) -> list[tuple[object, ...]]:
    return sorted((sorted(one.labels.items()), one.samples) for one in series)


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [(Aggregate.AVG, 50.0), (Aggregate.MAX, 100.0), (Aggregate.MIN, 0.0), (Aggregate.SUM, 100.0)],
)
def test_a_gauge_is_one_number_per_revision(
    world: World, aggregate: Aggregate, expected: float
) -> None:
    value = Value(series=Selector(metric="queue"), aggregate=aggregate, scale=2.0)
    wanted = world.wanted(Template(name="t", measure=value, source="default"), promql.NUMBER)

    async def play() -> None:
        world.source.queries.clear()
        found = await world.found([Ask(wanted=one, at=world.at) for one in wanted])
        assert len(world.source.queries) == 1
        assert found[0] == {build.CANDIDATE: 2 * expected, build.STABLE: 0.0}
        for index, (one, numbers) in enumerate(zip(wanted, found, strict=True)):
            assert isinstance(numbers, Mapping)
            assert numbers[build.STABLE] == 2 * index
            assert await world.found([Ask(wanted=one, at=world.at)]) == [numbers]

    asyncio.run(play())


def test_a_counter_is_its_rate(world: World) -> None:
    value = Value(series=Selector(metric="odd_total"), aggregate=Aggregate.SUM, counter=True)
    wanted = world.wanted(Template(name="t", measure=value, source="default"), promql.NUMBER)

    found = asyncio.run(world.found([Ask(wanted=wanted[0], at=world.at)]))

    assert found == [{build.CANDIDATE: 0.0, build.STABLE: 0.0}]


def test_rates_by_a_label_are_one_row_per_value_whatever_the_pods(world: World) -> None:
    raw = [
        Wanted(source="default", metric="odd_total", matchers=(), identity=one)
        for one in world.identities
    ]
    wanted = [promql.rates_by(one, labels=("text",), window_seconds=10) for one in raw]

    async def play() -> None:
        world.source.queries.clear()
        found = await world.found([Ask(wanted=one, at=world.at) for one in wanted])
        assert len(world.source.queries) == 1
        for one, series in zip(wanted, found, strict=True):
            assert isinstance(series, tuple)
            told = [(it.labels["revision"], it.labels.get("text", "")) for it in series]
            assert sorted(told) == sorted(
                (revision, text) for revision in (build.CANDIDATE, build.STABLE) for text in LABELS
            )
            assert {it.labels["model_deployment"] for it in series} == {one.identity.name}
            (alone,) = await world.found([Ask(wanted=one, at=world.at)])
            assert isinstance(alone, tuple)
            assert _ordered(alone) == _ordered(series)

    asyncio.run(play())


def test_the_bad_series_picked_here_are_those_that_prometheus_picks(world: World) -> None:
    template = _template("MLServer", "error-ratio")
    (total, *_) = world.wanted(template, promql.TOTAL)
    rule = promql.wanted(template, given={}, identity=total.identity, window_seconds=10)
    assert isinstance(rule, Mapping)
    bad = rule[promql.BAD]
    assert isinstance(bad, Narrowing)
    asked = Wanted(
        source="default",
        metric=total.metric,
        matchers=(*total.matchers, 'status_code=~"5.."'),
        identity=total.identity,
    )

    async def play() -> None:
        everything, found = await world.found([world.recent(total), world.recent(asked)])
        assert isinstance(everything, tuple)
        assert isinstance(found, tuple)
        picked = bad.pick(everything)
        assert not isinstance(picked, Problem)
        assert 0 < len(picked) < len(everything)
        assert _ordered(picked) == _ordered(found)

    asyncio.run(play())


_ATOMS = st.sampled_from(
    ["5", "0", "a", "b", ".", r"\.", r"\+", r"\|", "[0-9]", "[^5]", "[a-b/]", '"', "/", "."]
)
_PIECES = st.builds(str.__add__, _ATOMS, st.sampled_from(["", "", "", "*", "+", "?"]))
_SEQUENCES = st.lists(_PIECES, max_size=3).map("".join)
_GROUPS = st.builds(
    "{}{}|{}{}".format,
    st.sampled_from(["(", "(?:"]),
    _SEQUENCES,
    _SEQUENCES,
    st.sampled_from([")", ")?"]),
)
_PATTERNS = st.lists(_SEQUENCES | _GROUPS | st.just("|"), max_size=3).map("".join)


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(pattern=_PATTERNS, positive=st.booleans())
def test_patterns_that_are_matched_here_mean_the_same_to_prometheus(
    world: World, *, pattern: str, positive: bool
) -> None:
    matcher = Matcher(label="text", positive=positive, pattern=pattern)
    rule = narrowing.narrowing([], bad=[matcher])
    assume(rule is not None)
    assert rule is not None
    name = world.identities[0].name
    everything = f'odd_total{{model_deployment="{name}",pod=~".*-0000a"}}'
    escaped = pattern.replace("\\", "\\\\").replace('"', '\\"')
    operator = "=~" if positive else "!~"
    chosen = everything.replace("}", f',text{operator}"{escaped}"}}')

    picked = {
        (it["metric"]["revision"], it["metric"].get("text", ""))
        for it in world.prometheus.query(everything, at=world.at)
        if rule.accepts(Series(labels=it["metric"], samples=()))
    }

    found = {
        (it["metric"]["revision"], it["metric"].get("text", ""))
        for it in world.prometheus.query(chosen, at=world.at)
    }
    assert picked == found
