"""The chain of links that must hold before a candidate gets a weight (features.md, N8).

No third revision in the way, pods ready, endpoints ready, model ready, probe answered, target writable, no
silence to sit out, before the first weight evidence within reach, and a shadow kept from sending where that is asked
for. Each link is a function named after what it finds; the first finding is what the rollout waits for. What keeps
a shadow from sending is the last: for users it is taken away, while copies go on.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate import model
from tidegate.rollout import capacity, isolation, preflight, probing, silence, waiting
from tidegate.rollout.turn import Turn
from tidegate.traffic.plane import common_port

# Pods and the server's own word are not watched: both are asked anew at every look. What has been
# waited for long is looked at less often: a large model loads for minutes.
POD_LOOK_SECONDS = 2.0
LONGEST_POD_LOOK_SECONDS = 10.0
_LOOKS_PER_WAIT = 6.0
_UNWATCHED = frozenset(
    {
        model.Waiting.PODS_NOT_READY,
        model.Waiting.CAPACITY,
        model.Waiting.PROBE,
        model.Waiting.ISOLATION,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why a weight cannot be set yet."""

    reason: model.Waiting
    message: str


def wait_for(turn: Turn, finding: Finding) -> Turn:
    """Wait for a link, and look again soon where no watch would tell that it holds."""
    reason, message = finding.reason, finding.message
    if reason is model.Waiting.PODS_NOT_READY and _shared_trouble(turn):
        reason, message = model.Waiting.CAPACITY, f"{message}; stable has no healthy pods either"
    elif reason is model.Waiting.PODS_NOT_READY and turn.rollout.withdrawn:
        reason = model.Waiting.WITHDRAWN
    turn = silence.look(waiting.wait_for(turn, reason, message))
    if turn.seen.traffic.obstacle:
        turn = turn.look_again(LONGEST_POD_LOOK_SECONDS)  # the route may not be watched
    unwatched = finding.reason in _UNWATCHED
    return turn.look_again(_pod_look_seconds(turn)) if unwatched else turn


def _pod_look_seconds(turn: Turn) -> float:
    patient = min(turn.stalled_seconds / _LOOKS_PER_WAIT, LONGEST_POD_LOOK_SECONDS)
    return max(POD_LOOK_SECONDS, patient)


def missing_link(turn: Turn, load_percent: float) -> Finding | None:
    """The first link of the chain that does not hold for this load, or None."""
    return (
        name_taken(turn)
        or third_revision_has_pods(turn)
        or ports_differ(turn)
        or candidate_not_ready(turn, load_percent)
        or model_not_ready(turn)
        or probe_unanswered(turn)
        or route_unusable(turn)
        or old_marker_present(turn)
        or silent_before(turn)
        or evidence_out_of_reach(turn)
        or shadow_may_send(turn)
    )


def name_taken(turn: Turn) -> Finding | None:
    """Somebody else's object has the name of a traffic object that we need."""
    conflict = turn.seen.traffic.conflict or turn.seen.traffic.preview_conflict
    return Finding(reason=model.Waiting.ROUTE_NOT_READY, message=conflict) if conflict else None


def route_unusable(turn: Turn) -> Finding | None:
    """A route of the user is missing, or has no place for weights of ours."""
    found = turn.seen.traffic.obstacle
    return Finding(reason=model.Waiting.ROUTE_NOT_READY, message=found) if found else None


def shadow_may_send(turn: Turn) -> Finding | None:
    """The NetworkPolicy of a shadow is not there yet; or it is, and users are to be answered."""
    found = isolation.hindrance(turn)
    return Finding(reason=model.Waiting.ISOLATION, message=found) if found else None


