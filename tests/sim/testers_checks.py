"""What holds for requests that a route sends by header: as for shares, and no longer than these."""

from __future__ import annotations

from tests.sim import facts, gateway
from tests.sim.cluster import ROUTES, Change
from tests.sim.oracle import Memory, by_operator, require
from tests.sim.people import MD, NAME, NAMESPACE

from tidegate import ports


def testers_come_with_cause(memory: Memory, change: Change) -> None:
    """S2, S4, S5, S10: testers reach a candidate by intent, with its pods and the finalizer."""
    if not by_operator(change) or change.kind not in ROUTES or change.new is None:
        return
    before, after = (gateway.testers(it, name=NAME) for it in (change.old, change.new))
    body = memory.body
    for revision in after - before:
        running, what = facts.rollout(body), f"{revision} gets testers"
        require(running.get("revision") == revision, "S2", f"{what} without a rollout of it")
        routes = (running.get("traffic") or {}).get("routes")
        require(routes, "S2", f"{what} without intent")
        require(not facts.ends(body), "S4", f"{what} while rolling back")
        require(revision not in memory.quarantined, "S4", f"{what} after its rejection")
        require(facts.holds_finalizer(body), "S10", f"{what} without the finalizer")
        require(memory.has_pods(revision), "S5", f"{what} without ready endpoints")


def testers_leave_first(memory: Memory, change: Change) -> None:
    """I2, S10: a rollout ends, and the finalizer goes, only when no tester is sent to it any more."""
    if not by_operator(change) or change.kind is not MD or memory.run.people_touched_traffic:
        return
    before, after = facts.rollout(change.old), facts.rollout(change.new)
    over = bool(before) and (not after or after["id"] != before["id"])
    freed = facts.holds_finalizer(change.old) and not facts.holds_finalizer(change.new)
    if not (over or freed):
        return
    route = memory.run.cluster.get(memory.run.cluster.route_kind, NAMESPACE, NAME)
    left = gateway.testers(route, name=NAME)
    require(not left, "I2" if over else "S10", f"testers are still sent to {left}")


def pods_stay_for_testers(memory: Memory, change: Change) -> None:
    """S5: no revision that a route sends testers to loses its pods."""
    if not by_operator(change) or change.kind is not ports.DEPLOYMENT or change.old is None:
        return
    gone = change.new is None or change.new["spec"]["replicas"] == 0
    if not gone or memory.body is None or facts.replicas(memory.body) == 0:
        return
    route = memory.run.cluster.get(memory.run.cluster.route_kind, NAMESPACE, NAME)
    revision = facts.revision_label(change.old)
    answers = revision in gateway.testers(route, name=NAME)
    require(not answers, "S5", f"{revision} answers testers and loses its pods")
