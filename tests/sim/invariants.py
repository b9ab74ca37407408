"""Safety invariants, one function each, checked at every committed change (reliability.md, 1).

A check gets the oracle's memory and the change and raises `Violated`. It looks at the cluster and
at the truth of the world, never into the operator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.fields import Object
from tests.sim.nemesis import Calm
from tests.sim.people import MD, NAME, NAMESPACE

from tidegate import ports
from tidegate.rollout import objects

if TYPE_CHECKING:
    from tests.sim.run import Run

WRITABLE = {
    MD,
    ports.DEPLOYMENT,
    ports.SERVICE,
    ports.HTTP_ROUTE,
    ports.EVENT,
    ports.LEASE,
    ports.ROLLOUT_RECORD,
}
STORM_WRITES, STORM_SECONDS = 150, 60.0
CLOSE = 1e-3
STALE_SECONDS = 60.0
DRAIN_SECONDS = 1.5  # half of the scaleDownDelay of every play


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
    waved_through: bool = False  # a person asked to promote
    served_at_confirmation: dict[tuple[str, int], float] = field(default_factory=dict)
    recent_writes: list[float] = field(default_factory=list)
    ready_seen: dict[str, float] = field(default_factory=dict)
    had_traffic: dict[str, float] = field(default_factory=dict)
    recorded: set[tuple[str, str, str]] = field(default_factory=set)

    @property
    def body(self) -> Object | None:
        return self.run.cluster.get(MD, NAMESPACE, NAME)


Check = Callable[[Memory, Change], None]


def by_operator(change: Change) -> bool:
    return change.actor.startswith("op")


def require(holds: object, invariant: str, message: str) -> None:
    if not holds:
        raise ViolatedError(invariant, message)


# --- memory --------------------------------------------------------------------------------------


def remember_people(memory: Memory, change: Change) -> None:
    """A retry lifts the quarantine; a request to promote replaces proof."""
    if change.actor != "people" or change.kind is not MD or change.new is None:
        return
    if change.old is None or change.old["spec"]["model"] != change.new["spec"]["model"]:
        memory.waved_through = False
    annotations = change.new["metadata"].get("annotations") or {}
    before = ((change.old or {}).get("metadata") or {}).get("annotations") or {}
    if annotations.get("tidegate.dev/requested-at") == before.get("tidegate.dev/requested-at"):
        return
    match annotations.get("tidegate.dev/request"):
        case "retry":
            memory.quarantined.discard(annotations["tidegate.dev/request-revision"])
        case "promote" | "promote-full":
            memory.waved_through = True


def remember_rejections(memory: Memory, change: Change) -> None:
    """A revision is rejected once status or the mark on the target says so."""
    if not by_operator(change) or change.new is None:
        return
    if change.kind is MD:
        memory.quarantined |= facts.rejected(change.new) - facts.rejected(change.old)
    elif change.kind in {ports.HTTP_ROUTE, ports.SERVICE}:
        mark = facts.marker(change.new)
        if mark and mark != facts.marker(change.old):
            memory.quarantined.add(mark)


def remember_recreation(memory: Memory, change: Change) -> None:
    """A new object of the name starts without a past."""
    if change.kind is MD and change.new is None:
        memory.quarantined.clear()


def remember_readiness(memory: Memory, change: Change) -> None:
    if change.kind is not ports.ENDPOINT_SLICE or change.new is None:
        return
    if any(it["conditions"]["ready"] for it in change.new["endpoints"]):
        memory.ready_seen[facts.revision_label(change.new)] = float("inf")
    else:
        memory.ready_seen[facts.revision_label(change.new)] = memory.run.loop.time()


def remember_traffic(memory: Memory, change: Change) -> None:
    """When a revision last had a share in the route."""
    if change.kind is not ports.HTTP_ROUTE:
        return
    for revision, share in facts.shares(change.old, name=NAME).items():
        if share > 0:
            memory.had_traffic[revision] = memory.run.loop.time()


# --- writes in general ---------------------------------------------------------------------------


def stays_in_its_own(memory: Memory, change: Change) -> None:
    """I4, I5: only our kinds, only the owner's namespace, only objects that are ours."""
    if not by_operator(change):
        return
    require(change.kind in WRITABLE, "I4", f"writes {change.kind.kind}")
    metadata = change.body["metadata"]
    if change.kind in {ports.LEASE, MD, ports.EVENT}:
        return
    where = f"{change.kind.kind} {metadata['name']}"
    require(metadata["namespace"] == NAMESPACE, "I4", f"writes {where} in another namespace")
    owners = metadata.get("ownerReferences") or []
    ours = any(o["kind"] == MD.kind and o.get("controller") for o in owners)
    require(ours, "I5", f"{where} is not owned by a ModelDeployment")
    blind = memory.run.nemesis.view_lag_seconds > STALE_SECONDS  # then the collector has to do
    if change.verb == "create" and memory.body is not None and not blind:
        uid = memory.body["metadata"]["uid"]
        require(objects.is_controlled_by(change.body, uid=uid), "I5", f"{where} has a dead owner")


