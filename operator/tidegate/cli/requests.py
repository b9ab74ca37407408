"""People's requests as values: the annotations to write and the answer in words. Pure.

Source: api.md, section 7; answered by `rollout.requests`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tidegate import model, ports
from tidegate.api import convert
from tidegate.cli import outcome, views
from tidegate.cli.outcome import CliError

REASON_LIMIT = 512

SUMMARIES = {
    model.RequestKind.PROMOTE: "end the present wait of a rollout: next step, or promotion",
    model.RequestKind.PROMOTE_FULL: "skip the remaining steps, holds and analysis of a rollout",
    model.RequestKind.ABORT: "roll the running rollout back and reject its revision",
    model.RequestKind.RETRY: "try a rejected revision again",
    model.RequestKind.PAUSE: "stop a rollout at its present weight",
    model.RequestKind.RESUME: "go on after a pause",
    model.RequestKind.SKIP_STEP: "end the present step of a rollout without its hold and analysis",
    model.RequestKind.REPIN: "have a running rollout adopt the steps of the edited spec",
}
_EFFECTS = {
    model.RequestKind.PROMOTE: "the wait ends and the rollout goes on",
    model.RequestKind.PROMOTE_FULL: "remaining steps are skipped and the candidate is promoted",
    model.RequestKind.ABORT: "all traffic goes back to stable and the revision is rejected",
    model.RequestKind.RETRY: "the rejection is removed and a new attempt starts",
    model.RequestKind.PAUSE: "the rollout stays at its weight until resume; breaches still act",
    model.RequestKind.RESUME: "the rollout goes on",
    model.RequestKind.SKIP_STEP: "the step ends without proof and the next one begins",
    model.RequestKind.REPIN: "the rollout goes on by the edited steps; what was reached stays reached",
}
# They are about what one has just seen: by the time they are read the rollout may have moved on.
_OF_A_STEP = frozenset({model.RequestKind.PROMOTE, model.RequestKind.SKIP_STEP})
_NOT_UNDERSTOOD = "the operator does not understand it: use the tidegate of the operator's version"
_REFUSALS = {
    "NotActive": "no rollout is running; change the model or the pod template to start one",
    "NotWaiting": (
        "it waits for no person: time and evidence move it on; promote-full would skip both"
    ),
    "OtherRevision": "another revision is worked on by now: look and ask again",
    "OtherStep": "another step is worked on by now: look and ask again",
    "UnknownStep": "the plan has no step of this name",
    "GateOpen": "a gate is to be opened first: ask for promote, or have it approved",
    "ApprovalNeeded": "people with a name have to approve it: kubectl tidegate approve",
    "PolicyForbids": "a policy keeps the step from beginning: see kubectl tidegate policy explain",
    "NotSkippable": "what is worked on cannot be skipped: a promotion waits for pods and route",
    "InvalidSpec": "the spec cannot be carried out: mend it first",
    "PlanTooLong": "with the steps that were reached the plan would be too long: leave some out",
    "Expired": "the operator read it more than an hour later: check this machine's clock",
    "Malformed": _NOT_UNDERSTOOD,
    "UnknownRequest": _NOT_UNDERSTOOD,
}
_OF_KIND = {
    ("NotActive", model.RequestKind.RETRY): "its revision is not rejected, or a rollout is running",
    ("NotWaiting", model.RequestKind.RESUME): (
        "it is not paused by a request; if spec.paused is true, set it to false"
    ),
}
_LOOK = "see `tidegate status {name}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to print and how to exit."""

    text: str
    exit_code: int


def new_request(
    seen: views.Seen, *, kind: model.RequestKind, reason: str, at: datetime
) -> model.Request:
    """The request for the revision that it is about: the running rollout's, else the desired one.

    Errors: CliError when the status names no revision, so that there is nothing to bind it to.
    """
    name = seen.meta.name
    if len(reason) > REASON_LIMIT:
        raise CliError(f"--reason takes at most {REASON_LIMIT} characters: shorten it")
    if seen.meta.deleting:
        raise CliError(f"{name} is being deleted, so nothing can be asked of it any more")
    revision = _revision(seen, kind=kind)
    if not revision:
        raise CliError(
            f"the status of {name} names no revision yet: check that the operator runs and watches "
            f"namespace {seen.meta.namespace}, then try again"
        )
    return model.Request(
        request=str(kind),
        revision=revision,
        requested_at=at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        reason=reason,
        step=_step(seen) if kind in _OF_A_STEP else "",
    )


