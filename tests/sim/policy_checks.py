"""Checks of what policies hold: nothing goes forward against them, and nothing back waits for them.

They read the policies as people wrote them (`drawn_policies.py` and the fixed plays), never what the
operator made of them, and only the few rules that hold whatever a plan looks like.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.fields import Object
from tests.sim.oracle import CLOSE, Memory, by_operator, require
from tests.sim.people import MD

from tidegate import ports

KINDS = (ports.CLUSTER_ROLLOUT_POLICY, ports.ROLLOUT_POLICY)
# Why a rollout may wait for people who write policies, approve, or are in its way.
HOLDS = frozenset({"Policy", "Freeze", "ConcurrencyQuota", "Approval"})
UNREADABLE = "0 0 31 2 *"  # a day that never comes


def _now(memory: Memory) -> float:
    return memory.run.loop.time()


def nothing_begins_against_a_policy(memory: Memory, change: Change) -> None:
    """S20: users get no more of a candidate than before while a policy in force forbids it."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    old, new = facts.rollout(change.old), facts.rollout(change.new)
    given = facts.intent(change.new)
    if not new or facts.ends(change.new):
        return
    most = memory.most_given.get(new["id"], 0.0)
    memory.most_given[new["id"]] = max(most, given)
    if given <= most + CLOSE or _is_free(change, old, new):
        return
    for why in _forbidding(memory, most=most):
        require(False, "S20", f"{new['modelVersion']} gets {given:g} % although {why}")


def _is_free(change: Change, old: Object, new: Object) -> bool:
    """Policies do not ask: it is the first, it goes back, it stands in, or a part is completed.

    A part of the first share is completed, since nothing else would judge what users have of it.
    """
    revision, status = new["revision"], facts.status(change.new)
    returns = new.get("cause") or revision in (facts.status(change.old).get("served") or [])
    proven = any(it["state"] == "Passed" for it in new["plan"])
    part = old.get("id") == new["id"] and facts.intent(change.old) > 0 and not proven
    stands_in = facts.failed_over_to(change.old) == revision
    return bool(not status.get("stable") or returns or part or stands_in)


def _forbidding(memory: Memory, *, most: float) -> Iterator[str]:
    """The policies that have forbidden it for longer than a look may lag behind, and why."""
    for kind in KINDS:
        for body in memory.run.cluster.all(kind):
            name, spec = body["metadata"]["name"], body["spec"]
            since = memory.written.get((kind.plural, name), 0.0)
            if spec.get("enforcementAction", "Enforce") != "Enforce" or _selects(spec):
                continue
            seen = since + memory.run.nemesis.view_lag_seconds < _now(memory)
            for why in _reasons(memory, spec, begun=most > 0) if seen else ():
                yield f"{kind.kind}/{name} {why}"


def _selects(spec: Object) -> bool:
    """It applies to some only, or not at all times: whom and when is not for this check to know."""
    return any(spec.get(name) for name in ("selector", "namespaceSelector", "exemptions"))


def _reasons(memory: Memory, spec: Object, *, begun: bool) -> Iterator[str]:
    if spec.get("stopPolicy") == "Hold":
        yield "stops everything"
    if "minBake" in (spec.get("constraints") or {}):
        bakes = ((memory.body or {}).get("spec") or {}).get("strategy", {}).get("postPromotion")
        if not bakes:
            yield "asks for a bake"
    for window in spec.get("freezeWindows") or []:
        if window.get("schedule") == UNREADABLE:
            yield "cannot be read"
        elif window.get("from") and not (begun and window.get("inFlight") == "Continue"):
            yield from _closed(memory, window)


def _closed(memory: Memory, window: Object) -> Iterator[str]:
    """Well within the window, by every clock."""
    now, nemesis = memory.run.wall(), memory.run.nemesis
    begin, end = (datetime.fromisoformat(window[it]) for it in ("from", "to"))
    lag = nemesis.view_lag_seconds
    if nemesis.clock_skew_seconds or lag == float("inf") or window.get("kind") == "Allow":
        return
    if begin + timedelta(seconds=lag) < now < end:
        yield "has frozen it"


def nothing_back_waits_for_a_policy(_: Memory, change: Change) -> None:
    """S21: what goes back waits for no policy, gate, window, place or circuit breaker."""
    if not by_operator(change) or change.kind is not MD or not facts.ends(change.new):
        return
    waits = facts.rollout(change.new).get("waitingFor") or {}
    said = f"{waits.get('reason')}: {waits.get('message')}"
    require(waits.get("reason") not in HOLDS, "S21", f"a rollback waits for {said}")


def nobody_jumps_the_queue(memory: Memory, change: Change) -> None:
    """S20: where one rollout may run at once, none begins while another one has begun."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    old, new = facts.rollout(change.old), facts.rollout(change.new)
    begins = facts.intent(change.new) > 0 and facts.intent(change.old) == 0
    same = old.get("id") == new.get("id") and not old.get("firstTrafficAt")
    if not begins or not same or _is_free(change, old, new) or facts.ends(change.new):
        return
    since = _single_file(memory)
    # Where it had its place before the policy came, it keeps it.
    placed = datetime.fromisoformat(new["startedAt"]).timestamp() - memory.run.wall().timestamp()
    if since is None or _now(memory) + placed <= since:
        return
    running = [
        it["metadata"]["name"]
        for it in memory.run.cluster.all(MD)
        if it["metadata"]["name"] in memory.run.others and facts.intent(it) > 0
    ]
    require(not running, "S20", f"it begins beside {running}, and one at once is allowed")


def _single_file(memory: Memory) -> float | None:
    """Since when one rollout at once is allowed, as far as everybody must know it by now."""
    found = [
        since
        for body in memory.run.cluster.all(ports.ROLLOUT_POLICY)
        if "maxConcurrentRollouts" in (body["spec"].get("constraints") or {})
        for since in [
            memory.written.get((ports.ROLLOUT_POLICY.plural, body["metadata"]["name"]), 0.0)
            + memory.run.nemesis.view_lag_seconds
        ]
        if since < _now(memory)
    ]
    return min(found, default=None)


def a_watch_takes_away_what_it_was_asked_to(memory: Memory, change: Change) -> None:
    """S20: a limit of the watch moves traffic only where the spec asks for it, and for real errors."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    new = facts.rejected(change.new) - facts.rejected(change.old)
    for one in facts.status(change.new).get("rejectedRevisions") or []:
        told = str(one.get("reason", ""))
        if (
            one["revision"] not in new
            or one.get("by") != "Watch"
            or "ThresholdBreached" not in told
        ):
            continue
        asked = (change.new["spec"].get("monitoring") or {}).get("onBreach") or {}
        version = str(one["modelVersion"])
        require(asked.get("action") == "Rollback", "S20", f"{version} goes, and nobody asked")
        truth = memory.run.world.truth(version)
        real = (
            truth.error_ratio or truth.slow_ratio or "shared_outage" in memory.run.scenario.faults
        )
        require(real, "S20", f"{version} goes for a limit that it keeps: {told}")