def does_not_storm(memory: Memory, change: Change) -> None:
    """S9: writes are bounded."""
    if not by_operator(change) or change.kind is ports.LEASE:
        return
    now = memory.run.loop.time()
    memory.recent_writes = [t for t in memory.recent_writes if t > now - STORM_SECONDS] + [now]
    require(len(memory.recent_writes) < STORM_WRITES, "S9", "writes without end")


def templates_never_change(_: Memory, change: Change) -> None:
    """I4: the pods of a revision are never edited."""
    if by_operator(change) and change.kind is ports.DEPLOYMENT and change.old and change.new:
        same = change.old["spec"]["template"] == change.new["spec"]["template"]
        require(same, "I4", "the pod template of a revision changed")


def records_are_made_once(memory: Memory, change: Change) -> None:
    """S12: one record per ended rollout, never changed, and none of a rollout that goes on.

    A late pass may make one anew when it was collected with its owner; then it is collected again.
    """
    if change.kind is not ports.ROLLOUT_RECORD:
        return
    name, spec = change.body["metadata"]["name"], change.body["spec"]
    told = (change.body["metadata"]["ownerReferences"][0]["uid"], name, spec["finishedAt"])
    if change.new is None:
        if change.actor == "world":
            memory.recorded.discard(told)
        return
    require(change.old is None, "S12", f"record {name} was changed")
    running = facts.rollout(memory.body)
    require(running.get("id") != name, "S12", f"record {name} of a rollout that goes on")
    require(told not in memory.recorded, "S12", f"record {name} was made twice")
    memory.recorded.add(told)


# --- traffic -------------------------------------------------------------------------------------


def weights_sum_up(_: Memory, change: Change) -> None:
    """S1."""
    if not by_operator(change) or change.kind is not ports.HTTP_ROUTE or change.new is None:
        return
    for rule in change.new["spec"]["rules"]:
        weights = [backend["weight"] for backend in rule["backendRefs"]]
        total = sum(weights)
        require(min(weights) >= 0, "S1", f"negative weight in {weights}")
        require(total >= 100 and str(total).strip("0") == "1", "S1", f"weights {weights}")


def traffic_rises_with_cause(memory: Memory, change: Change) -> None:
    """S2, S3, S4, S10: more traffic for a candidate needs intent, proof and a finalizer."""
    if not by_operator(change) or change.new is None:
        return
    if change.kind is ports.HTTP_ROUTE:
        before, after = (facts.shares(it, name=NAME) for it in (change.old, change.new))
    elif change.kind is ports.SERVICE and change.new["metadata"]["name"] == NAME:
        before, after = _by_selector(memory, change.old), _by_selector(memory, change.new)
    else:
        return
    for revision, share in after.items():
        if share > before.get(revision, 0.0) + CLOSE:
            _rises(memory, change, revision, share)


def _by_selector(memory: Memory, service: Object | None) -> dict[str, float]:
    """ReplicaRatio: 100 for a revision selected alone; all selected shows as the intent."""
    if service is None or _provider(memory) != "ReplicaRatio":
        return {}
    revision = facts.selected(service)
    if revision:
        return {revision: 100.0}
    running = facts.rollout(memory.body).get("revision", "")
    return {running: facts.intent(memory.body)} if running else {}


