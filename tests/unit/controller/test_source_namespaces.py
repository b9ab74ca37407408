"""A metric source is open to some namespaces, and is told for which one it is asked."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import beside
import fetch_world
import port_fakes
import pytest
from api_examples import SMALLEST
from fetch_world import START, TICK, World, run_play

from tidegate import model, ports
from tidegate.controller import preflight
from tidegate.controller.analysis.fetch import Ask, Fetcher
from tidegate.controller.dependencies import ref_of
from tidegate.controller.identities import Identities
from tidegate.controller.reading import SpecReader
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key
from tidegate.evidence.queries.promql import Free
from tidegate.evidence.terms import Problem, Reason
from tidegate.settings import MetricSourceSettings, Settings

URL = "http://127.0.0.1:9090"
OWN = {"enforces_namespace": True, "namespaces": ("team-a",)}
FREE = [{"name": "q", "query": "sum(payments_total)", "threshold": {"max": 1}}]


def _read(namespace: str, *, source: str, analysis: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The violations (path, reason) of a spec of that namespace that names a source."""
    sources = (
        MetricSourceSettings(name="default", url=URL),
        MetricSourceSettings(name="team-a", url=URL, **OWN),  # type: ignore[arg-type]
    )
    body = copy.deepcopy(SMALLEST)
    body["metadata"] |= {"namespace": namespace, "uid": "u"}
    body["spec"]["analysis"] = {"source": source, **analysis}
    store = Store()
    store.put(ports.MODEL_DEPLOYMENT, body)
    reader = SpecReader(store=store, settings=Settings(metric_sources=sources))
    entry = store.entry(ref_of(ports.MODEL_DEPLOYMENT, body))
    assert entry is not None
    return [(it.path, it.reason) for it in reader.asked(entry, frozen=None).violations]


@pytest.mark.parametrize("analysis", [{}, {"metrics": FREE}], ids=["presets", "a free query"])
def test_a_source_of_others_is_a_reference_that_does_not_exist(analysis: dict[str, Any]) -> None:
    assert _read("team-a", source="team-a", analysis=analysis) == []

    found = _read("team-b", source="team-a", analysis=analysis)

    assert found
    assert {reason for _, reason in found} == {"ReferenceNotFound"}
    assert "spec.analysis.source" in {path for path, _ in found}


def test_a_free_query_still_needs_a_source_that_enforces_the_namespace() -> None:
    found = _read("team-a", source="default", analysis={"metrics": FREE})

    assert found == [("spec.analysis.metrics[0].query", "InvalidSpec")]


def _world(**settings: Any) -> World:
    """Four rollouts in two namespaces, and a source with these settings."""
    world = World(4)
    recorder = port_fakes.MemoryRecorder()
    world.fetcher = Fetcher(
        source=world.source,
        sources={"default": replace(fetch_world.SOURCES["default"], **settings)},
        executor=beside.Inline(),
        background=beside.Background(recorder=recorder),
    )
    return world


def test_a_source_that_is_told_is_asked_for_one_namespace_at_a_time() -> None:
    async def play() -> None:
        world = _world(namespace_parameter="namespace")

        assert all(world.complete(await world.at_once(START)))

        told = dict(zip(world.source.namespaces, world.sent(), strict=True))
        assert set(told) == {"ml", "ml-prod"}
        for namespace, promql in told.items():
            assert f'namespace=~"{namespace}"' in promql

    run_play(play)


def test_a_source_that_is_not_told_answers_all_namespaces_at_once() -> None:
    async def play() -> None:
        world = _world()

        assert all(world.complete(await world.at_once(START)))
        assert world.source.namespaces == [""]

    run_play(play)


@pytest.mark.parametrize("raw", [True, False])
def test_nobody_asks_a_source_of_others(*, raw: bool) -> None:
    async def play() -> None:
        world = _world(namespaces=("ml",))
        asks = [
            Ask(wanted=one, since=START - TICK, at=START)
            if raw
            else Ask(
                wanted=Free(source="default", promql="1", namespace=one.identity.namespace),
                at=START,
            )
            for one in world.wanted
        ]

        found = await world.found(asks)

        for one, answer in zip(world.wanted, found, strict=True):
            refused = isinstance(answer, Problem) and "not open to" in answer.message
            assert refused is (one.identity.namespace != "ml")
            if refused:
                assert isinstance(answer, Problem)
                assert answer.reason is Reason.ERROR
        assert all("ml-prod" not in promql for promql in world.sent())

    run_play(play)


def test_labels_are_looked_up_for_the_namespace_and_never_at_a_source_of_others() -> None:
    async def play() -> None:
        world = World(0)
        recorder = port_fakes.MemoryRecorder()
        told = MetricSourceSettings(name="told", url=URL, namespace_parameter="namespace")
        closed = MetricSourceSettings(name="closed", url=URL, namespaces=("team-a",))
        background = beside.Background(recorder=recorder)
        identities = Identities(
            source=world.source,
            clock=port_fakes.ManualClock(),
            sources={"told": told, "closed": closed},
            background=background,
        )

        identities.newest(
            Key(namespace="ml", name="iris"),
            revision="c0ffee0001",
            asked=("told", "closed"),
            kept=(),
            rollout="",
        )
        for _ in range(20):  # it goes on beside us, until something is found
            await asyncio.sleep(0)

        assert world.source.namespaces == ["ml"]
        background.end()

    run_play(play)


def test_what_is_missing_is_asked_for_the_namespace_too() -> None:
    async def play() -> None:
        world = World(0)
        told = MetricSourceSettings(name="told", url=URL, namespace_parameter="namespace")
        looks = preflight.Looks(
            source=world.source, clock=port_fakes.ManualClock(), sources={"told": told}
        )
        metric = model.Metric(name="errors", preset="error-ratio")
        reader = preflight.presets.TEMPLATES["MLServer", "error-ratio"]
        subject = preflight.Subject(
            namespace="ml",
            name="iris",
            uid="u",
            revision="c0ffee0001",
            metrics=(metric,),
            templates={"errors": replace(reader, source="told")},
            server="MLServer",
            data_plane="",
            source="told",
        )

        await looks.rows(subject)

        assert set(world.source.namespaces) == {"ml"}

    run_play(play)
