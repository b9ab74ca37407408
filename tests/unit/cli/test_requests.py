from __future__ import annotations

import dataclasses

import cli_world as world
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate import model
from tidegate.api import convert
from tidegate.cli import outcome, requests, views
from tidegate.cli.outcome import CliError
from tidegate.rollout import requests as answering

Kind = model.RequestKind
EARLIER = {
    "team": "risk",
    "tidegate.dev/request": "pause",
    "tidegate.dev/request-revision": "6d9f7c01ab",
    "tidegate.dev/requested-at": "2026-11-19T12:00:00Z",
    "tidegate.dev/request-reason": "lunch",
    "tidegate.dev/request-step": "p10",
}


def seen(status: model.Status | None) -> views.Seen:
    return views.read(world.document(status))


def make(status: model.Status, kind: Kind, *, reason: str = "") -> model.Request:
    return requests.new_request(seen(status), kind=kind, reason=reason, at=world.NOW)


# --- which revision, and when --------------------------------------------------------------------


@pytest.mark.parametrize("kind", [it for it in Kind if it is not Kind.RETRY])
def test_a_request_is_bound_to_the_running_rollout(kind: Kind) -> None:
    superseded = dataclasses.replace(world.PROGRESSING, desired=world.STABLE)
    assert make(superseded, kind).revision == world.CANDIDATE.hash


def test_a_retry_is_bound_to_the_desired_revision_even_while_another_one_runs() -> None:
    edited = dataclasses.replace(world.PROGRESSING, desired=world.STABLE)
    assert make(edited, Kind.RETRY).revision == world.STABLE.hash


@pytest.mark.parametrize("kind", Kind)
def test_without_a_running_rollout_the_desired_revision_is_meant(kind: Kind) -> None:
    assert make(world.ROLLED_BACK, kind).revision == world.CANDIDATE.hash


def test_the_time_of_a_request_is_utc_with_fractions_of_a_second() -> None:
    assert make(world.PROGRESSING, Kind.ABORT).requested_at == "2026-11-20T12:00:00.000000Z"


def test_an_object_that_nobody_has_worked_on_takes_no_request() -> None:
    with pytest.raises(CliError, match="names no revision yet"):
        make(model.Status(), Kind.PROMOTE)


def test_an_object_that_is_being_deleted_takes_no_request() -> None:
    body = world.document(world.PROGRESSING)
    body["metadata"]["deletionTimestamp"] = "2026-11-20T12:00:00Z"
    with pytest.raises(CliError, match="being deleted"):
        requests.new_request(views.read(body), kind=Kind.ABORT, reason="", at=world.NOW)


def test_a_reason_beyond_the_limit_is_refused() -> None:
    assert make(world.PROGRESSING, Kind.ABORT, reason="x" * 512).reason == "x" * 512
    with pytest.raises(CliError, match="at most 512 characters"):
        make(world.PROGRESSING, Kind.ABORT, reason="x" * 513)


# --- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize("annotations", [None, {}, {"team": "risk"}, EARLIER])
@pytest.mark.parametrize("reason", ["", "looks good"])
def test_exactly_the_annotations_of_the_request_are_written(
    annotations: dict[str, str] | None, reason: str
) -> None:
    body = world.document(world.PROGRESSING, annotations=annotations)
    request = make(world.PROGRESSING, Kind.PROMOTE, reason=reason)
    written = world.apply_patch(body, requests.operations(body, request))
    assert written is not None
    others = {key: value for key, value in (annotations or {}).items() if key == "team"}
    assert written["metadata"]["annotations"] == others | {
        "tidegate.dev/request": "promote",
        "tidegate.dev/request-revision": "8b1c22e9d4",
        "tidegate.dev/requested-at": "2026-11-20T12:00:00.000000Z",
        "tidegate.dev/request-step": "p50",
        **({"tidegate.dev/request-reason": reason} if reason else {}),
    }


@pytest.mark.parametrize("kind", Kind)
def test_what_is_about_a_step_names_the_one_that_was_seen(kind: Kind) -> None:
    body = world.document(world.PROGRESSING, annotations=EARLIER)
    request = make(world.PROGRESSING, kind)
    assert request.step == ("p50" if kind in {Kind.PROMOTE, Kind.SKIP_STEP} else "")
    written = world.apply_patch(body, requests.operations(body, request))
    assert written is not None
    assert written["metadata"]["annotations"].get("tidegate.dev/request-step", "") == request.step
    assert make(world.ROLLED_BACK, kind).step == ""


def test_an_adopted_plan_that_is_the_same_is_no_failure() -> None:
    found = requests.answer(seen(handled("NoOp", "SamePlan")), kind=Kind.REPIN)
    assert "the plan is that of the spec already" in found.text
    assert found.exit_code == outcome.DONE