def _provider(memory: Memory) -> str:
    return str(((memory.body or {}).get("spec") or {}).get("traffic", {}).get("provider"))


def _rises(memory: Memory, change: Change, revision: str, share: float) -> None:
    body, what = memory.body, f"{revision} gets {share:g} %"
    stable, running = facts.stable(body), facts.rollout(body)
    if revision == stable or body is None or "spec" not in body:
        return
    first = not stable  # nobody else could serve; a late write of its predecessor does no harm
    if change.urgent or first:
        require(revision not in memory.quarantined or first, "S4", f"{what} after its rejection")
        return
    require(running.get("revision") == revision, "S2", f"{what} without a rollout of it")
    require(revision not in memory.quarantined, "S4", f"{what} after its rejection")
    allowed = facts.intent(body)
    require(share <= allowed + CLOSE, "S2", f"{what}, intent is {allowed:g} %")
    require(running["stage"] != "RollingBack", "S4", f"{what} while rolling back")
    require(facts.holds_finalizer(body), "S10", f"{what} without the finalizer")
    _proven(memory, revision, share)
    lag = memory.run.nemesis.view_lag_seconds
    ready_until = memory.ready_seen.get(revision, 0.0)
    require(ready_until > memory.run.loop.time() - lag, "S5", f"{what} without ready endpoints")


def _proven(memory: Memory, revision: str, share: float) -> None:
    """S3: every step below this weight was passed."""
    running = facts.rollout(memory.body)
    plan, done = running.get("plan") or [], facts.passed(memory.body)
    below = [index for index, step in enumerate(plan) if step["effectiveWeight"] < share - CLOSE]
    upto = (
        len(plan)
        if share >= 100 and running["stage"] == "Promoting"
        else max(below, default=-1) + 1
    )
    unproven = [index for index in range(upto) if not done[index]]
    require(not unproven, "S3", f"{revision} gets {share:g} % before step {unproven}")
    legal = {round(step["effectiveWeight"], 3) for step in plan} | {100.0}
    require(round(share, 3) in legal, "S2", f"{share:g} % is no weight of the plan")


def pods_stay_while_they_serve(memory: Memory, change: Change) -> None:
    """I4, S5: no revision with traffic loses its pods, and stable never does."""
    if not by_operator(change) or change.kind is not ports.DEPLOYMENT:
        return
    body = memory.body
    gone = change.new is None or change.new["spec"]["replicas"] == 0
    if body is None or not gone or body["spec"]["workload"]["replicas"] == 0:
        return
    revision = facts.revision_label(change.old or change.new)
    require(revision != facts.stable(body), "I4", f"stable {revision} loses its pods")
    route = memory.run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
    share = facts.shares(route, name=NAME).get(revision, 0.0)
    if change.verb != "create" and _provider(memory) == "GatewayAPI":
        require(share == 0, "S5", f"{revision} has {share:g} % and loses its pods")
    entry = memory.run.cluster.get(ports.SERVICE, NAMESPACE, NAME)
    require(facts.selected(entry) != revision, "S5", f"{revision} is selected and loses its pods")


def capacity_stays(memory: Memory, change: Change) -> None:
    """I4: where pods make the split, shrinking leaves as many ready pods as there are replicas."""
    if not by_operator(change) or change.kind is not ports.DEPLOYMENT or change.new is None:
        return
    body, nemesis = memory.body, memory.run.nemesis
    if body is None or change.old is None or type(nemesis) is not Calm:
        return
    if change.new["spec"]["replicas"] >= change.old["spec"]["replicas"]:
        return
    chosen = facts.selected(memory.run.cluster.get(ports.SERVICE, NAMESPACE, NAME))
    serving = [
        min(it["spec"]["replicas"], facts.status(it).get("readyReplicas", 0))
        for it in memory.run.cluster.all(ports.DEPLOYMENT)
        if chosen in {"", facts.revision_label(it)}
    ]
    wanted = body["spec"]["workload"]["replicas"]
    if _provider(memory) == "ReplicaRatio":
        require(sum(serving) >= wanted, "I4", f"{sum(serving)} of {wanted} pods are left to serve")


