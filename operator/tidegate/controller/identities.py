"""Which labels each metric source has for the pods of a revision: asked beside the passes.

A pass says which revision serves and reads what was found last; it never waits. What is found goes
into status (`rollout.identity`), so that it holds for both revisions and survives a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tidegate import model, ports
from tidegate.controller.asking import Asking, failed
from tidegate.controller.background import Background
from tidegate.controller.workqueue import Key
from tidegate.evidence.counts import samples
from tidegate.evidence.queries import identity
from tidegate.evidence.queries.identity import Owner, Probed
from tidegate.evidence.terms import Problem, Query, Template
from tidegate.settings import MetricSourceSettings

RARELY_SECONDS = 300.0  # between probes of a source that is known
SHORTEST_SECONDS = 1.0
BACK_OFF = 1.5  # while nothing is found
PARALLEL = 2  # the rest of a source's connections is for rollouts


@dataclass(slots=True, kw_only=True)
class _Known:
    """What one source said of a revision, and when to ask again (monotonic seconds)."""

    owner: Owner
    found: Probed | Problem | None = None
    due_at: float = 0.0
    wait_seconds: float = 0.0
    asking: bool = False
    rollout: str = ""


class Identities:
    """The labels of revisions by source. Must be used from one event loop."""

    def __init__(
        self,
        *,
        source: ports.MetricSource,
        clock: ports.Clock,
        sources: Mapping[str, MetricSourceSettings],
        background: Background,
    ) -> None:
        self._asking = Asking(source=source, sources=sources)
        self._clock = clock
        self._sources = sources
        self._known: dict[Key, dict[str, _Known]] = {}
        self._slots = {name: asyncio.Semaphore(PARALLEL) for name in sources}
        self._background = background

    def newest(
        self,
        key: Key,
        *,
        revision: str,
        asked: Iterable[str],
        kept: Iterable[model.SourceIdentity],
        rollout: str,
    ) -> Mapping[str, Probed | Problem]:
        """What the asked sources said last of the revision that serves; asks again where due.

        A new `rollout` (its id) must not begin with what was found long ago.
        """
        owner = Owner(namespace=key.namespace, name=key.name, revision=revision)
        modes = {one.source: one.mode for one in kept}
        before = self._known.get(key, {})
        opened = {name for name, it in self._sources.items() if it.is_open_to(key.namespace)}
        names = sorted(set(asked) & opened)
        known = self._known[key] = {name: _about(owner, before.get(name)) for name in names}
        for name, one in known.items():
            due = self._clock.monotonic() >= one.due_at or one.rollout != rollout
            if due and not one.asking:
                one.asking, one.rollout = True, rollout
                work = self._ask(key, name, one, kept=modes.get(name))
                self._background.spawn(work, name="labels of revisions")
        return {name: one.found for name, one in known.items() if one.found is not None}

    def forget(self, key: Key) -> None:
        """Nothing serves here any more."""
        self._known.pop(key, None)

    async def _ask(
        self, key: Key, name: str, known: _Known, *, kept: model.IdentityMode | None
    ) -> None:
        """Ask until something is found, though nobody looks at the object meanwhile."""
        try:
            while self._known.get(key, {}).get(name) is known:
                known.found = await self._answer(name, known, kept=kept)
                if _mode_of(known.found) is not None:
                    break
                await self._clock.sleep(self._again_seconds(name, known))
        finally:
            known.asking = False
            known.due_at = self._clock.monotonic() + RARELY_SECONDS
        if _mode_of(known.found) not in {kept, None}:
            self._background.wake(key)

    async def _answer(
        self, name: str, known: _Known, *, kept: model.IdentityMode | None
    ) -> Probed | Problem:
        owner = known.owner
        async with self._slots[name]:
            result = await self._asking.in_time(
                name,
                promql=identity.probe_query(owner),
                at=self._clock.now(),
                namespace=owner.namespace,
            )
        if not isinstance(result, ports.Ok):
            return failed(name, result.message)
        answer = result.value
        rows = samples.vector(answer.result_type, result=answer.result, warnings=answer.warnings)
        if isinstance(rows, Problem):
            return rows
        return identity.read_probe(rows, owner=owner, kept=kept)

    def _again_seconds(self, name: str, known: _Known) -> float:
        """Ever more rarely: a source may never have these pods."""
        scrape_seconds = max(SHORTEST_SECONDS, self._sources[name].scrape_interval_seconds)
        known.wait_seconds = min(RARELY_SECONDS, max(scrape_seconds, BACK_OFF * known.wait_seconds))
        return known.wait_seconds


def found_modes(found: Mapping[str, Probed | Problem]) -> tuple[model.SourceIdentity, ...]:
    """The sources whose labels are known now."""
    return tuple(
        model.SourceIdentity(source=name, mode=one.mode)
        for name, one in sorted(found.items())
        if isinstance(one, Probed) and one.mode is not None
    )


def with_modes(
    templates: Mapping[str, Template], known: Iterable[model.SourceIdentity]
) -> dict[str, Template]:
    """The templates, told by which labels their source names revisions.

    What a proxy reports is named by the relabeling of its own scrape. A source of which nothing is
    known yet is not asked: a label that a server exports itself could pass for one of ours.
    """
    modes = {one.source: one.mode for one in known}
    return {
        name: one
        if one.mode is model.IdentityMode.GATEWAY
        or isinstance(one.measure, Query)
        or one.mode is modes.get(one.source)
        else replace(one, mode=modes.get(one.source))
        for name, one in templates.items()
    }


def _mode_of(found: Probed | Problem | None) -> model.IdentityMode | None:
    return found.mode if isinstance(found, Probed) else None


def _about(owner: Owner, known: _Known | None) -> _Known:
    return known if known is not None and known.owner == owner else _Known(owner=owner)
