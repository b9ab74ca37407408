"""Which rollouts are under way and which wait, where policies limit how many run at once.

It is read from the status of all ModelDeployments in the store, and from what this process has decided
since: a place that was given counts before its write comes back, so two passes never give it twice.
Another process finds the same places and the same order in status. Source: docs/adr/0093.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tidegate import model, ports
from tidegate.controller.dependencies import POLICY_KINDS, Ref
from tidegate.controller.policies import read
from tidegate.controller.reading import SpecReader
from tidegate.controller.store import Entry, Store
from tidegate.controller.workqueue import Key
from tidegate.model.policy import SOURCES_MAX_ITEMS
from tidegate.policy import queue
from tidegate.policy.selectors import began_with, fits, id_of
from tidegate.rollout import admission


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """What one version of an object says of its rollout; `entrant` is None where nothing counts it."""

    entry: Entry
    entrant: model.Entrant | None = None
    runs: bool = False


class Line:
    """Everybody's places. One per process; must be used from one event loop."""

    def __init__(
        self,
        *,
        store: Store,
        reader: SpecReader,
        wake: Callable[[Key], None],
    ) -> None:
        self._store = store
        self._reader = reader
        self._wake = wake
        self._standing: dict[str, _Standing] = {}  # by uid
        self._policies: list[tuple[Ref, model.Policy]] = []
        self._given: dict[Key, model.Rollout] = {}
        self._changes = 0
        self._made: tuple[tuple[int, int], model.Queue] = ((-1, -1), model.EMPTY_QUEUE)

    def queue(self) -> model.Queue:
        """All rollouts that some policy counts, as they are known at this moment."""
        version = (self._store.sequence, self._changes)
        if self._made[0] != version:
            self._made = version, self._queue()
        return self._made[1]

    def decided(self, key: Key, status: model.Status) -> None:
        """A pass has decided so; it counts from now on, whether or not its write comes through."""
        rollout = status.active_rollout
        if rollout is None or not admission.has_place(rollout):
            self._take_back(key)
        elif self._given.get(key) != rollout:
            self._given[key] = rollout
            self._changed(key)

    def written(self, *, before: model.Status, after: model.Status) -> None:
        """Ask those to look for whom there is a place now, where the standing of one has changed."""
        if _stand(before) != _stand(after):
            self._wake_next()

    def forget(self, key: Key) -> None:
        """The object is gone, or is not ours any more; its place is free."""
        if self._take_back(key):
            self._wake_next()

    def _take_back(self, key: Key) -> bool:
        had = self._given.pop(key, None) is not None
        if had:
            self._changed(key)
        return had

    def _changed(self, key: Key) -> None:
        self._changes += 1
        entry = self._store.entry(Ref(ports.MODEL_DEPLOYMENT, key.namespace, key.name))
        if entry is not None:
            self._standing.pop(entry.uid, None)

    def _wake_next(self) -> None:
        for one in queue.next_ones(self.queue()):
            self._wake(Key(one.namespace, one.name))

    def _limiting(self) -> Iterator[tuple[Ref, model.Policy]]:
        for kind in POLICY_KINDS:
            for ref, entry in self._store.entries(kind).items():
                policy = entry.read(read)
                if next(queue.limits_of(policy, ref.namespace), None) is not None:
                    yield ref, policy

    def _queue(self) -> model.Queue:
        """Anew from what is remembered of each version: with many that wait, every pass asks."""
        policies = list(self._limiting())
        if not policies:
            return model.EMPTY_QUEUE
        if policies != self._policies:
            self._standing, self._policies = {}, policies
        before, self._standing = self._standing, {}
        running: list[model.Entrant] = []
        waiting: list[model.Entrant] = []
        for ref, entry in self._store.entries(ports.MODEL_DEPLOYMENT).items():
            known = before.get(entry.uid)
            if known is None or known.entry is not entry:
                known = self._read(ref, entry)
            self._standing[entry.uid] = known
            if known.entrant is not None:
                (running if known.runs else waiting).append(known.entrant)
        waiting.sort(key=lambda it: it.place)
        return model.Queue(running=tuple(running), waiting=tuple(waiting))

    def _read(self, ref: Ref, entry: Entry) -> _Standing:
        said = entry.read_on(self._reader.said)
        rollout = self._given.get(Key(ref.namespace, ref.name)) or said.status.active_rollout
        if rollout is None:
            return _Standing(entry=entry)
        runs = admission.has_place(rollout)
        stands = said.meta.deleting or said.status.phase is model.Phase.INVALID
        needs_none = said.spec is not None and said.spec.replicas == 0
        limits = () if needs_none else tuple(self._limits(ref, entry, said.status))
        if not limits or not (runs or (admission.is_queued(rollout) and not stands)):
            return _Standing(entry=entry)
        entrant = model.Entrant(
            namespace=ref.namespace, name=ref.name, started_at=rollout.started_at, limits=limits
        )
        return _Standing(entry=entry, entrant=entrant, runs=runs)

    def _limits(self, ref: Ref, entry: Entry, status: model.Status) -> Iterator[model.Limit]:
        labels = entry.snapshot["metadata"].get("labels") or {}  # at hand while a rollout runs
        sources = status.policy.sources if status.policy is not None else ()
        kept = began_with(status)
        for where, policy in self._policies:
            inside = where.namespace in {"", ref.namespace}
            chosen = fits(policy.selector, labels) and _selects(policy, sources)
            if inside and (policy.id in kept or chosen):
                yield from queue.limits_of(policy, ref.namespace)


def _stand(status: model.Status) -> tuple[bool, bool]:
    rollout = status.active_rollout
    if rollout is None:
        return False, False
    return admission.has_place(rollout), admission.is_queued(rollout)


def _selects(policy: model.Policy, sources: Sequence[str]) -> bool:
    """By its namespaces, whose labels are not asked for: status says which policies were found to apply."""
    if not policy.namespace_selector or len(sources) >= SOURCES_MAX_ITEMS:
        return True
    return any(id_of(it) == policy.id for it in sources)