def pods_drain_before_they_go(memory: Memory, change: Change) -> None:
    """I4: between the last traffic of a revision and the end of its pods lies the drain delay."""
    if not by_operator(change) or change.kind is not ports.DEPLOYMENT or memory.body is None:
        return
    shrunk = change.new is not None and change.new["spec"]["replicas"] == 0
    if not shrunk or memory.run.nemesis.clock_skew_seconds:
        return
    last = memory.had_traffic.get(facts.revision_label(change.new), -1e9)
    drained = memory.run.loop.time() - last
    require(drained >= DRAIN_SECONDS - 0.1, "I4", f"pods go {drained:.1f} s after their traffic")


def target_goes_first(memory: Memory, change: Change) -> None:
    """I2: status says that a rollout is over or rolled back only once its traffic is gone."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    before, after = facts.rollout(change.old), facts.rollout(change.new)
    if not before or before["stage"] == "RollingBack" or _provider(memory) != "GatewayAPI":
        return
    ends = not after or after["id"] != before["id"] or after["stage"] == "RollingBack"
    route = memory.run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
    if not ends or route is None or memory.run.people_touched_traffic:
        return
    stable = facts.stable(change.new)
    others = {r: s for r, s in facts.shares(route, name=NAME).items() if s and r != stable}
    require(not others or not stable, "I2", f"the rollout ended while {others} had traffic")


def weights_are_seen_before_they_count(memory: Memory, change: Change) -> None:
    """S3: a step is confirmed only when the route, accepted as it is, gives its weight."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    before, after = facts.rollout(change.old), facts.rollout(change.new)
    step = after.get("step") or {}
    known = (before.get("step") or {}).get("confirmedAt")
    if not step.get("confirmedAt") or step["confirmedAt"] == known:
        return
    if _provider(memory) != "GatewayAPI" or memory.run.people_touched_traffic:
        return
    route = memory.run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
    share = facts.shares(route, name=NAME).get(after["revision"], 0.0)
    wanted = after["plan"][step["index"]]["effectiveWeight"]
    require(abs(share - wanted) < CLOSE, "S3", f"confirmed {wanted:g} % at {share:g} %")


def the_epoch_is_the_writers(memory: Memory, change: Change) -> None:
    """S8: status names the epoch of the process that decided."""
    if not by_operator(change) or change.verb != "apply_status" or change.new is None:
        return
    epoch = facts.status(change.new).get("controller", {}).get("epoch", 0)
    known = memory.run.epoch_of(change.actor)
    require(known in {0, epoch}, "S8", f"status says epoch {epoch}, its writer has {known}")


# --- status --------------------------------------------------------------------------------------


def steps_pass_on_evidence(memory: Memory, change: Change) -> None:
    """S3, S6: a step passes after its hold, on real requests, and never for a bad revision."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    old, new = (
        facts.status(change.old).get("rollout") or {},
        facts.status(change.new).get("rollout") or {},
    )
    revision = str(new.get("revision", ""))
    step = new.get("step") or {}
    if step.get("confirmedAt"):
        key = (f"{new['id']} {step['confirmedAt']}", step["index"])
        memory.served_at_confirmation.setdefault(key, memory.run.world.served.get(revision, 0.0))
    if not old or old["id"] != new.get("id") or memory.waved_through:
        return
    for index, (before, after) in enumerate(zip(old["plan"], new["plan"], strict=False)):
        if after["state"] == "Passed" and before["state"] != "Passed":
            _passed(memory, old, index, revision)


def _passed(memory: Memory, old: Object, index: int, revision: str) -> None:
    step = old.get("step") or {}
    require(step.get("index") == index, "S3", f"step {index} passed without being active")
    require(step.get("confirmedAt"), "S3", f"step {index} passed before its weight was seen")
    now = memory.run.wall().timestamp()
    held = now - datetime.fromisoformat(step["confirmedAt"]).timestamp()
    wanted = old["plan"][index]["hold"]
    hold = (
        datetime.fromisoformat(step["holdUntil"]).timestamp()
        - datetime.fromisoformat(step["confirmedAt"]).timestamp()
    )
    skew = memory.run.nemesis.clock_skew_seconds
    require(held + skew + 0.1 >= hold, "S3", f"step {index} held {held:.1f} s of {wanted}")
    version = str(old["modelVersion"])
    require(not memory.run.world.truth(version).wrong, "S6", f"bad {version} passed step {index}")
    if skew:
        return  # a clock that went back makes the operator date the step anew
    key = (f"{old['id']} {step['confirmedAt']}", index)
    served = memory.run.world.served.get(revision, 0.0) - memory.served_at_confirmation.get(
        key, 0.0
    )
    needed = old["plan"][index]["minRequests"]
    require(served >= needed - 3, "S6", f"step {index} passed on {served:.0f} requests")


def only_proven_revisions_become_stable(memory: Memory, change: Change) -> None:
    """S6: a bad revision never becomes stable unless a person says so, or it is the first."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    before, after = facts.stable(change.old), facts.stable(change.new)
    require(after or not before, "S7", "status has lost the stable revision")
    if before and after != before and not memory.waved_through:
        version = facts.status(change.new)["stable"]["modelVersion"]
        require(not memory.run.world.truth(version).wrong, "S6", f"bad {version} became stable")
        plan = facts.passed(change.new)
        require(all(plan), "S3", f"{version} became stable before every step passed")


