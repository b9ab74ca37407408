from __future__ import annotations

import asyncio
from datetime import UTC

from tidegate.adapters.clock import SystemClock, SystemRng


def test_clock_speaks_utc_and_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    before = clock.monotonic()
    asyncio.run(clock.sleep(0))
    assert clock.monotonic() >= before


def test_dice_stay_in_their_range_and_tokens_in_their_alphabet() -> None:
    rng = SystemRng()
    assert all(2.0 <= rng.uniform(2.0, 3.0) < 3.0 for _ in range(100))
    token = rng.token(200)
    assert len(token) == 200
    assert token.isalnum()
    assert token == token.lower()
