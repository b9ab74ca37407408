"""Checks of what status says, at every committed change."""

from __future__ import annotations

from datetime import datetime

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.fields import Object
from tests.sim.oracle import CLOSE, Memory, by_operator, provider, require
from tests.sim.people import MD, NAME, NAMESPACE

from tidegate import ports
from tidegate.model import objects

VERY_MOMENT_SECONDS = 0.1
LONGEST_LAG_SECONDS = 60.0


def steps_pass_on_evidence(memory: Memory, change: Change) -> None:
    """S3, S6: a step passes after its hold, on real requests, and never for a bad revision."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    old, new = (
        facts.status(change.old).get("rollout") or {},
        facts.status(change.new).get("rollout") or {},
    )
    if not old or old["id"] != new.get("id") or memory.waved_through == old["revision"]:
        return
    for index, (before, after) in enumerate(zip(old["plan"], new["plan"], strict=False)):
        if after["state"] == "Passed" and before["state"] != "Passed":
            _passed(memory, old, index)


def _passed(memory: Memory, old: Object, index: int) -> None:
    step, kind = old.get("step") or {}, old["plan"][index].get("kind", "Live")
    require(step.get("index") == index, "S3", f"step {index} passed without being active")
    if kind in {"First", "Switch"}:
        _given_everything(memory, str(old["revision"]))
        return
    require(step.get("confirmedAt"), "S3", f"step {index} passed before its weight was seen")
    confirmed_at = datetime.fromisoformat(step["confirmedAt"])
    held = (memory.run.wall() - confirmed_at).total_seconds()
    wanted = old["plan"][index]["hold"]
    hold = (datetime.fromisoformat(step["holdUntil"]) - confirmed_at).total_seconds()
    skew = memory.run.nemesis.clock_skew_seconds
    require(held + skew + 0.1 >= hold, "S3", f"step {index} held {held:.1f} s of {wanted}")
    version = str(old["modelVersion"])
    unjudged = old["plan"][index].get("control") == "None"  # a warm-up proves nothing
    wrong = memory.run.world.truth(version).wrong and not unjudged
    require(not wrong, "S6", f"bad {version} passed step {index}")
    if kind == "Bake":
        _had_everything(memory, str(old["revision"]), seconds=hold - skew)
    if skew:
        return  # a clock that went back makes the operator date the step anew
    if kind == "Bake" or old["plan"][index].get("control") == "None":
        return  # time ends it, unless something breaks a limit
    # Not since the status was written: that may have come late, on its way past a leader change.
    served = memory.run.world.served_by(str(old["revision"]), after=confirmed_at)
    needed = old["plan"][index]["minRequests"]
    require(served >= needed - 3, "S6", f"step {index} passed on {served:.0f} requests")


def _given_everything(memory: Memory, revision: str) -> None:
    """S3: who is promoted has all traffic, as far as people have left the target alone."""
    route = memory.run.cluster.get(memory.run.cluster.route_kind, NAMESPACE, NAME)
    if provider(memory) not in facts.BY_ROUTE or memory.run.people_touched_traffic:
        return
    share = facts.shares(route, name=NAME).get(revision, 0.0)
    lowered = facts.marker(route) == revision  # by a new leader, while this write was on its way
    require(lowered or share > 100 - CLOSE, "S3", f"{revision} was promoted at {share:g} %")


def _had_everything(memory: Memory, revision: str, *, seconds: float) -> None:
    """S3: who was baked had every request of the users all the time, whoever wrote to the target."""
    if provider(memory) not in {*facts.BY_ROUTE, "ReplicaRatio"}:
        return
    had = memory.run.loop.time() - memory.alone_since.get(revision, float("inf"))
    what = f"{revision} was baked for {seconds:g} s, and had all users for {had:.1f} s"
    require(had + VERY_MOMENT_SECONDS >= seconds, "S3", what)


def only_proven_revisions_become_stable(memory: Memory, change: Change) -> None:
    """S6: a bad revision never becomes stable unless a person says so, or it is the first."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    before, after = facts.stable(change.old), facts.stable(change.new)
    require(after or not before, "S7", "status has lost the stable revision")
    if before and after not in {before, memory.waved_through}:
        version = facts.status(change.new)["stable"]["modelVersion"]
        require(not memory.run.world.truth(version).wrong, "S6", f"bad {version} became stable")
        plan = facts.passed(change.new)
        require(all(plan), "S3", f"{version} became stable before every step passed")


def status_moves_forward(memory: Memory, change: Change) -> None:
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
    fell = epochs[1] < epochs[0] and not memory.lease_deleted
    require(not fell, "S8", f"epoch fell from {epochs[0]} to {epochs[1]}")
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


def shared_trouble_rejects_nobody(memory: Memory, change: Change) -> None:
    """S14: pods that are not ready reject only while stable has ready ones, or gave its only one."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    if facts.swaps_in_place(change.new):
        return
    new = facts.rejected(change.new) - facts.rejected(change.old)
    for one in facts.status(change.new).get("rejectedRevisions") or []:
        pods = one["reason"].startswith(("CandidateUnready", "no progress"))
        stable = facts.stable(change.old)
        if one["revision"] not in new or not pods or not stable:
            continue
        exists = memory.run.cluster.get(ports.DEPLOYMENT, NAMESPACE, f"{NAME}-{stable}")
        what = f"{one['modelVersion']} is rejected ({one['reason']}) while stable has no ready pod"
        require(memory.has_pods(stable) or exists is None, "S14", what)


def withdrawn_candidates_come_back(memory: Memory, change: Change) -> None:
    """S16: what the cluster took is not held against it. That it comes back at all is liveness, I3."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    before = facts.rollout(change.old)
    if not facts.is_withdrawn(before):
        return
    version = str(before["modelVersion"])
    doubt = memory.run.scenario.may_reject_good or memory.run.nemesis.may_reject_good
    if doubt or memory.run.world.truth(version).wrong:
        return
    new = facts.rejected(change.new) - facts.rejected(change.old)
    require(before["revision"] not in new, "S16", f"{version} was withdrawn, then rejected")


