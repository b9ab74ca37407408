"""When a change of status is written that nobody waits for.

It goes along with the next write that cannot wait. Alone it is written when it has lasted for a
moment and the last write is long enough ago, so the news of one object come at a bounded rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from tidegate import ports
from tidegate.controller.workqueue import Key
from tidegate.rollout.worth import Worth

LASTING_SECONDS = 2.0
# Since the last write. A step's evidence changes at every scrape; its numbers are shown elsewhere too.
# In a step that may be over sooner than that, a share of its hold, so that it is seen while it lasts.
BETWEEN_SECONDS: Final[Mapping[Worth, float]] = {Worth.WORDS: 20.0, Worth.EVIDENCE: 60.0}
SHARE_OF_HOLD = 0.25


class Pace:
    """What each object still has to wait for; a new process begins without memory."""

    def __init__(self, *, clock: ports.Clock) -> None:
        self._clock = clock
        self._differs_since: dict[Key, float] = {}
        self._written_at: dict[Key, float] = {}

    def seconds_left(self, key: Key, worth: Worth, *, hold_seconds: float = math.inf) -> float:
        """How long a change waits yet that was seen in this pass; 0 where it is to be written.

        Units: `hold_seconds` is the least stay in the step that the object is in.
        """
        if worth is Worth.NOW:
            return 0.0
        now = self._clock.monotonic()
        lasts = self._differs_since.setdefault(key, now) + LASTING_SECONDS
        between = min(BETWEEN_SECONDS[worth], SHARE_OF_HOLD * hold_seconds)
        due = max(lasts, self._written_at.get(key, -math.inf) + between)
        return max(due - now, 0.0)

    def agrees(self, key: Key) -> None:
        """What stands in the cluster is what there is to say."""
        self._differs_since.pop(key, None)

    def written(self, key: Key) -> None:
        """Status was written just now."""
        self.agrees(key)
        self._written_at[key] = self._clock.monotonic()

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self.agrees(key)
        self._written_at.pop(key, None)
