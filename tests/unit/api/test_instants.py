"""Instants as users write them: RFC 3339, and never without a zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from api_examples import place
from policy_examples import CLUSTER_POLICY

from tidegate.api import policies
from tidegate.api.instants import instant_of

UNTIL = "spec.exemptions[0].until"


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-18T00:00:00Z",
        "2026-12-18t00:00:00z",
        "2026-12-18T01:00:00+01:00",
        "2026-12-18T00:00:00.000000000Z",
    ],
)
def test_one_instant_in_several_ways(text: str) -> None:
    assert policies.read_policy(place(CLUSTER_POLICY, UNTIL, text))[1] == ()
    assert instant_of(text) == datetime(2026, 12, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-12-18T00:00:00", "has no zone: append Z"),
        ("2026-12-18", "no date and time of RFC 3339"),
        ("2026-12-18 00:00:00Z", "no date and time of RFC 3339"),
        ("2026-12-18T00:00Z", "no date and time of RFC 3339"),
        ("20261218T000000Z", "no date and time of RFC 3339"),
        ("2026-12-18T00:00:00+01", "no date and time of RFC 3339"),
        ("2026-12-18T00:00:00 Europe/Berlin", "no date and time of RFC 3339"),
        ("2026-13-18T00:00:00Z", "no date and time of RFC 3339"),
        ("0001-01-01T00:00:00+14:00", "beyond the years"),
        ("tomorrow", "no date and time of RFC 3339"),
    ],
)
def test_what_is_no_instant_is_refused_with_the_fix(text: str, says: str) -> None:
    (found,) = policies.read_policy(place(CLUSTER_POLICY, UNTIL, text))[1]
    assert found.path == UNTIL
    assert says in found.message
