"""NotificationProvider as it is read and written."""

from __future__ import annotations

import pytest
from api_case import Case
from api_examples import REMOVED, place
from hypothesis import given
from json_values import ANY_JSON
from notification_examples import (
    FULL_PROVIDER_STATUS,
    PROVIDER,
    PROVIDER_RULES,
    SMALLEST_PROVIDER,
    provider,
)

from tidegate import model
from tidegate.api import notifications
from tidegate.model import Requirement, SelectorOperator


def test_every_field_is_read() -> None:
    body = provider(PROVIDER["spec"], name="team-risk")
    assert notifications.read_provider(body) == (
        model.NotificationProvider(
            name="team-risk",
            generation=1,
            type=model.NotificationType.SLACK,
            to=model.Recipient(receiver="risk-chat"),
            events=frozenset({"RolledBack", "Promoted"}),
            names=frozenset({"fraud"}),
            selector=(
                Requirement(key="team", operator=SelectorOperator.IN, values=frozenset({"risk"})),
                Requirement(key="tier", operator=SelectorOperator.IN, values=frozenset({"gold"})),
            ),
            template="*${name}* ${event}: ${message}",
            per_minute=10,
            timeout_seconds=5.0,
            retries=3,
        ),
        (),
    )


def test_what_may_be_left_out_has_a_default() -> None:
    found, wrong = notifications.read_provider(SMALLEST_PROVIDER)
    assert wrong == ()
    assert found == model.NotificationProvider(
        name="team-risk", to=model.Recipient(url="https://hooks.example.com/a")
    )


@pytest.mark.parametrize("case", PROVIDER_RULES, ids=lambda case: case.rule)
def test_rules_let_good_values_pass_and_say_why_they_refuse_others(case: Case) -> None:
    for value in case.good:
        assert notifications.read_provider(place(case.body, case.at, value))[1] == ()
    for value in case.bad:
        _, wrong = notifications.read_provider(place(case.body, case.at, value))
        assert case.says in {it.path: it.message for it in wrong}[case.blames]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.type", "Pager"),
        ("spec.type", REMOVED),
        ("spec.receiver", "Risk Chat"),
        ("spec.events", ["rolled back"]),
        ("spec.minSeverity", "Fatal"),
        ("spec.maxPerMinute", 0),
        ("spec.timeout", "1h"),
        ("spec.retries", 11),
        ("spec.template", "x" * 2049),
        ("spec.secretRef", {"name": "a"}),
    ],
)
def test_one_that_cannot_be_read_gets_nothing_and_says_why(path: str, value: object) -> None:
    found, wrong = notifications.read_provider(place(PROVIDER, path, value))
    assert any(it.path.startswith(path) for it in wrong)
    assert path in found.problem


@given(ANY_JSON)
def test_no_json_breaks_the_reading(document: object) -> None:
    found, wrong = notifications.read_provider({"spec": document, "metadata": document})
    assert bool(found.problem) == bool(wrong)
    notifications.read_status(document)


def test_a_status_is_read_as_it_was_written() -> None:
    written = notifications.write_status(FULL_PROVIDER_STATUS)
    assert notifications.read_status(written) == FULL_PROVIDER_STATUS
    assert notifications.read_status(None) == model.NotificationStatus()
