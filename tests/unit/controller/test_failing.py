from __future__ import annotations

import asyncio

import pytest
from port_fakes import ManualClock

from tidegate import model, ports
from tidegate.controller.failing import REASON, TOLD_AFTER_SECONDS, Failing
from tidegate.controller.status_writer import LEADERSHIP_LOST
from tidegate.controller.workqueue import Key

A, B = Key("ns", "a"), Key("ns", "b")
DOWN = ports.Retryable(message="webhook is down")


def test_only_what_lasts_is_told() -> None:
    clock = ManualClock()
    failing = Failing(clock=clock)
    assert failing.note(A, DOWN) is None
    asyncio.run(clock.advance(TOLD_AFTER_SECONDS - 1))
    assert failing.note(A, DOWN) is None
    asyncio.run(clock.advance(1))
    assert failing.note(B, DOWN) is None
    found = failing.note(A, DOWN)
    assert found == model.Violation(path="", message=DOWN.message, reason=REASON)
    failing.forget(A)
    assert failing.note(A, DOWN) is None, "counted anew"


@pytest.mark.parametrize(
    "failure",
    [
        ports.Conflict(message="modified"),
        ports.Fatal(reason="Forbidden", message="no"),
        LEADERSHIP_LOST,
    ],
)
def test_what_is_no_outage_is_not_told(failure: ports.Failure) -> None:
    clock = ManualClock()
    failing = Failing(clock=clock)
    failing.note(A, failure)
    asyncio.run(clock.advance(TOLD_AFTER_SECONDS * 2))
    assert failing.note(A, failure) is None