def finalizer_goes_last(memory: Memory, change: Change) -> None:
    """S10: the finalizer goes only when stable has all traffic."""
    if not by_operator(change) or change.kind is not MD:
        return
    held_before = facts.holds_finalizer(change.old)
    if not held_before or (change.new is not None and facts.holds_finalizer(change.new)):
        return
    stable = facts.stable(change.old)
    provider = facts.provider(change.old)
    if not memory.had_pods(stable):
        return  # traffic is not given back to nobody, and deletion does not hang
    # Somebody may edit the route in the very moment in which the finalizer goes.
    touched_ago = memory.run.loop.time() - memory.run.people_touched_at
    lag_seconds = min(memory.run.nemesis.view_lag_seconds, LONGEST_LAG_SECONDS)
    unseen_seconds = max(VERY_MOMENT_SECONDS, lag_seconds)
    if provider in facts.BY_ROUTE and stable and touched_ago > unseen_seconds:
        route = memory.run.cluster.get(memory.run.cluster.route_kind, NAMESPACE, NAME)
        others = {r: s for r, s in facts.exposed(route, name=NAME).items() if s and r != stable}
        require(not others or not _ours(change, route), "S10", f"left with traffic for {others}")


def _ours(change: Change, body: Object | None) -> bool:
    return body is not None and objects.is_controlled_by(body, uid=change.body["metadata"]["uid"])


def target_goes_first(memory: Memory, change: Change) -> None:
    """I2: status says that a rollout is over only once its traffic is gone, rolled back for harm too.

    For other reasons stable takes over as fast as it can; and while it has no ready pod, and the
    candidate has one, nothing is moved at all. Where the write is refused, status says so.
    """
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    before, after = facts.rollout(change.old), facts.rollout(change.new)
    if not before or facts.ends(change.old) or provider(memory) not in facts.BY_ROUTE:
        return
    ends = not after or after["id"] != before["id"] or facts.ends(change.new)
    route = memory.run.cluster.get(memory.run.cluster.route_kind, NAMESPACE, NAME)
    if not ends or route is None or memory.run.people_touched_traffic:
        return
    if not facts.is_readable(before):
        return  # lost like an emptied status, with what it said of its traffic
    harmed = after.get("rollbackBy") == "Analysis" and memory.had_pods(facts.stable(change.new))
    harmed = harmed and facts.condition(change.new, "Stalled").get("status") != "True"
    harmed = harmed and not facts.switched(change.old)  # stable may have been shrunk by then
    if after.get("id") == before["id"] and not harmed:
        return
    stable = facts.stable(change.new)
    others = {r: s for r, s in facts.exposed(route, name=NAME).items() if s and r != stable}
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
    if facts.ends(change.new):
        return  # a clock that went back dates the step anew, and the same pass rolls it back
    if provider(memory) not in facts.BY_ROUTE or memory.run.people_touched_traffic:
        return
    route = memory.run.cluster.get(memory.run.cluster.route_kind, NAMESPACE, NAME)
    if facts.marker(route) == after["revision"]:
        return  # lowered by a new leader while this write was on its way; the mark decides
    planned = after["plan"][step["index"]]
    share = facts.shares(route, name=NAME).get(after["revision"], 0.0)
    copied = facts.mirrored_to(route).get(f"{NAME}-{after['revision']}", 0.0)
    for seen, wanted in ((share, planned["effectiveWeight"]), (copied, planned.get("mirror", 0.0))):
        require(abs(seen - wanted) < CLOSE, "S3", f"confirmed {wanted:g} % at {seen:g} %")


def the_epoch_is_the_writers(memory: Memory, change: Change) -> None:
    """S8: status names the epoch of the process that decided."""
    decides = by_operator(change) and change.verb == "apply_status" and change.kind is MD
    if not decides or change.new is None:
        return
    old, new = facts.status(change.old), facts.status(change.new)
    if {**old, "conditions": None} == {**new, "conditions": None}:
        return  # of a decision that the API server refused only the conditions stand
    epoch = new.get("controller", {}).get("epoch", 0)
    known = memory.run.epoch_of(change.actor)
    require(known in {0, epoch}, "S8", f"status says epoch {epoch}, its writer has {known}")


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
    if change.old is not None:  # people may give it to another owner
        same = change.old["spec"] == spec and not by_operator(change)
        require(same, "S12", f"record {name} was changed")
        return
    # A deposed leader may still record a rollout of an object that has been created anew since.
    body = memory.body
    if body is not None and told[0] == body["metadata"]["uid"]:
        running = facts.rollout(body)
        require(running.get("id") != name, "S12", f"record {name} of a rollout that goes on")
    require(told not in memory.recorded, "S12", f"record {name} was made twice")
    memory.recorded.add(told)
