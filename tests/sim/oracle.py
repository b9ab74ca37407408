"""What the oracle remembers, and how a check says that something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.sim import facts, gateway
from tests.sim.cluster import ROUTES, Change
from tests.sim.fields import Object
from tests.sim.people import MD, NAME, NAMESPACE

from tidegate import ports

if TYPE_CHECKING:
    from tests.sim.run import Run

CLOSE = 1e-3


class ViolatedError(AssertionError):
    """An invariant did not hold."""

    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant


@dataclass(slots=True)
class Memory:
    """What the oracle remembers beyond the cluster."""

    run: Run
    quarantined: set[str] = field(default_factory=set)
    waved_through: str = ""  # the revision that a person asked to promote
    recent_writes: list[float] = field(default_factory=list)
    ready_seen: dict[str, float] = field(default_factory=dict)
    ready_from: dict[str, float] = field(default_factory=dict)
    had_traffic: dict[str, float] = field(default_factory=dict)
    exposed_since: dict[str, float] = field(default_factory=dict)
    alone_since: dict[str, float] = field(default_factory=dict)  # who gets every request
    recorded: set[tuple[str, str, str]] = field(default_factory=set)
    said_ports: dict[tuple[str, int], int] = field(default_factory=dict)  # by uid and generation
    made_ports: dict[str, int] = field(default_factory=dict)  # by revision
    written: dict[tuple[str, str], float] = field(
        default_factory=dict
    )  # policies, by kind and name
    most_given: dict[str, float] = field(default_factory=dict)  # percent of the users, by rollout
    created_at: float = 0.0
    lease_tampered_at: float | None = None
    lease_deleted: bool = False  # the next one counts its leaders from 1 again

    @property
    def two_may_lead(self) -> bool:
        """Somebody wrote or deleted the Lease; its holder may not have renewed it since."""
        if self.lease_tampered_at is None:
            return False
        age = self.run.loop.time() - self.lease_tampered_at
        return age < self.run.settings.leader_election.renew_deadline_seconds

    def had_pods(self, revision: str) -> bool:
        """Endpoints of it have been ready for longer than a look may lag behind."""
        lag = self.run.nemesis.view_lag_seconds
        begin = self.ready_from.get(revision, float("inf"))
        return self.ready_seen.get(revision) == float("inf") and (
            begin < self.run.loop.time() - lag
        )

    def has_pods(self, revision: str) -> bool:
        """Endpoints of it were ready within the time by which a look may lag behind."""
        lag = self.run.nemesis.view_lag_seconds
        return self.ready_seen.get(revision, 0.0) > self.run.loop.time() - lag

    @property
    def body(self) -> Object | None:
        return self.run.cluster.get(MD, NAMESPACE, NAME)


Check = Callable[[Memory, Change], None]


def by_operator(change: Change) -> bool:
    return change.actor.startswith("op")


def require(holds: object, invariant: str, message: str) -> None:
    if not holds:
        raise ViolatedError(invariant, message)


def provider(memory: Memory) -> str:
    """The data plane that the spec names."""
    return facts.provider(memory.body)


# --- memory --------------------------------------------------------------------------------------


def remember_people(memory: Memory, change: Change) -> None:
    """A retry lifts the quarantine; a request to promote replaces proof."""
    if change.actor != "people" or change.kind is not MD or change.new is None:
        return
    annotations = change.new["metadata"].get("annotations") or {}
    before = ((change.old or {}).get("metadata") or {}).get("annotations") or {}
    if annotations.get("tidegate.dev/requested-at") == before.get("tidegate.dev/requested-at"):
        return
    revision = annotations.get("tidegate.dev/request-revision", "")
    match annotations.get("tidegate.dev/request"):
        case "retry" if revision in memory.quarantined:
            memory.quarantined.discard(revision)
            memory.waved_through = ""
        case "promote" | "promote-full" | "skip-step":
            memory.waved_through = revision


def forget_old_requests(memory: Memory, change: Change) -> None:
    """A request to promote ends when another revision is rolled out.

    It lasts while the spec asks for something else and takes that back before anybody acted.
    """
    if change.kind is MD and by_operator(change):
        running = facts.rollout(change.new).get("revision")
        if running and running != memory.waved_through:
            memory.waved_through = ""


def remember_rejections(memory: Memory, change: Change) -> None:
    """A revision is rejected once status or the mark on the target says so."""
    if not by_operator(change) or change.new is None:
        return
    if change.kind is MD:
        memory.quarantined |= facts.rejected(change.new) - facts.rejected(change.old)
    elif change.kind in {*ROUTES, ports.SERVICE}:
        mark = facts.marker(change.new)
        if mark and mark != facts.marker(change.old):
            memory.quarantined.add(mark)


def forget_lost_marks(memory: Memory, change: Change) -> None:
    """Who deletes the marked target before status says the same deletes the decision with it.

    The mark is all that survives a crash between the two writes; the revision is judged anew then.
    """
    if change.actor != "people" or change.kind not in {*ROUTES, ports.SERVICE}:
        return
    mark = facts.marker(change.old)
    if mark and mark != facts.marker(change.new) and mark not in facts.rejected(memory.body):
        memory.quarantined.discard(mark)


def remember_recreation(memory: Memory, change: Change) -> None:
    """A new object of the name starts without a past."""
    if change.kind is MD and change.new is None:
        memory.quarantined.clear()
    if change.kind is MD and change.old is None:
        memory.created_at = memory.run.loop.time()


def remember_readiness(memory: Memory, change: Change) -> None:
    if change.kind is not ports.ENDPOINT_SLICE or change.new is None:
        return
    revision, now = facts.revision_label(change.new), memory.run.loop.time()
    if any(it["conditions"]["ready"] for it in change.new["endpoints"]):
        if memory.ready_seen.get(revision) != float("inf"):
            memory.ready_from[revision] = now
        memory.ready_seen[revision] = float("inf")
    else:
        memory.ready_seen[revision] = now


def remember_traffic(memory: Memory, change: Change) -> None:
    """When a revision last had a share in the route, or testers."""
    if change.kind not in ROUTES or change.body["metadata"]["name"] != NAME:
        return
    exposed = facts.exposed(change.old, name=NAME)
    reached = {revision for revision, share in exposed.items() if share > 0}
    for revision in reached | gateway.testers(change.old, name=NAME):
        memory.had_traffic[revision] = memory.run.loop.time()


def remember_who_has_all(memory: Memory, change: Change) -> None:
    """Since when one revision gets every request of the users, by route or by selector."""
    by_route = provider(memory) in facts.BY_ROUTE
    kinds = ROUTES if by_route else {ports.SERVICE}
    if change.kind not in kinds or change.body["metadata"]["name"] != NAME:
        return
    given = facts.shares(change.new, name=NAME) if by_route else {facts.selected(change.new): 100.0}
    alone = {revision for revision, share in given.items() if share > 100 - CLOSE}
    now = memory.run.loop.time()
    memory.alone_since = {it: memory.alone_since.get(it, now) for it in alone if change.new}


def remember_ports(memory: Memory, change: Change) -> None:
    """Where spec says that pods listen, and what it said when a revision was made.

    A ModelDeployment may be edited while it is made, so its record tells the generation. Pods that
    are there already go on to listen where they do, whatever is recorded of them anew.
    """
    if change.new is None or change.kind not in {MD, ports.CONTROLLER_REVISION}:
        return
    metadata = change.new["metadata"]
    if change.kind is MD:
        at = metadata["uid"], metadata["generation"]
        memory.said_ports.setdefault(at, facts.said_port(change.new))
        return
    revision = facts.revision_label(change.new)
    name = f"{NAME}-{revision}"
    runs = memory.run.cluster.get(ports.DEPLOYMENT, NAMESPACE, name)
    if metadata["name"] == name and change.old is None and runs is None:
        uid = metadata["ownerReferences"][0]["uid"]
        memory.made_ports[revision] = memory.said_ports[uid, change.new["revision"]]


def remember_policies(memory: Memory, change: Change) -> None:
    """Since when each policy is as it is."""
    policies = {ports.CLUSTER_ROLLOUT_POLICY, ports.ROLLOUT_POLICY}
    if change.kind in policies and change.actor == "people":
        name = str(change.body["metadata"]["name"])
        memory.written[change.kind.plural, name] = memory.run.loop.time()


def remember_tampering(memory: Memory, change: Change) -> None:
    """Somebody wrote or deleted the Lease; its holder learns it at the next renewal."""
    if change.kind is ports.LEASE and change.actor == "people":
        memory.lease_tampered_at = memory.run.loop.time()
        memory.lease_deleted |= change.new is None


REMEMBER: tuple[Check, ...] = (
    remember_tampering,
    remember_people,
    forget_old_requests,
    forget_lost_marks,
    remember_recreation,
    remember_readiness,
    remember_traffic,
    remember_who_has_all,
    remember_ports,
    remember_policies,
)
