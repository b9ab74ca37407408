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
}
_EFFECTS = {
    model.RequestKind.PROMOTE: "the wait ends and the rollout goes on",
    model.RequestKind.PROMOTE_FULL: "remaining steps are skipped and the candidate is promoted",
    model.RequestKind.ABORT: "all traffic goes back to stable and the revision is rejected",
    model.RequestKind.RETRY: "the rejection is removed and a new attempt starts",
    model.RequestKind.PAUSE: "the rollout stays at its weight until resume; breaches still act",
    model.RequestKind.RESUME: "the rollout goes on",
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
    )


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
    # A reason of an earlier request must not explain this one.
    stale = [convert.REQUEST_REASON] if convert.REQUEST_REASON in present.keys() - wanted else []
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
    return annotations | ({convert.REQUEST_REASON: request.reason} if request.reason else {})


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
        case "NoOp":
            why = f"no rollout is running, so nothing changes; {look}"
            return Answer(text=f"NoOp: {subject}: {why}", exit_code=outcome.DONE)
        case said:
            why = _refusal(handled.reason, kind=kind, look=look)
            return Answer(text=f"{said}: {subject}: {why}", exit_code=outcome.NEGATIVE)


def _refusal(reason: str, *, kind: model.RequestKind, look: str) -> str:
    match reason:
        case "NotActive" if kind is model.RequestKind.RETRY:
            return f"its revision is not rejected, or a rollout is running; {look}"
        case "NotActive":
            return (
                f"no rollout is running; change the model or the pod template to start one; {look}"
            )
        case "NotWaiting" if kind is model.RequestKind.RESUME:
            return f"it is not paused by a request; if spec.paused is true, set it to false; {look}"
        case "NotWaiting":
            return (
                "it waits for no person: time and evidence move it on; "
                f"promote-full would skip both; {look}"
            )
        case "OtherRevision":
            return f"another revision is worked on by now; {look} and ask again"
        case "Expired":
            return "the operator read it more than an hour later: check this machine's clock"
        case "Malformed" | "UnknownRequest":
            return "the operator does not understand it: use the tidegate of the operator's version"
        case _:
            return f"{reason or 'no reason given'}; {look}"


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