def _step(seen: views.Seen) -> str:
    rollout = seen.active_rollout
    return rollout.step.name if rollout is not None and rollout.step is not None else ""


def _revision(seen: views.Seen, *, kind: model.RequestKind) -> str:
    rollout = seen.active_rollout
    if rollout is not None and kind is not model.RequestKind.RETRY:
        return rollout.revision.hash
    return seen.status.desired.hash if seen.status.desired else ""


def operations(body: ports.Object, request: model.Request) -> list[ports.Object]:
    """A JSON Patch that writes the request, valid only for exactly this version of the object."""
    metadata = body["metadata"]
    present = metadata.get("annotations") or {}
    wanted = _annotations(request)
    guard = {
        "op": "test",
        "path": "/metadata/resourceVersion",
        "value": metadata["resourceVersion"],
    }
    if not present:
        return [guard, {"op": "add", "path": "/metadata/annotations", "value": wanted}]
    # A reason or a step of an earlier request must not be taken for one of this.
    optional = (convert.REQUEST_REASON, convert.REQUEST_STEP)
    stale = [key for key in optional if key in present.keys() - wanted]
    return [
        guard,
        *({"op": "add", "path": _pointer(key), "value": value} for key, value in wanted.items()),
        *({"op": "remove", "path": _pointer(key)} for key in stale),
    ]


def _annotations(request: model.Request) -> dict[str, str]:
    annotations = {
        convert.REQUEST: request.request,
        convert.REQUEST_REVISION: request.revision,
        convert.REQUESTED_AT: request.requested_at,
    }
    optional = {convert.REQUEST_REASON: request.reason, convert.REQUEST_STEP: request.step}
    return annotations | {key: value for key, value in optional.items() if value}


def _pointer(annotation: str) -> str:
    return f"/metadata/annotations/{annotation.replace('~', '~0').replace('/', '~1')}"


def is_answered(seen: views.Seen, request: model.Request) -> bool:
    """The newest answer in the status is the one to this request."""
    handled = seen.status.last_handled_request
    return handled is not None and handled.requested_at == request.requested_at


def answer(seen: views.Seen, *, kind: model.RequestKind) -> Answer:
    """The operator's answer in words, with what to do when it is no."""
    handled = seen.status.last_handled_request
    assert handled is not None
    subject = f"{kind} of {seen.meta.name} (revision {handled.revision})"
    look = _LOOK.format(name=seen.meta.name)
    match handled.outcome:
        case "Accepted":
            return Answer(text=f"Accepted: {subject}: {_EFFECTS[kind]}", exit_code=outcome.DONE)
        case "NoOp" if kind is model.RequestKind.REPIN:
            why = f"the plan is that of the spec already; {look}"
            return Answer(text=f"NoOp: {subject}: {why}", exit_code=outcome.DONE)
        case "NoOp":
            why = f"no rollout is running, so nothing changes; {look}"
            return Answer(text=f"NoOp: {subject}: {why}", exit_code=outcome.DONE)
        case said:
            why = _refusal(handled.reason, kind=kind, look=look)
            return Answer(text=f"{said}: {subject}: {why}", exit_code=outcome.NEGATIVE)


def _refusal(reason: str, *, kind: model.RequestKind, look: str) -> str:
    """Why it was refused, and where to look."""
    text = _OF_KIND.get((reason, kind)) or _REFUSALS.get(reason) or reason or "no reason given"
    return f"{text}; {look}"


def no_answer(seen: views.Seen, request: model.Request, *, waited: str) -> str:
    """Why there may be no answer, and what to do."""
    name = seen.meta.name
    if seen.status.phase is model.Phase.INVALID:
        return f"the spec of {name} is invalid and must be mended first: {seen.status.message}"
    return (
        f"no answer within {waited} to {request.request} of {name}: the request stays and counts "
        f"for an hour; check that the operator runs and watches namespace {seen.meta.namespace}"
    )


def replaced(body: ports.Object, request: model.Request) -> bool:
    """Somebody wrote another request over this one before it was answered."""
    standing = convert.read_request(body["metadata"].get("annotations"))
    return standing is None or standing.requested_at != request.requested_at
