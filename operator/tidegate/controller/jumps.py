"""How far the wall clock has jumped since the last pass over an object that was written.

Holds and drains stand in status as instants. A clock that is set forward would end them early, and
back would stretch them. Within one process the monotonic clock tells a jump from time that has passed; what a
leader before has written is believed as it stands.
"""

from __future__ import annotations

from datetime import datetime

from tidegate import ports
from tidegate.controller.workqueue import Key

LEAST_JUMP_SECONDS = 30.0  # below that it is a clock that is kept right


class Jumps:
    """The wall clock ahead of the monotonic one, by object: as last settled and as seen. Units: seconds."""

    def __init__(self, *, clock: ports.Clock) -> None:
        self._clock = clock
        self._settled: dict[Key, float] = {}
        self._seen: dict[Key, float] = {}

    def since(self, key: Key, now: datetime) -> float:
        """How far it has jumped by `now`; 0 for what is no jump, and for an object that is new here."""
        offset = now.timestamp() - self._clock.monotonic()
        self._seen[key] = offset
        jump = offset - self._settled.setdefault(key, offset)
        return jump if abs(jump) >= LEAST_JUMP_SECONDS else 0.0

    def settle(self, key: Key) -> None:
        """What was seen last is written down."""
        if key in self._seen:
            self._settled[key] = self._seen[key]

    def forget(self, key: Key) -> None:
        """The object is gone, or somebody else's."""
        self._settled.pop(key, None)
        self._seen.pop(key, None)
