"""Who may act: election on a Lease, judged by our own monotonic clock only.

`Election` is the sans-IO core; `Elector` is the loop around it. The number of acquisitions
(`leaseTransitions`) is the epoch that fences a deposed leader. Source: architecture.md, 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate import ports
from tidegate.settings import LeaderElectionSettings

SHORTEST_LOOK_SECONDS = 0.05
NAMESPACES = "tidegate.dev/namespaces"  # annotation of the Lease, for other operators


class LeadershipLostError(RuntimeError):
    """The Lease could not be renewed in time or is held by somebody else: the process must end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionRecord:
    """What the Lease says. No holder means that it was released, no namespaces that all are served."""

    holder: str
    namespaces: tuple[str, ...]
    transitions: int
    duration_seconds: float
    resource_version: str


class Election:
    """Decides what to write to the Lease; instants are seconds of one monotonic clock."""

    def __init__(
        self, *, identity: str, settings: LeaderElectionSettings, namespaces: Sequence[str] = ()
    ) -> None:
        self.identity = identity
        self._settings = settings
        self._namespaces = tuple(namespaces)
        self._record: ElectionRecord | None = None
        self._changed_at = 0.0
        self._renewed_at: float | None = None

    def observe(self, lease: ports.Object | None, *, now: float) -> None:
        """Take the Lease as read; the clock of its holder starts when it differs from before."""
        record = None if lease is None else _parse(lease, settings=self._settings)
        if record != self._record:
            self._record = record
            self._changed_at = now

    def may_write(self, *, now: float) -> bool:
        """Whether to acquire (absent, released or expired) or to renew (held by us)."""
        record = self._record
        if record is None or record.holder in {"", self.identity}:
            return True
        return now - self._changed_at >= record.duration_seconds

    def next_look_seconds(self, *, now: float, retry_seconds: float) -> float:
        """Time until the next look: the period, or less when somebody's Lease runs out before."""
        record = self._record
        if record is None or record.holder in {"", self.identity}:
            return retry_seconds
        left_seconds = self._changed_at + record.duration_seconds - now
        if not 0 < left_seconds < retry_seconds:
            return retry_seconds
        return max(left_seconds, SHORTEST_LOOK_SECONDS)

    def body(self, *, wall: datetime, release: bool = False) -> ports.Object:
        """The Lease to write. Its times are for people; nobody compares them."""
        record = self._record
        ours = record is not None and record.holder == self.identity
        transitions = (record.transitions if record else 0) + (0 if ours else 1)
        spec: ports.Object = {
            "leaseDurationSeconds": int(self._settings.lease_duration_seconds),
            "leaseTransitions": transitions,
            "renewTime": _micro_time(wall),
        }
        if not release:  # an empty holderIdentity is invalid, an absent one means released
            spec["holderIdentity"] = self.identity
        metadata: ports.Object = {
            "name": self._settings.name,
            "namespace": self._settings.namespace,
        }
        if self._namespaces:
            metadata["annotations"] = {NAMESPACES: ",".join(self._namespaces)}
        if record is not None:
            metadata["resourceVersion"] = record.resource_version
        return {
            "apiVersion": ports.LEASE.api_version,
            "kind": ports.LEASE.kind,
            "metadata": metadata,
            "spec": spec,
        }

    def serves(self, namespace: str) -> bool:
        """Whether whoever holds the Lease serves this namespace."""
        listed = self._record.namespaces if self._record is not None else ()
        return not listed or namespace in listed

    def written(self, lease: ports.Object, *, sent_at: float) -> None:
        """The write was accepted; leadership counts from the moment it was sent."""
        self.observe(lease, now=sent_at)
        self._renewed_at = sent_at

    def resign(self) -> None:
        """Act no more, whatever the Lease says."""
        self._renewed_at = None

    def leads(self, *, now: float) -> bool:
        """Whether a new action may start now."""
        if self._renewed_at is None:
            return False
        return now - self._renewed_at < self._settings.renew_deadline_seconds

    def lost(self, *, now: float) -> str:
        """Why leadership that was held is gone, in words; empty when it is not."""
        if self._renewed_at is None:
            return ""
        if self._record is None or self._record.holder != self.identity:
            holder = self._record.holder if self._record else ""
            return f"the Lease is held by {holder or 'nobody'}"
        if not self.leads(now=now):
            deadline = self._settings.renew_deadline_seconds
            return f"the Lease was not renewed for {deadline:g} s"
        return ""

    @property
    def epoch(self) -> int:
        """Number of the acquisition that made us leader; 0 before."""
        if self._renewed_at is None or self._record is None:
            return 0
        return self._record.transitions

    @property
    def holds_record(self) -> bool:
        """Whether the newest known Lease names us."""
        return self._record is not None and self._record.holder == self.identity


