"""What the cluster looked like last: slim snapshots of all watched objects, in memory.

The feeder writes through `Intake`, the shell puts the replies of its own writes, everybody reads.
Snapshots are shared and must not be changed. Source: architecture.md, 3.1.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tidegate import model, ports
from tidegate.controller import dependencies
from tidegate.controller.dependencies import By, IndexKey, Ref, ref_of
from tidegate.controller.packing import Packer, unpacked
from tidegate.controller.snapshot import is_foreign_deployment, slim
from tidegate.controller.workqueue import Key

T = TypeVar("T")
_REMEMBERED_DELETIONS = 4096  # uids; late replies about deleted objects come within seconds

_PARTLY_ASKED = frozenset({ports.AUTOSCALER, *dependencies.SAID_ON})
_TERMINAL_PHASES = {
    model.Phase.HEALTHY,
    model.Phase.ROLLED_BACK,
    model.Phase.FAILED,
    model.Phase.INVALID,
}


def _unread(_snapshot: ports.Object) -> None:
    """The reader of an entry that nobody has read yet."""


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """A snapshot and what was read from it. `sequence` grows with every change of the store.

    `at_hand` is the snapshot, or None while it is packed. `_before` is what was read from the version
    before, until this one is read.
    """

    at_hand: ports.Object | None
    uid: str
    resource_version: str
    sequence: int
    index_keys: tuple[IndexKey, ...]
    _reading: tuple[Callable[..., object], object] = field(default=(_unread, None), repr=False)
    _before: object = field(default=None, repr=False)
    _packed: bytes = field(default=b"", repr=False)  # empty until it is packed for the first time
    _dictionary: bytes = field(default=b"", repr=False)
    _is_finished: bool | None = field(default=None, repr=False)

    @property
    def snapshot(self) -> ports.Object:
        """The object as it is kept; unpacked by the first who asks, for all until the next rest."""
        if self.at_hand is None:
            self.at_hand = unpacked(self._packed, self._dictionary)
        return self.at_hand

    @property
    def finished(self) -> bool:
        """Whether this ModelDeployment has nothing to do; known of a packed one too."""
        if self._is_finished is None:
            self._is_finished = _finished(self.snapshot)
        return self._is_finished

    def pack(self, kind: ports.Kind, packer: Packer) -> None:
        """Keep the snapshot in few bytes until somebody asks for it; it is packed only once."""
        if self.at_hand is not None and not self._packed:
            self._packed, self._dictionary = packer.pack(kind, self.at_hand) or (b"", b"")
        if self._packed:
            self.at_hand = None

    @property
    def newest_reading(self) -> object:
        """What was read of this version, or else of an earlier one; None for nothing."""
        known, reading = self._reading
        return self._before if known is _unread else reading

    def read_on(self, reader: Callable[[ports.Object, object], T]) -> T:
        """As `read`, for one that is also given the newest reading of an earlier version."""
        known, reading = self._reading
        if known == reader:
            return reading  # type: ignore[return-value]
        made = reader(self.snapshot, self._before)
        self._reading, self._before = (reader, made), None
        return made

    def read(self, reader: Callable[[ports.Object], T]) -> T:
        """What `reader` says of this version of the object: asked once, then remembered.

        It must follow from the object alone. One reading is kept, so each kind has one reader.
        """
        known, reading = self._reading
        if known == reader:
            return reading  # type: ignore[return-value]
        made = reader(self.snapshot)
        self._reading = (reader, made)
        return made


class Store:
    """Snapshots by (kind, namespace, name) with indexes by owner, by label and by template.

    An older state never replaces a newer one, nor does it bring a deleted object back.
    `after_own_change` is told whose objects a reply of ours changed: the watch will only repeat it.
    `absent` are the kinds that the cluster is known not to serve, `denied` those that the operator
    may not list, with the answer that said so.
    """

    def __init__(self) -> None:
        self.after_own_change: Callable[[Key], None] = _untold
        self.absent: set[ports.Kind] = set()
        self.denied: dict[ports.Kind, str] = {}
        self._entries: dict[ports.Kind, dict[Ref, Entry]] = {}
        self._sequence = 0
        self._index: dict[IndexKey, tuple[Ref, ...]] = {}  # mostly of one or a few: no sets
        self._deleted: OrderedDict[str, str] = OrderedDict()
        self._packer = Packer()

    # --- reading ---------------------------------------------------------------------------------

    def get(self, kind: ports.Kind, *, namespace: str, name: str) -> ports.Object | None:
        """The snapshot of one object."""
        entry = self.entry(Ref(kind, namespace, name))
        return entry.snapshot if entry else None

    def owned(self, kind: ports.Kind, *, namespace: str, owner_uid: str) -> list[Entry]:
        """Objects of this kind whose controller has this uid, by name."""
        return self._ordered(self._find(By.OWNER, kind, namespace, owner_uid))

    def labelled(self, kind: ports.Kind, *, namespace: str, model_deployment: str) -> list[Entry]:
        """Objects of this kind with label `tidegate.dev/model-deployment`, by name."""
        return self._ordered(self._find(By.LABEL, kind, namespace, model_deployment))

    def autoscalers_of(self, deployment: str, *, namespace: str) -> list[Entry]:
        """The autoscalers that count the pods of this Deployment, by name."""
        return self._ordered(self._find(By.TARGET, ports.AUTOSCALER, namespace, deployment))

    def approvals_of(self, model_deployment: str, *, namespace: str) -> list[Entry]:
        """The RolloutApprovals that name this ModelDeployment, by name."""
        return self._ordered(
            self._find(By.TARGET, ports.ROLLOUT_APPROVAL, namespace, model_deployment)
        )

    def model_deployments(self) -> list[Key]:
        """Every ModelDeployment, in a stable order."""
        refs = self._entries.get(ports.MODEL_DEPLOYMENT, {})
        return sorted(Key(ref.namespace, ref.name) for ref in refs)

    def model_deployment_entries(self) -> list[Entry]:
        """Their entries in no order; may be asked from another thread."""
        return list(self._entries.get(ports.MODEL_DEPLOYMENT, {}).values())

    def unfinished(self) -> set[Key]:
        """ModelDeployments with a rollout under way, pods to go, or a spec not yet looked at."""
        entries = self._entries.get(ports.MODEL_DEPLOYMENT, {})
        return {
            Key(ref.namespace, ref.name) for ref, entry in entries.items() if not entry.finished
        }

    def is_unfinished(self, key: Key) -> bool:
        """Whether this ModelDeployment is one of them."""
        entry = self.entry(Ref(ports.MODEL_DEPLOYMENT, key.namespace, key.name))
        return entry is not None and not entry.finished

    def entry(self, ref: Ref) -> Entry | None:
        """The snapshot with what the sweep needs to know about it."""
        return self._entries.get(ref.kind, {}).get(ref)

    def entries(self, kind: ports.Kind) -> Mapping[Ref, Entry]:
        """All objects of a kind; a live view."""
        return self._entries.get(kind, {})

    @property
    def sequence(self) -> int:
        """Number of the newest change."""
        return self._sequence

    def users_of(self, referred: Ref) -> set[Key]:
        """The ModelDeployments that refer to this template, route or source of pods."""
        users = self._find(By.REFERENCE, referred.kind, referred.namespace, referred.name)
        return {Key(user.namespace, user.name) for user in users}

    def dependents(self, kind: ports.Kind, body: ports.Object) -> set[Key]:
        """The ModelDeployments to look at when this object changes."""
        return dependencies.keys_of(kind, body, known=self)

    # --- writing ---------------------------------------------------------------------------------

    def put(self, kind: ports.Kind, body: ports.Object) -> bool:
        """Take an event's object; False when it says nothing that was not known.

        Autoscalers, other people's Deployments and what we write into the status of policies change
        in much that nobody asks for.
        """
        ref = ref_of(kind, body)
        known = self.entry(ref)
        if self._deleted_since(body) or (known is not None and _is_known(body, known)):
            return False
        entry = self._entry_for(ref, body, known)
        if known is None or known.index_keys != entry.index_keys:
            if known is not None:
                self._unindex(ref, known)
            for key in entry.index_keys:
                self._index[key] = (*self._index.get(key, ()), ref)
        self._entries.setdefault(kind, {})[ref] = entry
        self._sequence = entry.sequence
        partly_kept = kind in _PARTLY_ASKED or is_foreign_deployment(kind, body)
        return known is None or not partly_kept or _differ(entry, known)

    def put_own_reply(self, kind: ports.Kind, body: ports.Object) -> None:
        """Take the reply of an own write at once, so that no later pass decides on an older state.

        Another pass follows for what it changed; the event that repeats it asks for none. Events that were on their way when the write landed lose against it in `put`. What is read
        live in the very version in which it left the watch has only lost the watch label.
        """
        if self._deleted.get(_uid(body)) == _version(body):
            del self._deleted[_uid(body)]
        if self.put(kind, body):
            for key in sorted(self.dependents(kind, body)):
                self.after_own_change(key)

    def remove(self, kind: ports.Kind, body: ports.Object) -> bool:
        """The object with this uid is gone; False when it was not (or no longer) known.

        An object that lost the watch label is gone for us too, and may come back with its uid.
        """
        ref, uid, version = ref_of(kind, body), _uid(body), _version(body)
        self._remember_deletion(uid, version)
        known = self.entry(ref)
        if known is None or known.uid != uid or older(version, than=known.resource_version):
            return False
        self._sequence += 1
        self._unindex(ref, known)
        del self._entries[kind][ref]
        return True

    def remove_own(self, kind: ports.Kind, metadata: ports.Object) -> None:
        """Take an own deletion at once, so that no later pass deletes what is gone.

        What is only marked, since others hold it back, comes again with its next event.
        """
        known = self.entry(ref_of(kind, {"metadata": metadata}))
        if known is None or known.uid != str(metadata["uid"]):
            return
        self.remove(kind, known.snapshot)
        for key in sorted(self.dependents(kind, known.snapshot)):
            self.after_own_change(key)

    # --- rest ------------------------------------------------------------------------------------

    def rest(self, key: Key) -> None:
        """Pack a ModelDeployment and what belongs to it: nobody will ask for a while.

        Each snapshot is at hand again from the first question until the next rest.
        """
        ref = Ref(ports.MODEL_DEPLOYMENT, key.namespace, key.name)
        known = self.entry(ref)
        if known is None:
            return
        known.finished  # noqa: B018  (whoever takes over asks for it of all objects at once)
        for one in self._of(ref, known.uid):
            self._entries[one.kind][one].pack(one.kind, self._packer)

    def _of(self, ref: Ref, uid: str) -> set[Ref]:
        """It, what it controls, and what bears its name on a label."""
        found = {ref}
        for kind in self._entries:
            found.update(self._find(By.OWNER, kind, ref.namespace, uid))
            found.update(self._find(By.LABEL, kind, ref.namespace, ref.name))
        return found

    def _entry_for(self, ref: Ref, body: ports.Object, known: Entry | None) -> Entry:
        same = known is not None and known.uid == _uid(body)
        before = known if same else None
        return Entry(
            at_hand=slim(ref.kind, body, known=before.at_hand if before else None),
            uid=_uid(body),
            resource_version=_version(body),
            sequence=self._sequence + 1,
            index_keys=self._shared_keys(dependencies.index_keys(ref, body)),
            _before=before.newest_reading if before else None,
        )

    def _shared_keys(self, keys: tuple[IndexKey, ...]) -> tuple[IndexKey, ...]:
        """The same; one object for those of a kind that are found alike, as siblings are."""
        for ref in self._index.get(keys[0], ())[:1] if keys else ():
            known = self._entries[ref.kind][ref].index_keys
            return known if known == keys else keys
        return keys

    def _unindex(self, ref: Ref, entry: Entry) -> None:
        for key in entry.index_keys:
            others = tuple(one for one in self._index[key] if one != ref)
            if others:
                self._index[key] = others
            else:
                del self._index[key]

    def _deleted_since(self, body: ports.Object) -> bool:
        version = self._deleted.get(_uid(body))
        return version is not None and not older(version, than=_version(body))

    def _remember_deletion(self, uid: str, version: str) -> None:
        if not older(version, than=self._deleted.get(uid, "")):
            self._deleted[uid] = version
        if len(self._deleted) > _REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)

    def _find(self, by: By, kind: ports.Kind, namespace: str, value: str) -> Iterable[Ref]:
        return self._index.get((by, kind, namespace, value), ())

    def _ordered(self, refs: Iterable[Ref]) -> list[Entry]:
        ordered = sorted(refs, key=lambda ref: ref.name)
        return [self._entries[ref.kind][ref] for ref in ordered]


class Intake:
    """`ports.EventSink`: keeps the store up to date and enqueues what depends on a change."""

    def __init__(
        self, store: Store, *, enqueue: Callable[[Key], None], recorder: ports.Recorder
    ) -> None:
        self._store = store
        self._enqueue = enqueue
        self._recorder = recorder

    def changed(self, kind: ports.Kind, body: ports.Object) -> None:
        """An object was listed, added or modified."""
        self._safely(kind, body, self._store.put)

    def deleted(self, kind: ports.Kind, body: ports.Object) -> None:
        """An object is gone."""
        self._safely(kind, body, self._store.remove)

    def _safely(
        self,
        kind: ports.Kind,
        body: ports.Object,
        take: Callable[[ports.Kind, ports.Object], bool],
    ) -> None:
        """One malformed object must not stop the feeder (reliability.md, CVE-2026-40886)."""
        try:
            if take(kind, body):
                for key in sorted(self._store.dependents(kind, body)):
                    self._enqueue(key)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._recorder.problem("event_unreadable", kind=kind.kind, error=repr(error))


def _untold(key: Key) -> None:
    """Nobody asked to be told."""


def _differ(entry: Entry, known: Entry) -> bool:
    """Whether two versions of an object differ in what is kept of them."""
    one, other = entry.snapshot, known.snapshot
    return (one.get("spec"), one["metadata"].get("labels"), entry.index_keys) != (
        other.get("spec"),
        other["metadata"].get("labels"),
        known.index_keys,
    )


def _is_known(body: ports.Object, known: Entry) -> bool:
    """Whether an object brings nothing new: the version that is known, or an older one."""
    version = _version(body)
    return known.resource_version == version != "" or older(version, than=known.resource_version)


def older(version: str, *, than: str) -> bool:
    """Whether a resourceVersion is known to be older; versions of one kind compare as integers.

    What does not parse is not known to be older, so the event is taken (architecture.md, 12).
    """
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


def _finished(body: ports.Object) -> bool:
    metadata, status = body["metadata"], body.get("status") or {}
    return (
        "deletionTimestamp" not in metadata
        and status.get("observedGeneration") == metadata.get("generation")
        and status.get("phase") in _TERMINAL_PHASES
        and not status.get("retiring")
    )


def _uid(body: ports.Object) -> str:
    return str(body["metadata"]["uid"])


def _version(body: ports.Object) -> str:
    return str(body["metadata"].get("resourceVersion", ""))
