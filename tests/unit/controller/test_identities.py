"""When a source is asked for the labels of a revision, and how little that costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import beside
import port_fakes
import pytest

from tidegate import model
from tidegate.controller import identities
from tidegate.controller.background import Background
from tidegate.controller.identities import Identities
from tidegate.controller.workqueue import Key
from tidegate.evidence.queries.identity import Probed
from tidegate.evidence.terms import Latency, Problem, Query, Selector, Template
from tidegate.model import IdentityMode, SourceIdentity
from tidegate.ports import Ok, RawAnswer, Result, Retryable
from tidegate.settings import MetricSourceSettings

KEY = Key(namespace="ml", name="iris")
STABLE = "5ab1e00001"
BY_LABEL = {"namespace": "ml", "model_deployment": "iris", "revision": STABLE}
BY_POD = {"namespace": "ml", "pod": f"iris-{STABLE}-5d4b9c6f5d-abc12"}


@dataclass(slots=True)
class Source:
    """Answers every question with these targets."""

    targets: list[dict[str, str]] = field(default_factory=list)
    failure: Retryable | None = None
    hangs: bool = False
    asked: list[str] = field(default_factory=list)

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> Result[RawAnswer]:
        del at, namespace
        self.asked.append(source)
        assert "up{" in promql
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.failure is not None:
            return self.failure
        rows = [{"metric": {"__name__": "up", **it}, "value": [1, "1"]} for it in self.targets]
        return Ok(RawAnswer(result_type="vector", result=rows))


class Bench:
    """The part under test, with time in hand and the keys that were woken."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.clock = port_fakes.ManualClock()
        self.woken: list[Key] = []
        self.background = Background(recorder=port_fakes.MemoryRecorder())
        names = ("default", "other")
        self.identities = Identities(
            source=source,
            clock=self.clock,
            sources={
                it: MetricSourceSettings(name=it, url="", timeout_seconds=0.01) for it in names
            },
            background=self.background,
        )

    async def look(
        self, *, kept: IdentityMode | None = None, rollout: str = "", revision: str = STABLE
    ) -> Probed | Problem | None:
        """A pass now, and what was known in it once all that it began has come to rest."""
        known = () if kept is None else (SourceIdentity(source="default", mode=kept),)
        found = None
        for _ in range(2):
            found = self.identities.newest(
                KEY, revision=revision, asked=["default"], kept=known, rollout=rollout
            ).get("default")
            await port_fakes.settle()
        return found


Play = Callable[[Bench], Coroutine[Any, Any, None]]


def _run(source: Source, play: Play) -> None:
    async def run() -> None:
        bench = Bench(source)
        running = asyncio.create_task(
            bench.background.run(lambda key, **_: bench.woken.append(key))
        )
        await port_fakes.settle()
        try:
            await play(bench)
        finally:
            running.cancel()

    asyncio.run(asyncio.wait_for(run(), beside.PATIENCE_SECONDS))


def _mode(found: Probed | Problem | None) -> IdentityMode | None:
    assert isinstance(found, Probed), found
    return found.mode


def test_what_is_found_wakes_the_object_and_is_not_asked_for_again_soon() -> None:
    async def play(bench: Bench) -> None:
        assert _mode(await bench.look()) is IdentityMode.LABEL
        assert bench.woken == [KEY]
        await bench.clock.advance(identities.RARELY_SECONDS - 1)
        await bench.look(kept=IdentityMode.LABEL)
        assert len(bench.source.asked) == 1
        await bench.clock.advance(1)
        assert _mode(await bench.look(kept=IdentityMode.LABEL)) is IdentityMode.LABEL
        assert len(bench.source.asked) == 2
        assert bench.woken == [KEY], "nothing new"

    _run(Source([BY_LABEL]), play)


def test_other_labels_are_found_when_the_kept_ones_are_gone() -> None:
    async def play(bench: Bench) -> None:
        assert _mode(await bench.look(kept=IdentityMode.LABEL)) is IdentityMode.LABEL
        bench.source.targets = [BY_POD]
        await bench.clock.advance(identities.RARELY_SECONDS)
        assert _mode(await bench.look(kept=IdentityMode.LABEL)) is IdentityMode.POD
        assert bench.woken == [KEY]

    _run(Source([BY_LABEL, BY_POD]), play)


def test_a_rollout_and_another_stable_do_not_begin_with_what_was_found_long_ago() -> None:
    async def play(bench: Bench) -> None:
        await bench.look()
        await bench.look(rollout="iris-2")
        await bench.look(rollout="iris-2")
        assert len(bench.source.asked) == 2
        assert _mode(await bench.look(rollout="iris-2", revision="c0ffee0001")) is None
        assert len(bench.source.asked) == 3

    _run(Source([BY_LABEL]), play)


@pytest.mark.parametrize(
    "source",
    [Source(), Source(failure=Retryable(message="down"))],
    ids=["no targets", "down"],
)
def test_a_source_that_has_nothing_is_asked_ever_more_rarely(source: Source) -> None:
    async def play(bench: Bench) -> None:
        for _ in range(24):
            await bench.look()
            await bench.clock.advance(150.0)
        found = await bench.look()
        if source.failure is None:
            assert _mode(found) is None
        else:
            assert isinstance(found, Problem)
        # An hour: once per scrape at first, then every five minutes.
        assert 12 <= len(source.asked) <= 24
        source.targets, source.failure = [BY_POD], None
        await bench.clock.advance(identities.RARELY_SECONDS)
        assert _mode(await bench.look()) is IdentityMode.POD
        assert bench.woken == [KEY]

    _run(source, play)


def test_a_source_that_hangs_holds_up_nobody() -> None:
    async def play(bench: Bench) -> None:
        found = None
        while found is None:  # until its time-out, which is real time
            found = await bench.look()
        assert isinstance(found, Problem)
        assert "in time" in found.message

    _run(Source(hangs=True), play)


def test_nobody_is_asked_for_what_is_gone() -> None:
    async def play(bench: Bench) -> None:
        await bench.look()
        bench.identities.forget(KEY)
        await bench.clock.advance(3600.0)
        assert len(bench.source.asked) == 1

    _run(Source(), play)


def test_templates_go_by_the_labels_of_their_source() -> None:
    latency = Latency(histogram=Selector(metric="m"), quantile=0.5)
    templates = {
        "known": Template(name="known", measure=latency, source="default"),
        "unknown": Template(name="unknown", measure=latency, source="other"),
        "proxy": Template(name="proxy", measure=latency, source="other", mode=IdentityMode.GATEWAY),
        "free": Template(name="free", measure=Query(promql="1"), source="other"),
    }
    known = [model.SourceIdentity(source="default", mode=IdentityMode.POD)]

    found = identities.with_modes(templates, known)

    assert {name: one.mode for name, one in found.items()} == {
        "known": IdentityMode.POD,
        "unknown": None,
        "proxy": IdentityMode.GATEWAY,
        "free": IdentityMode.LABEL,
    }
