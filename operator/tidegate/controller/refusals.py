"""Writes that the API server has finally refused: tried again rarely, and in nobody's way.

A pass comes whenever the clock or somebody asks for it, and must not send the same refused write each
time. One that comes sooner than was asked for was woken by a change, after which everything is tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tidegate import ports
from tidegate.controller.workqueue import Key
from tidegate.model import actions

_EARLY_SECONDS = 0.05  # a timer may fire a little before its time


@dataclass(slots=True)
class _Refused:
    """What was refused of one object, until when that is taken as known, and when its next pass is due."""

    found: list[tuple[actions.Action, ports.Fatal]] = field(default_factory=list)
    until: float = math.inf
    due: float = -math.inf


class Refusals:
    """What was refused of each object. Units: seconds of the monotonic clock."""

    def __init__(self, *, clock: ports.Clock) -> None:
        self._clock = clock
        self._of: dict[Key, _Refused] = {}

    def begin(self, key: Key) -> None:
        """A pass begins: where it is time, or something has changed, all is tried anew."""
        now, known = self._clock.monotonic(), self._of.get(key)
        if known is not None and not known.due - _EARLY_SECONDS <= now < known.until:
            self.forget(key)

    def known(self, key: Key, action: actions.Action) -> ports.Fatal | None:
        """How this very write was refused lately; None where it is worth a try."""
        known = self._of.get(key)
        found = known.found if known is not None else ()
        return next((failure for refused, failure in found if refused == action), None)

    def note(self, key: Key, action: actions.Action, failure: ports.Fatal) -> None:
        """It was refused just now."""
        self._of.setdefault(key, _Refused()).found.append((action, failure))

    def wait(self, key: Key, *, retry: float, next_look: float) -> float:
        """Seconds until the next pass: the decision's own, at the latest when the writes are tried again."""
        now, known = self._clock.monotonic(), self._of.setdefault(key, _Refused())
        known.until = min(known.until, now + retry)
        seconds = min(next_look, known.until - now)
        known.due = now + seconds
        return seconds

    def forget(self, key: Key) -> None:
        """Nothing is refused any more, or nobody asks."""
        self._of.pop(key, None)