def candidate_not_ready(turn: Turn, load_percent: float) -> Finding | None:
    """Too few pods of the candidate are ready, by Deployment and by endpoints."""
    needed = _pods_needed(turn, load_percent)
    revision = turn.rollout.revision.hash
    state = turn.state_of(revision)
    if state is not None and state.ready >= needed and state.current and state.has_service:
        return None
    if (others := capacity.sized_by_others(turn)) and _has_all_it_gets(turn, state):
        return Finding(reason=model.Waiting.CAPACITY, message=capacity.others_text(turn, *others))
    if state is None:
        return Finding(
            reason=model.Waiting.PODS_NOT_READY, message=f"revision {revision} is being created"
        )
    if turn.scaling.lends and state.wanted <= capacity.wanted(turn).candidate < needed:
        return Finding(reason=model.Waiting.CAPACITY, message=_no_room(turn, revision, needed))
    if owed := "" if state.failure else _owed_capacity(turn, state):
        return Finding(reason=model.Waiting.CAPACITY, message=owed)
    reason = state.failure or state.lost
    trouble = f": {reason}" if reason else ""
    return Finding(
        reason=model.Waiting.PODS_NOT_READY,
        message=f"{state.ready} of {needed} pods of {revision} ready{trouble}",
    )


def _no_room(turn: Turn, revision: str, needed: int) -> str:
    policy = turn.scaling.surge_policy
    others = capacity.pods_of_others(turn)
    older = f", and older revisions have {others} of them yet" if others else ""
    return (
        f"there is no room for {needed} pods of {revision}: surgePolicy {policy} leaves it those that "
        f"stable lends{older}"
    )


def _has_all_it_gets(turn: Turn, state: model.RevisionState | None) -> bool:
    """Every pod that it has is ready, and there are too few of them."""
    return turn.by_pods if state is None else state.ready >= state.wanted


def _owed_capacity(turn: Turn, state: model.RevisionState) -> str:
    """What the cluster has to give first; an image that takes long is said after a while."""
    takes_long = turn.stalled_seconds >= turn.spec.progress_deadline_seconds / 2
    return state.unschedulable or (state.starting if takes_long else "")


def own_fault(turn: Turn, load_percent: float) -> str:
    """Why the candidate's pods fail by themselves; empty where it is not their doing.

    Not theirs is what happens to stable, too, what the cluster owes, what became of pods that have
    been replaced since they had traffic, and an answer that has not come yet: who asks may have
    begun a moment ago.
    """
    rollout = turn.rollout
    state = turn.state_of(rollout.revision.hash)
    finding = candidate_not_ready(turn, load_percent) or (
        model_not_ready(turn) if turn.seen.ready_url_failure else None
    )
    if _shared_trouble(turn):
        return ""
    if finding is None and (wrong := wrong_answer(turn)):
        return f"{probing.FAILED}: {wrong}"
    if state is None or finding is None or finding.reason is not model.Waiting.PODS_NOT_READY:
        return ""
    if state.failure:
        return finding.message
    since = rollout.first_traffic_at if rollout.withdrawn else None
    replaced = since is not None and (state.unready_since is None or state.unready_since > since)
    # A new generation that nobody has looked at yet is the controller's delay.
    return "" if state.lost or replaced or not state.current else finding.message


def _shared_trouble(turn: Turn) -> bool:
    """Stable suffers, too: its pods crash, or none of them is ready."""
    stable = turn.state_of(turn.stable)
    return stable is not None and stable.wanted > 0 and (stable.ready == 0 or bool(stable.crash))


def _pods_needed(turn: Turn, load_percent: float) -> int:
    """Ready pods for a load. Where pods are the weight, more follow the intent."""
    live = turn.rollout.exposure.live_percent > 0
    if turn.by_pods and live and load_percent < 100:
        return 1
    needed = turn.plane.sizing.candidate_needed(
        load_percent, replicas=turn.spec.replicas, scaling=turn.scaling
    )
    needed = max(needed, capacity.stage_pods(turn))
    return needed - capacity.missing_pods(turn, needed)


def model_not_ready(turn: Turn) -> Finding | None:
    """The server's ready URL does not answer 2xx yet."""
    failure = turn.seen.ready_url_failure or turn.seen.ready_url_awaited
    return Finding(reason=model.Waiting.PODS_NOT_READY, message=failure) if failure else None


def probe_unanswered(turn: Turn) -> Finding | None:
    """No pod of the candidate has answered `server.probe` as it should.

    Where no pod can be reached, no answer is no fault of the model: evidence will speak for it. A
    first version has none, so it waits.
    """
    if probing.probe_of(turn.seen, turn.rollout) is None:
        return None
    probed = turn.seen.probed or model.Probed(pending="server.probe has not been asked yet")
    if probed.wrong:
        return Finding(reason=model.Waiting.PROBE, message=probed.wrong)
    if probed.pending:
        return Finding(reason=model.Waiting.PODS_NOT_READY, message=probed.pending)
    if probed.unreachable and not turn.stable:
        text = f"{probed.unreachable}: with firstRollout: Probe it serves only once it has answered"
        return Finding(reason=model.Waiting.PROBE, message=text)
    return None


