"""Repairs the store: lists every watched kind as metadata and compares (mark and sweep).

A watch can miss a deletion for ever or die in silence; the sweep finds both. It also decides when
the store is complete for the first time (synced). Source: architecture.md, 3.3; K3, K4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidegate import ports
from tidegate.controller import store as stores
from tidegate.controller import unserved
from tidegate.controller.dependencies import SAID_ON, Ref, Watched, ref_of

LATE_AFTER_SECONDS = 60.0
DENIED_AFTER_SECONDS = 10.0  # a role may come a moment after the operator
_FORBIDDEN = frozenset({"Forbidden", "HTTP403"})
_SYNC_POLL_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
_LATE_SWEEPS_ALLOWED = 1


class RightGivenError(RuntimeError):
    """A kind that could not be listed can be now; its watch has ended and comes with a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a list says that the store does not: objects to forget, and versions not yet seen."""

    gone: tuple[stores.Entry, ...]
    unseen: Mapping[Ref, str]


def compare(
    listed: Mapping[Ref, ports.Object],
    known: Mapping[Ref, stores.Entry],
    *,
    since: int,
) -> Difference:
    """Mark and sweep of one kind.

    Shapes: `listed` holds metadata objects; `since` is the store's sequence before the list, for
            what came later may be missing in the list.
    """
    gone = tuple(
        entry
        for ref, entry in known.items()
        if entry.sequence <= since and not _lists(listed.get(ref), uid=entry.uid)
    )
    unseen = {
        ref: _version(body)
        for ref, body in listed.items()
        if not _has_seen(known.get(ref), version=_version(body))
    }
    return Difference(gone=gone, unseen=unseen)


def _lists(body: ports.Object | None, *, uid: str) -> bool:
    return body is not None and body["metadata"]["uid"] == uid


def _has_seen(entry: stores.Entry | None, *, version: str) -> bool:
    if entry is None:
        return False
    return entry.resource_version == version or stores.older(version, than=entry.resource_version)


class Sweeper:
    """Sweeps after the start until the store is synced, then every `interval_seconds` +-20 %."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        store: stores.Store,
        sink: ports.EventSink,
        clock: ports.Clock,
        rng: ports.Rng,
        recorder: ports.Recorder,
        watched: Sequence[Watched],
        namespaces: Sequence[str] = (),
        interval_seconds: float = 600.0,
    ) -> None:
        self._api = api
        self._store = store
        self._sink = sink
        self._clock = clock
        self._rng = rng
        self._recorder = recorder
        self._watched = watched
        self._namespaces = tuple(namespaces) or ("",)
        self._interval_seconds = interval_seconds
        self._unsynced = {item.kind for item in watched}
        self._late_in_a_row = 0
        self._failures: dict[ports.Kind, str] = {}
        self._denied_since: dict[ports.Kind, float] = {}

    @property
    def unsynced(self) -> list[str]:
        """Kinds whose objects are not all in the store yet; empty means synced."""
        return sorted(kind.kind for kind in self._unsynced)

    @property
    def feeder_fresh(self) -> bool:
        """False after two sweeps in a row that found changes the feeder had not delivered."""
        return self._late_in_a_row <= _LATE_SWEEPS_ALLOWED

    async def sync(self) -> None:
        """Return once every kind is synced: a list taken now is contained in the store.

        Policies that the operator may not list keep nobody waiting: rollouts hold, and go back.
        Errors: RightGivenError.
        """
        for item in self._watched:
            attempt = 0
            missing_since: dict[Ref, float] = {}
            while not await self._synced(item, missing_since):
                await self._clock.sleep(_SYNC_POLL_SECONDS[attempt])
                attempt = min(attempt + 1, len(_SYNC_POLL_SECONDS) - 1)
            self._unsynced.discard(item.kind)

    async def run(self) -> None:
        """Sweep for ever. Errors: RightGivenError."""
        while True:
            wait = self._interval_seconds * self._rng.uniform(0.8, 1.2)
            if self._late_in_a_row or self._store.denied:
                wait = min(wait, LATE_AFTER_SECONDS)
            await self._clock.sleep(wait)
            await self.sweep()

    async def sweep(self) -> None:
        """Compare all kinds once, and look again a minute later at what was not yet seen."""
        unseen: dict[Ref, str] = {}
        for item in self._watched:
            difference = await self._difference(item)
            if difference is not None:
                self._forget(item.kind, difference.gone)
                unseen.update(difference.unseen)
        late = await self._late(unseen) if unseen else []
        self._late_in_a_row = self._late_in_a_row + 1 if late else 0

    async def _synced(self, item: Watched, missing_since: dict[Ref, float]) -> bool:
        """Whether a list is contained in the store; what a watch has lost is read live in time.

        `missing_since` remembers since when (monotonic seconds) the store lacks an object.
        """
        difference = await self._difference(item)
        if difference is None:
            return self._is_denied(item.kind)
        self._forget(item.kind, difference.gone)
        now = self._clock.monotonic()
        known = {ref: missing_since.get(ref, now) for ref in difference.unseen}
        missing_since.clear()
        missing_since.update(known)
        late = {
            ref: version
            for ref, version in difference.unseen.items()
            if now - known[ref] >= LATE_AFTER_SECONDS
        }
        await self._read_late(late)
        return not difference.unseen

    async def _difference(self, item: Watched) -> Difference | None:
        """Compare one kind; `None` when it could not be listed."""
        since = self._store.sequence
        listed = await self._list(item)
        if listed is None:
            return None
        return compare(listed, self._store.entries(item.kind), since=since)

    async def _list(self, item: Watched) -> Mapping[Ref, ports.Object] | None:
        listed: dict[Ref, ports.Object] = {}
        for namespace in self._namespaces if item.kind.namespaced else ("",):
            result = await self._api.list_metadata(
                item.kind, namespace=namespace, label_selector=item.label_selector
            )
            if unserved.is_gone(item.kind, result):
                self._store.absent.add(item.kind)
                return {}  # it had its objects with it
            if not isinstance(result, ports.Ok):
                self._complain(item.kind, result.message)
                self._note_denial(item.kind, result)
                return None
            listed.update((ref_of(item.kind, body), body) for body in result.value)
        self._failures.pop(item.kind, None)
        if item.kind in self._store.denied:
            raise RightGivenError(f"{item.kind.plural} may be listed now: restarting")
        return listed

    def _note_denial(self, kind: ports.Kind, found: ports.Failure) -> None:
        """Remember what cannot be known: without policies or approvals rollouts hold."""
        forbidden = isinstance(found, ports.Fatal) and found.reason in _FORBIDDEN
        if forbidden and kind in SAID_ON:
            self._store.denied[kind] = found.message
            self._denied_since.setdefault(kind, self._clock.monotonic())

    def _is_denied(self, kind: ports.Kind) -> bool:
        """The operator may not list it, and not only for a moment."""
        since = self._denied_since.get(kind)
        return since is not None and self._clock.monotonic() - since >= DENIED_AFTER_SECONDS

    def _complain(self, kind: ports.Kind, message: str) -> None:
        """Say the same thing once: while waiting for sync a list is tried every two seconds."""
        if self._failures.get(kind) != message:
            self._failures[kind] = message
            self._recorder.problem("sweep_failed", kind=kind.kind, error=message)

    def _forget(self, kind: ports.Kind, gone: Iterable[stores.Entry]) -> None:
        for entry in gone:
            self._recorder.problem("deletion_missed", kind=kind.kind, uid=entry.uid)
            self._sink.deleted(kind, entry.snapshot)

    async def _late(self, unseen: Mapping[Ref, str]) -> list[Ref]:
        """Of these versions, those that the feeder still has not delivered a minute later."""
        await self._clock.sleep(LATE_AFTER_SECONDS)
        return await self._read_late(unseen)

    async def _read_late(self, unseen: Mapping[Ref, str]) -> list[Ref]:
        """Read live, one by one, what the store still lacks; returns what was found."""
        late = []
        for ref, version in unseen.items():
            if _has_seen(self._store.entry(ref), version=version):
                continue
            if await self._read_live(ref):
                late.append(ref)
        return late

    async def _read_live(self, ref: Ref) -> bool:
        """Put the object into the store; False when it is gone or could not be read."""
        result = await self._api.get(ref.kind, namespace=ref.namespace, name=ref.name)
        if not isinstance(result, ports.Ok) or result.value is None:
            return False
        self._recorder.problem(
            "feeder_late", kind=ref.kind.kind, namespace=ref.namespace, name=ref.name
        )
        self._sink.changed(ref.kind, result.value)
        return True


def _version(body: ports.Object) -> str:
    return str(body["metadata"].get("resourceVersion", ""))
