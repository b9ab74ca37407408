"""A fetcher over a source that counts, and rollouts that ask it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import beside
from metric_source import FakeSource, pod_name
from port_fakes import MemoryRecorder

from tidegate.controller.analysis.fetch import Ask, Fetcher, Found
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.terms import Identity
from tidegate.settings import MetricSourceSettings

SOURCES = {"default": MetricSourceSettings(name="default", url="http://prometheus")}
TICK = 30.0
START = 6000.0
UNTIL = 12_000.0


def identity_of(index: int) -> Identity:
    """Names that are prefixes of each other, in two namespaces."""
    return Identity(
        namespace="ml" if index % 2 else "ml-prod",
        name=f"iris{'-x' * (index // 2)}",
        candidate=f"c{index:09}",
        stable=f"s{index // 4:09}",
    )


def wanted_of(identity: Identity, **changes: Any) -> Wanted:
    plain = Wanted(source="default", metric="m_total", matchers=(), identity=identity)
    return dataclasses.replace(plain, **changes)


class World:
    """A fetcher, and rollouts whose pods count."""

    def __init__(self, count: int, *, pods: Sequence[str] = ("a", "b")) -> None:
        self.source = FakeSource()
        self.wanted = [wanted_of(identity_of(index)) for index in range(count)]
        for one in self.wanted:
            self.source.grows(one.identity, until=UNTIL, pods=pods)
        self.restart()

    def restart(self) -> None:
        recorder = MemoryRecorder()
        self.fetcher = Fetcher(
            source=self.source,
            sources=SOURCES,
            executor=beside.Inline(),
            background=beside.Background(recorder=recorder),
        )

    def sent(self) -> list[str]:
        """The queries since the last time."""
        sent = [promql for promql, _ in self.source.queries]
        self.source.queries.clear()
        return sent

    async def found(self, asks: Sequence[Ask]) -> list[Found]:
        """The answers to what is asked at once."""
        answers = self.fetcher.send(asks)
        return [await answers[ask] for ask in asks]

    async def at_once(self, at: float) -> list[Found]:
        """What all rollouts get that ask at one tick."""
        return await self.found([Ask(wanted=one, since=at - TICK, at=at) for one in self.wanted])

    def complete(self, found: Sequence[Found]) -> list[bool]:
        """Of each rollout whether it got its own pods of both revisions, and nothing else."""
        return [is_own(one, found=it) for one, it in zip(self.wanted, found, strict=True)]


def is_own(wanted: Wanted, *, found: Found) -> bool:
    if not isinstance(found, tuple):
        return False
    who = wanted.identity
    pods = {(who.namespace, who.name, one.labels["revision"], one.labels["pod"]) for one in found}
    return len(found) == 4 and pods == {
        (who.namespace, who.name, revision, pod_name(who.name, revision, pod))
        for revision in (who.candidate, who.stable)
        for pod in "ab"
    }


def run_play(play: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(play(), beside.PATIENCE_SECONDS))


def names_in(promql: str) -> int:
    """How many ModelDeployments a query names."""
    return promql.split('model_deployment=~"')[1].split('"', maxsplit=1)[0].count("|") + 1
