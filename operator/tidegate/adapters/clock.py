"""The real clock and the real dice: the only module that reads time and randomness."""

from __future__ import annotations

import asyncio
import random
import string
import time
from datetime import UTC, datetime

_ALPHABET = string.ascii_lowercase + string.digits


class SystemClock:
    """`ports.Clock` of this machine."""

    def now(self) -> datetime:
        """Wall clock, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class SystemRng:
    """`ports.Rng` seeded by the operating system."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self._random.random()

    def token(self, length: int) -> str:
        """`length` random characters of a-z and 0-9."""
        return "".join(self._random.choices(_ALPHABET, k=length))
