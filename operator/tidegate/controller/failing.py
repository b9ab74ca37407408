"""Writes that fail again and again for what should pass by itself: after a while users are told.

A webhook that is down answers for hours with an error that is worth another try each time. Whoever waits
meanwhile has to learn why, as with a write that is finally refused.
"""

from __future__ import annotations

from tidegate import model, ports
from tidegate.controller.status_writer import LEADERSHIP_LOST
from tidegate.controller.workqueue import Key

REASON = "WriteFails"
TOLD_AFTER_SECONDS = 15.0


class Failing:
    """Since when the writes of each object fail. Units: seconds of the monotonic clock."""

    def __init__(self, *, clock: ports.Clock) -> None:
        self._clock = clock
        self._since: dict[Key, float] = {}

    def note(self, key: Key, failure: ports.Failure) -> model.Violation | None:
        """A write has failed just now; what there is to tell of it, once that has lasted.

        A lost race is no trouble, and leadership that was lost is for another process to tell.
        """
        if not isinstance(failure, ports.Retryable) or failure == LEADERSHIP_LOST:
            return None
        now = self._clock.monotonic()
        if now - self._since.setdefault(key, now) < TOLD_AFTER_SECONDS:
            return None
        return model.Violation(path="", message=failure.message, reason=REASON)

    def forget(self, key: Key) -> None:
        """Everything was written, or nobody asks any more."""
        self._since.pop(key, None)
