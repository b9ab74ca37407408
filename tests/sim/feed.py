"""The watches of one process: a list, then the cluster's log, late and with faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.sim.cluster import Change, matches
from tests.sim.fields import Object

from tidegate import ports

if TYPE_CHECKING:
    from tests.sim.replica import Process


class WatchError(RuntimeError):
    """The watch stream ended with an ERROR."""


class SimFeeder:
    """Feeds one sink. Events of one kind keep their order; kinds overtake each other."""

    def __init__(self, process: Process, sink: ports.EventSink) -> None:
        self._process = process
        self._run = process.run
        self._sink = sink
        self._end: asyncio.Future[None] = self._run.loop.create_future()
        self._next: dict[str, float] = {}
        self._silent: dict[str, list[Change]] = {}
        self._selectors: dict[str, str] = {}

    async def run(self) -> None:
        from tests.sim.replica import WATCHED  # noqa: PLC0415  (the two know each other)

        denied = self._run.cluster.denied  # a watch that is refused has ended for good
        allowed = (item for item in WATCHED if item.kind not in denied)
        self._selectors = {item.kind.plural: item.label_selector for item in allowed}
        behind = self._run.nemesis.changes_behind()
        snapshot, missed = self._run.snapshot(behind)
        for kind, body in snapshot:
            if self._selects(kind, body):
                self._hold_up(kind)
                self._deliver_later(kind, self._sink.changed, body)
        for change in missed:
            self._take(change)
        del snapshot, missed  # this task lives as long as its process
        self._run.cluster.listeners.append(self._seen)
        try:
            await self._end
        finally:
            self._run.cluster.listeners.remove(self._seen)

    def stop(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    def break_off(self) -> None:
        """An ERROR in the stream: the process ends."""
        if not self._end.done():
            self._end.set_exception(WatchError("410 Gone"))

    def _seen(self, change: Change) -> None:
        if self._process.dead or change.kind.plural not in self._selectors:
            return
        if self._run.nemesis.silences(self._process, change.kind):
            self._silent.setdefault(change.kind.plural, []).append(change)
            return
        self.catch_up(change.kind)
        fault = self._run.nemesis.on_event(self._process, change)
        if fault == "drop":
            return
        self._take(change)
        if fault == "duplicate":
            self._take(change)
        if fault == "break":
            self.break_off()

    def catch_up(self, kind: ports.Kind) -> None:
        """The watch comes back: either all it held back arrives, or only a new list."""
        held = self._silent.pop(kind.plural, [])
        if not held:
            return
        if self._run.nemesis.resumes_watch():
            for change in held:
                self._take(change)
            return
        for body in self._run.cluster.all(kind):
            if self._selects(kind, body):
                self._deliver_later(kind, self._sink.changed, body)

    def _hold_up(self, kind: ports.Kind) -> None:
        """The list of this kind arrives late, and so does everything after it."""
        if kind.plural not in self._next:
            seconds = self._run.nemesis.list_seconds(kind)
            self._next[kind.plural] = self._run.loop.time() + seconds

    def _take(self, change: Change) -> None:
        """As the API server tells it: an object that no longer matches the selector is deleted."""
        kind = change.kind
        now = change.new is not None and self._selects(kind, change.new)
        before = change.old is not None and self._selects(kind, change.old)
        if now:
            assert change.new is not None
            self._deliver_later(kind, self._sink.changed, change.new)
        elif before:
            assert change.old is not None
            metadata = {**change.old["metadata"], "resourceVersion": str(change.version)}
            self._deliver_later(kind, self._sink.deleted, {**change.old, "metadata": metadata})

    def _selects(self, kind: ports.Kind, body: Object) -> bool:
        selector = self._selectors.get(kind.plural)
        return selector is not None and matches(body["metadata"].get("labels") or {}, selector)

    def _deliver_later(
        self, kind: ports.Kind, tell: Callable[[ports.Kind, Object], None], body: Object
    ) -> None:
        loop = self._run.loop
        due = loop.time() + self._run.nemesis.event_seconds(self._process)
        due = max(due, self._next.get(kind.plural, 0.0))
        self._next[kind.plural] = due + 1e-6
        loop.call_at(due, lambda: self._process.when_awake(lambda: self._deliver(kind, tell, body)))

    def _deliver(
        self, kind: ports.Kind, tell: Callable[[ports.Kind, Object], None], body: Object
    ) -> None:
        if not self._process.dead and not self._end.done():
            tell(kind, body)