def wrong_answer(turn: Turn) -> str:
    """What a pod of the candidate answered to `server.probe` instead; empty where none did."""
    asked = probing.probe_of(turn.seen, turn.rollout) is not None
    return turn.seen.probed.wrong if asked and turn.seen.probed is not None else ""


def warn_unreachable(turn: Turn) -> Turn:
    """Say before traffic comes that the server's own word is missing.

    Kubelet calls the pods ready; a mesh or a NetworkPolicy between operator and pods is no fault
    of the model.
    """
    warning, probed = turn.seen.ready_url_warning, turn.seen.probed
    turn = turn.warn("ReadyUrlUnreachable", warning) if warning else turn
    if probed is None or not probed.unreachable:
        return turn
    return turn.warn("ProbeUnreachable", f"{probed.unreachable}: it goes on without an answer")


def third_revision_has_pods(turn: Turn) -> Finding | None:
    """An older revision would get a share, because the plane selects pods by model only.

    The first revision is selected by itself; waiting for one that still serves would never end.
    """
    if not turn.by_pods or not turn.stable:
        return None
    mine = {turn.stable, turn.rollout.revision.hash}
    left = [
        state.revision.hash
        for state in turn.seen.revisions.values()
        if state.revision.hash not in mine and (state.wanted or state.ready)
    ]
    if not left:
        return None
    message = f"revision {min(left)} still has pods to drain"
    known = turn.status.failover
    if known is not None and known.revision in left:
        message = (
            f"revision {known.revision} answers for stable, which has no ready pod: deploy that "
            "version again, it serves at once, and then this one"
        )
    return Finding(reason=model.Waiting.DRAIN, message=message)


def ports_differ(turn: Turn) -> Finding | None:
    """One Service cannot reach both revisions: pods of an older release do not name their port."""
    if not (turn.by_pods and turn.stable):
        return None
    pair = (turn.stable, turn.rollout.revision.hash)
    ports = {hash_: turn.seen.frozen[hash_].port for hash_ in pair if hash_ in turn.seen.frozen}
    if not ports or common_port(ports.values()) is not None:
        return None
    listens = " and ".join(f"{hash_} on {port.number}" for hash_, port in ports.items())
    return Finding(
        reason=model.Waiting.ROUTE_NOT_READY,
        message=(
            f"one Service cannot reach both revisions ({listens}), since pods of an older release do "
            "not name their port: first roll out a version that keeps the port"
        ),
    )


def old_marker_present(turn: Turn) -> Finding | None:
    """The rollback marker of an earlier attempt of this revision is still on the target."""
    if turn.seen.traffic.rolled_back_revision != turn.rollout.revision.hash:
        return None
    return Finding(
        reason=model.Waiting.ROUTE_NOT_READY, message="the mark of an earlier rollback is removed"
    )


def silent_before(turn: Turn) -> Finding | None:
    """It had traffic and showed no data: it gets some again later, or when a person says so."""
    message = silence.lasts(turn)
    return Finding(reason=model.Waiting.WITHDRAWN, message=message) if message else None


def evidence_out_of_reach(turn: Turn) -> Finding | None:
    """Stable shows no series of a metric, so the candidate could never be judged.

    A candidate that answers users, or one that people promote without analysis, is not held; nor is
    one whose stable gets no requests. For the first look it waits only so long.
    """
    stage = turn.rollout.stage
    judged = stage is not None and stage.needs_proof
    if not judged or turn.rollout.exposure.answers_users or not turn.stable:
        return None
    if preflight.awaits_first_look(turn):
        message = f"the first look for the series of {turn.stable} is still to come"
        return Finding(reason=model.Waiting.EVIDENCE, message=message)
    found = preflight.obstacle(preflight.rows(turn))
    if found is None:
        return None
    return Finding(reason=model.Waiting.EVIDENCE, message=preflight.text(found))
