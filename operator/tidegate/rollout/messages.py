"""The message of a status: what serves, what a rollout does and what it waits for (api.md, 6.2)."""

from __future__ import annotations

from typing import Final

from tidegate import model
from tidegate.rollout import completion, notices
from tidegate.rollout.turn import Turn, exposure_text, routes_text, weight_text

DRIFT: Final = "TrafficDrift"
_DELETION_WAITS = "deletion waits, since the traffic cannot be given back to what serves"
_TO_DELETE = "allow that write, or take the finalizer off where its users may be left as they are"
_DIFFERS = {
    model.Difference.APPLYING: "being written as the spec asks: ",
    model.Difference.RESTORING: "not as the spec asks, and being taken back: ",
    model.Difference.LEFT: (
        "somebody else changed this again after it was taken back; it stays until it is undone or the "
        "spec changes: "
    ),
}


def _serving(turn: Turn) -> str:
    stable = turn.status.stable
    if stable is None:
        return "nothing serves yet"
    if turn.serving != turn.stable:
        return f"serving {turn.rollout.revision.model_version}"
    if turn.stable_lost:
        return f"{stable.model_version} is to serve; {notices.lost_text(turn)}"
    return f"serving {stable.model_version}"


def message(turn: Turn) -> str:
    """What there is to say of the whole; what cannot be written comes before everything else."""
    status, serving, blocked = turn.status, _serving(turn), turn.seen.blocked
    if blocked is not None and not write_is_missing(turn):
        refused = f"{blocked.reason}: {blocked.message}"
        if turn.seen.meta.finalizers and status.phase is model.Phase.TERMINATING:
            return f"{_DELETION_WAITS}: {refused}; {_TO_DELETE}"
        return f"{serving}; {refused}"
    match status.phase:
        case model.Phase.INVALID:
            return f"{serving}; {_violations(turn)}"
        case model.Phase.HEALTHY:
            found = difference(turn)
            if completion.is_completed(turn):
                serving = f"{serving}; {completion.text(turn)}"
            more = _violations(turn) if turn.seen.violations else found[1] if found else ""
            return f"{serving}; {more}" if more else serving
        case model.Phase.TERMINATING:
            return "deletion in progress"
        case model.Phase.ROLLED_BACK:
            return f"{serving}; {_rejection(turn)}"
        case model.Phase.FAILED if turn.active_rollout is None:
            return f"{serving}; {_rejection(turn)}"
        case _:
            more = f"; {_violations(turn)}" if turn.hindrances else ""
            return f"{serving}; {_progress(turn)}{more}"


def _violations(turn: Turn) -> str:
    problems = [f"{v.path}: {v.message}" for v in turn.seen.violations]
    return "; ".join(problems) or "the spec cannot be carried out"


def _rejection(turn: Turn) -> str:
    desired = turn.desired
    found = [r for r in turn.status.rejected if r.revision == desired.hash]
    reason = found[0].reason if found else "too long ago to say why"
    return f"spec asks for {desired.model_version}, rejected: {reason}"


def _progress(turn: Turn) -> str:
    rollout = turn.rollout
    parts = [rollout.revision.model_version]
    stage = rollout.stage
    if rollout.ending:
        ends = "leaves" if rollout.rollback_by in completion.BLAMELESS else "is rolled back"
        parts.append(f"{ends}: {rollout.rollback_reason}")
    elif stage is not None and stage.kind is model.StageKind.SWITCH:
        parts.append("is being promoted")
    elif rollout.withdrawn:
        parts.append("is withdrawn")
    elif rollout.switched:
        parts.append(f"is watched, and {turn.stable} is the way back")
    elif rollout.exposure.answers_users or rollout.exposure.mirror_percent > 0:
        parts.append(_weight(turn, rollout))
    elif rollout.exposure.preview:
        parts.append("is in preview")
    else:
        parts.append("is being prepared")
    if rollout.step is not None:
        parts.append(f"(step {rollout.step.name})")
    text = " ".join(parts)
    waits = rollout.waiting_for
    return f"{text}; waits for {waits.reason}: {waits.message}" if waits is not None else text


def _weight(turn: Turn, rollout: model.Rollout) -> str:
    """The exposure, and what the data plane gives instead where a write does not reach it."""
    copied = rollout.exposure.mirror_percent > 0
    wanted = f"{'with' if copied else 'at weight'} {_given(rollout.exposure)}"
    if not write_is_missing(turn):
        return wanted
    traffic, revision = turn.seen.traffic, rollout.revision.hash
    seen = traffic.mirrors if copied else traffic.weights
    given = weight_text(seen.get(revision, 0.0))
    if copied and rollout.exposure.live_percent > 0:
        given = f"{weight_text(traffic.weights.get(revision, 0.0))} % and copies of {given} %"
    return f"{wanted}, of which the data plane gives {given}"


def _given(exposure: model.Exposure) -> str:
    if exposure.mirror_percent > 0:
        return exposure_text(exposure)
    return f"{weight_text(exposure.live_percent)}{routes_text(exposure)}"


def write_is_missing(turn: Turn) -> bool:
    """A weight was written to status that the target does not have although it was tried."""
    rollout = turn.active_rollout
    if rollout is None or rollout.waiting_for is None or turn.seen.spec is None:
        return False
    if turn.by_pods or turn.target_agrees:
        return False
    return rollout.waiting_for.reason is model.Waiting.ROUTE_NOT_READY


def difference(turn: Turn) -> tuple[str, str] | None:
    """Reason and words where Service or route are not as the spec asks; None where they are."""
    found = turn.status.traffic.difference
    if found is not None and found.state is not model.Difference.RESTORED:
        applying = found.state is model.Difference.APPLYING
        return "Applying" if applying else DRIFT, _DIFFERS[found.state] + found.fields
    if turn.seen.spec is None or turn.status.traffic.generation == turn.seen.meta.generation:
        return None
    return "Applying", "spec.service and spec.traffic of this generation are not in force yet"
