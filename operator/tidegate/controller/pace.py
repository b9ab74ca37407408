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
# Since the last write. The ordinary course of a step's evidence asks nothing of anybody: it is told
# when the step ends, and now and then in one that lasts.
BETWEEN_SECONDS: Final[Mapping[Worth, float]] = {Worth.WORDS: 20.0, Worth.EVIDENCE: 120.0}
# A step that may be over sooner than that is told while it lasts: after this share of its hold. Of its
# evidence tells the write that ends it, but for the first rows of a rollout, which people look out for.
SHARE_OF_HOLD: Final[Mapping[Worth, float]] = {Worth.WORDS: 0.25, Worth.EVIDENCE: 1.0}
SHARE_OF_FIRST_ROWS: Final = 0.5


class Pace:
    """What each object still has to wait for; a new process begins without memory."""

    def __init__(self, *, clock: ports.Clock) -> None:
        self._clock = clock
        self._differs_since: dict[Key, float] = {}
        self._written_at: dict[Key, float] = {}

    def seconds_left(
        self, key: Key, worth: Worth, *, hold_seconds: float = math.inf, first_rows: bool = False
    ) -> float:
        """How long a change waits yet that was seen in this pass; 0 where it is to be written.

        Units: `hold_seconds` is the least stay in the step that the object is in, while it lasts.
        `first_rows`: no evidence of this rollout was told yet.
        """
        if worth is Worth.NOW:
            return 0.0
        now = self._clock.monotonic()
        lasts = self._differs_since.setdefault(key, now) + LASTING_SECONDS
        early = first_rows and worth is Worth.EVIDENCE
        share = SHARE_OF_FIRST_ROWS if early else SHARE_OF_HOLD[worth]
        between = min(BETWEEN_SECONDS[worth], share * hold_seconds)
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