def test_a_request_is_not_written_over_a_newer_version_of_the_object() -> None:
    body = world.document(world.PROGRESSING, annotations={"team": "risk"})
    patch = requests.operations(body, make(world.PROGRESSING, Kind.PROMOTE))
    body["metadata"]["resourceVersion"] = "2"
    assert world.apply_patch(body, patch) is None


@settings(deadline=None)  # the machine may be busy
@given(
    st.dictionaries(st.text(max_size=10), st.text(max_size=10)),
    st.sampled_from(Kind),
    st.text(max_size=512),
)
def test_the_operator_reads_back_what_was_asked(
    annotations: dict[str, str], kind: Kind, reason: str
) -> None:
    body = world.document(world.PROGRESSING, annotations=annotations)
    request = make(world.PROGRESSING, kind, reason=reason)
    written = world.apply_patch(body, requests.operations(body, request))
    assert written is not None
    assert convert.read_request(written["metadata"]["annotations"]) == request
    assert written["metadata"]["annotations"].items() >= annotations.items()


# --- what the answer says ------------------------------------------------------------------------


def handled(said: str, reason: str = "") -> model.Status:
    answer = model.HandledRequest(
        request="x",
        revision=world.CANDIDATE.hash,
        requested_at="2026-11-20T12:00:00.000000Z",
        handled_at=world.NOW,
        outcome=said,
        reason=reason,
    )
    return dataclasses.replace(world.PROGRESSING, last_handled_request=answer)


@pytest.mark.parametrize("kind", Kind)
def test_an_accepted_request_says_what_happens_now(kind: Kind) -> None:
    answer = requests.answer(seen(handled("Accepted")), kind=kind)
    assert answer.text.startswith(f"Accepted: {kind} of iris (revision 8b1c22e9d4): ")
    assert answer.exit_code == outcome.DONE


def test_nothing_to_do_is_no_failure() -> None:
    answer = requests.answer(seen(handled("NoOp", "NotActive")), kind=Kind.ABORT)
    assert answer == requests.Answer(
        text="NoOp: abort of iris (revision 8b1c22e9d4): no rollout is running, so nothing changes;"
        " see `tidegate status iris`",
        exit_code=outcome.DONE,
    )


@pytest.mark.parametrize(
    ("reason", "kind", "words"),
    [
        ("NotActive", Kind.RETRY, "its revision is not rejected, or a rollout is running"),
        ("NotActive", Kind.PAUSE, "change the model or the pod template to start one"),
        ("NotWaiting", Kind.RESUME, "if spec.paused is true, set it to false"),
        ("NotWaiting", Kind.PROMOTE, "promote-full would skip both"),
        ("OtherRevision", Kind.PROMOTE, "another revision is worked on by now"),
        ("Expired", Kind.PROMOTE, "check this machine's clock"),
        ("Malformed", Kind.PROMOTE, "use the tidegate of the operator's version"),
        ("UnknownRequest", Kind.PROMOTE, "use the tidegate of the operator's version"),
        ("OtherStep", Kind.SKIP_STEP, "another step is worked on by now"),
        ("UnknownStep", Kind.PROMOTE, "the plan has no step of this name"),
        ("GateOpen", Kind.SKIP_STEP, "a gate is to be opened first: ask for promote"),
        ("NotSkippable", Kind.SKIP_STEP, "a promotion waits for pods and route"),
        ("InvalidSpec", Kind.REPIN, "mend it first"),
        ("PlanTooLong", Kind.REPIN, "leave some out"),
        ("Novel", Kind.PROMOTE, "Novel; see `tidegate status iris`"),
        ("", Kind.PROMOTE, "no reason given"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(reason: str, kind: Kind, words: str) -> None:
    answer = requests.answer(seen(handled("Refused", reason)), kind=kind)
    assert answer.text.startswith(f"Refused: {kind} of iris")
    assert words in answer.text
    assert answer.exit_code == outcome.NEGATIVE


def test_only_the_answer_to_this_very_request_counts() -> None:
    mine = make(world.PROGRESSING, Kind.PROMOTE)
    assert requests.is_answered(seen(handled("Accepted")), mine)
    assert not requests.is_answered(
        seen(handled("Accepted")), dataclasses.replace(mine, requested_at="later")
    )
    assert not requests.is_answered(seen(world.PROGRESSING), mine)


def test_silence_about_an_invalid_spec_points_to_the_spec() -> None:
    invalid = dataclasses.replace(
        world.PROGRESSING, phase=model.Phase.INVALID, message="spec.model.version: is required"
    )
    request = make(world.PROGRESSING, Kind.PROMOTE)
    assert "must be mended first: spec.model.version: is required" in requests.no_answer(
        seen(invalid), request, waited="10s"
    )
    assert "no answer within 10s" in requests.no_answer(
        seen(world.PROGRESSING), request, waited="10s"
    )


def test_every_refusal_of_the_operator_is_told_with_its_fix() -> None:
    assert requests._REFUSALS.keys() == answering._REFUSALS.keys()
