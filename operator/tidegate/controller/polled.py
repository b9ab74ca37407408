"""What is asked again and again beside the pass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Polled:
    """Never asked twice at once, and with a rest in between. `asked_at` and `now` are monotonic seconds."""

    asking: bool = False
    asked_at: float = float("-inf")

    def begins(self, now: float, *, rest_seconds: float) -> bool:
        """Whether it is time to ask; where it is, asking has begun."""
        if self.asking or now - self.asked_at < rest_seconds:
            return False
        self.asking = True
        return True

    def ends(self, now: float) -> None:
        """It was asked, whatever came of it."""
        self.asking, self.asked_at = False, now
