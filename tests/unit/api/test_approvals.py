"""RolloutApproval as it is read and written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from api_examples import REMOVED, place
from approval_examples import APPROVAL, FULL_APPROVAL_STATUS, approval
from hypothesis import given
from json_values import ANY_JSON

from tidegate import model
from tidegate.api import approvals

CREATED = "2026-11-20T12:00:05Z"


def test_every_field_is_read() -> None:
    body = approval({}, name="of-alice", creationTimestamp=CREATED)
    assert approvals.read_approval(body) == (
        model.Approval(
            name="of-alice",
            revision="8b1c22e9d4",
            attempt=1,
            gate="risk-board",
            decision=model.Decision.APPROVE,
            username="alice",
            groups=frozenset({"ml-risk"}),
            comment="drift report reviewed",
            created_at=datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC),
            expires_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
            generation=1,
        ),
        (),
    )
    assert approvals.model_deployment(body) == "fraud"


def test_what_may_be_left_out_is_nothing() -> None:
    body = place(place(approval({}), "spec.comment", REMOVED), "spec.expiresAt", REMOVED)
    found, wrong = approvals.read_approval(body)
    assert wrong == ()
    assert (found.comment, found.expires_at, found.created_at) == ("", None, None)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("spec.revision", "latest", "must match"),
        ("spec.attempt", 0, "at least 1"),
        ("spec.decision", "Maybe", "must be one of"),
        ("spec.approver", REMOVED, "is required"),
        ("spec.approver.groups", [], "needs at least 1"),
        ("spec.expiresAt", "tomorrow", "is no date and time"),
        ("spec.expiresAt", "2026-11-21T12:00:00", "has no zone"),
        ("spec.comment", "x" * 513, "at most 512"),
        ("spec.model", "fraud", "is not known"),
    ],
)
def test_what_cannot_be_read_counts_for_nothing_and_says_why(
    path: str, value: object, says: str
) -> None:
    found, wrong = approvals.read_approval(place(APPROVAL, path, value))
    assert [it.path for it in wrong] == [path]
    assert path in found.problem
    assert says in found.problem
    assert not found.username


@given(ANY_JSON)
def test_any_json_is_read_without_an_error(value: object) -> None:
    found, wrong = approvals.read_approval({"metadata": value, "spec": value})
    assert bool(wrong) == bool(found.problem)
    assert isinstance(approvals.model_deployment({"spec": value}), str)


def test_the_status_is_read_as_it_was_written() -> None:
    document = approvals.write_status(FULL_APPROVAL_STATUS)
    assert approvals.read_status(document) == FULL_APPROVAL_STATUS
    assert approvals.read_status(None) == model.ApprovalStatus()