def status_moves_forward(_: Memory, change: Change) -> None:
    """S7, S8: generations and epochs never fall; transition times change with the status."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    old, new = facts.status(change.old), facts.status(change.new)
    if not new:
        return
    observed = new.get("observedGeneration", 0)
    require(observed <= change.new["metadata"]["generation"], "S7", "observed the future")
    if not old:
        return
    require(observed >= old.get("observedGeneration", 0), "S7", "observedGeneration fell")
    epochs = [it.get("controller", {}).get("epoch", 0) for it in (old, new)]
    require(epochs[1] >= epochs[0], "S8", f"epoch fell from {epochs[0]} to {epochs[1]}")
    known = {condition["type"]: condition for condition in old.get("conditions") or []}
    for condition in new.get("conditions") or []:
        was = known.get(condition["type"])
        if was is not None:
            moved = was["lastTransitionTime"] != condition["lastTransitionTime"]
            changed = was["status"] != condition["status"]
            require(moved <= changed, "S7", f"{condition['type']} moved in time only")


def rejected_stay_rejected(memory: Memory, change: Change) -> None:
    """I2: no new rollout of a rejected revision."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    old, new = facts.rollout(change.old), facts.rollout(change.new)
    if new and new.get("id") != old.get("id") and facts.stable(change.new):
        revision = new["revision"]
        require(revision not in memory.quarantined, "I2", f"{revision} is tried again unasked")


def finalizer_goes_last(memory: Memory, change: Change) -> None:
    """S10: the finalizer goes only when stable has all traffic."""
    if not by_operator(change) or change.kind is not MD:
        return
    held_before = facts.holds_finalizer(change.old)
    if not held_before or (change.new is not None and facts.holds_finalizer(change.new)):
        return
    stable = facts.stable(change.old)
    provider = ((change.old or {}).get("spec") or {}).get("traffic", {}).get("provider")
    if provider == "GatewayAPI" and stable:
        route = memory.run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
        others = {r: s for r, s in facts.shares(route, name=NAME).items() if s and r != stable}
        require(not others or not _ours(change, route), "S10", f"left with traffic for {others}")


def _ours(change: Change, body: Object | None) -> bool:
    return body is not None and objects.is_controlled_by(body, uid=change.body["metadata"]["uid"])


REMEMBER: tuple[Check, ...] = (
    remember_people,
    remember_recreation,
    remember_readiness,
    remember_traffic,
)
CHECKS: tuple[Check, ...] = (
    stays_in_its_own,
    does_not_storm,
    templates_never_change,
    weights_sum_up,
    traffic_rises_with_cause,
    pods_stay_while_they_serve,
    steps_pass_on_evidence,
    only_proven_revisions_become_stable,
    status_moves_forward,
    rejected_stay_rejected,
    finalizer_goes_last,
    records_are_made_once,
    capacity_stays,
    pods_drain_before_they_go,
    target_goes_first,
    weights_are_seen_before_they_count,
    the_epoch_is_the_writers,
    remember_rejections,
)
