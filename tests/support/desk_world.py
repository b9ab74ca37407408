"""A desk over a source that counts, and rollouts that ask it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from metric_source import FakeSource, pod_name
from port_fakes import ManualClock

from tidegate.controller.desk import Desk
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.terms import Identity, Problem, Series
from tidegate.settings import MetricSourceSettings

SOURCES = {"default": MetricSourceSettings(name="default", url="http://prometheus")}
TICK = 30.0
START = 6000.0
UNTIL = 12_000.0

Found = tuple[Series, ...] | Problem


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
    """A desk, and rollouts whose pods count."""

    def __init__(self, count: int) -> None:
        self.source = FakeSource()
        self.clock = ManualClock()
        self.wanted = [wanted_of(identity_of(index)) for index in range(count)]
        for one in self.wanted:
            self.source.grows(one.identity, until=UNTIL)
        self.restart()

    def restart(self) -> None:
        self.desk = Desk(source=self.source, clock=self.clock, sources=SOURCES)

    def sent(self) -> list[str]:
        """The queries since the last time."""
        sent = [promql for promql, _ in self.source.queries]
        self.source.queries.clear()
        return sent

    async def stand(self) -> None:
        """Let all have asked at the tick before, so that the desk knows them."""
        await self.at_once(START - TICK)
        self.sent()

    async def one_by_one(self, at: float, *, since: float | None = None) -> list[Found]:
        since = at - TICK if since is None else since
        return [await self.desk.series(one, since=since, at=at) for one in self.wanted]

    async def at_once(self, at: float) -> list[Found]:
        asks = (self.desk.series(one, since=at - TICK, at=at) for one in self.wanted)
        return await asyncio.gather(*asks)

    def complete(self, found: Sequence[Found]) -> list[bool]:
        """Of each rollout whether it got its own pods of both revisions, and nothing else."""
        return [is_own(one, found=it) for one, it in zip(self.wanted, found, strict=True)]


def is_own(wanted: Wanted, *, found: Found) -> bool:
    if isinstance(found, Problem):
        return False
    who = wanted.identity
    pods = {(who.namespace, who.name, one.labels["revision"], one.labels["pod"]) for one in found}
    return len(found) == 4 and pods == {
        (who.namespace, who.name, revision, pod_name(who.name, revision, pod))
        for revision in (who.candidate, who.stable)
        for pod in "ab"
    }


def run_play(play: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(play(), 20))


def names_in(promql: str) -> int:
    """How many ModelDeployments a query names."""
    return promql.split('model_deployment=~"')[1].split('"', maxsplit=1)[0].count("|") + 1