class Elector:
    """Keeps or seeks the Lease until leadership is lost or the task is cancelled."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        clock: ports.Clock,
        rng: ports.Rng,
        recorder: ports.Recorder,
        settings: LeaderElectionSettings,
        pod_name: str,
        namespaces: Sequence[str] = (),
    ) -> None:
        self._api = api
        self._clock = clock
        self._rng = rng
        self._recorder = recorder
        self._settings = settings
        # A new identity for each process: a restarted pod must not take itself for its ancestor.
        self.identity = f"{pod_name}_{rng.token(8)}"
        self._election = Election(identity=self.identity, settings=settings, namespaces=namespaces)
        self._failure = ""

    def leading(self) -> bool:
        """Whether a new action may start now; asked before every write."""
        return self._election.leads(now=self._clock.monotonic())

    def epoch(self) -> int:
        """The fencing number of our leadership; 0 before it."""
        return self._election.epoch

    async def run(self, *, on_acquired: Callable[[], None]) -> None:
        """Seek the Lease, say so once when it is ours, then renew it.

        Errors: LeadershipLostError once leadership that was held is gone.
        """
        self._recorder.leading(leads=False)
        while True:
            led = self._election.epoch > 0
            # Also before: a renewal that comes after its deadline does not bring leadership back.
            self._give_up_if_lost()
            await self._step()
            self._give_up_if_lost()
            if self.leading() and not led:
                self._recorder.leading(leads=True)
                on_acquired()
            # Several candidates must not ask in step; never later than the configured period.
            retry_seconds = self._settings.retry_seconds * self._rng.uniform(0.8, 1.0)
            now = self._clock.monotonic()
            await self._clock.sleep(
                self._election.next_look_seconds(now=now, retry_seconds=retry_seconds)
            )

    def _give_up_if_lost(self) -> None:
        reason = self._election.lost(now=self._clock.monotonic())
        if reason:
            self._recorder.leading(leads=False)
            raise LeadershipLostError(reason)

    async def release(self) -> None:
        """Give the Lease up, so that another replica takes over at once. Best effort.

        The caller has ended `run` before; a renewal cut off by that makes one conflict possible.
        """
        self._election.resign()
        self._recorder.leading(leads=False)
        for _ in range(2):
            if not self._election.holds_record:
                return
            released = await self._put(self._election.body(wall=self._clock.now(), release=True))
            if not isinstance(released, ports.Conflict):
                return
            await self._read()

    async def _step(self) -> None:
        """Read the Lease unless we hold it, then write it if it is ours to write.

        A leader writes over the version it wrote last; a conflict makes it read again.
        """
        if not self._election.holds_record and not await self._read():
            return
        sent_at = self._clock.monotonic()
        if not self._election.may_write(now=sent_at):
            return
        written = await self._put(self._election.body(wall=self._clock.now()))
        match written:
            case ports.Ok(value=lease):
                # Whoever asked in the meantime was told that nobody leads, and will not ask again.
                self._give_up_if_lost()
                self._election.written(lease, sent_at=sent_at)
            case ports.Conflict():
                await self._read()

    async def _read(self) -> bool:
        lease = await self._api.get_lease(
            namespace=self._settings.namespace, name=self._settings.name
        )
        match lease:
            case ports.Ok(value=value):
                self._failure = ""
                self._election.observe(value, now=self._clock.monotonic())
                return True
            case failure:
                self._complain(failure)
                return False

    async def _put(self, body: ports.Object) -> ports.Result[ports.Object]:
        result = await self._api.put_lease(
            namespace=self._settings.namespace, name=self._settings.name, body=body
        )
        if isinstance(result, ports.Retryable | ports.Fatal):
            self._complain(result)
        return result

    def _complain(self, failure: ports.Failure) -> None:
        """Say the same thing once, not every two seconds."""
        if failure.message != self._failure:
            self._failure = failure.message
            self._recorder.problem("lease_unavailable", error=failure.message)


def _parse(lease: ports.Object, *, settings: LeaderElectionSettings) -> ElectionRecord:
    spec = lease.get("spec") or {}
    duration_seconds = spec.get("leaseDurationSeconds") or settings.lease_duration_seconds
    return ElectionRecord(
        holder=str(spec.get("holderIdentity") or ""),
        transitions=int(spec.get("leaseTransitions") or 0),
        namespaces=_namespaces(lease),
        duration_seconds=float(duration_seconds),
        resource_version=str(lease["metadata"].get("resourceVersion", "")),
    )


def _namespaces(lease: ports.Object) -> tuple[str, ...]:
    listed = (lease["metadata"].get("annotations") or {}).get(NAMESPACES)
    return tuple(listed.split(",")) if listed else ()


def _micro_time(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
