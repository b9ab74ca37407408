"""Seeded chance: the same window is resampled in the same way on every machine and every replay.

Nothing drawn here ever decides a rollback. Source: evidence.md, 14.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.random import PCG64, Generator

from tidegate.evidence.drift.numeric import Vector

DRAWS = 1000


def seed_of(rollout_uid: str, *, stream: str, window_start: float) -> int:
    """The seed of one window of one stream.

    Units: window_start in unix seconds.
    """
    text = "\0".join((rollout_uid, stream, repr(float(window_start))))
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


def generator(seed: int) -> Generator:
    """A generator of its own; there is no global state."""
    return Generator(PCG64(seed))


def multinomial_shares(total: float, *, shares: Vector, rng: Generator, draws: int) -> Vector:
    """Shares of `draws` windows of `total` observations without change.

    Shapes: shares (B,), result (draws, B).
    """
    size = max(1, round(total))
    return np.asarray(rng.multinomial(size, shares, size=draws) / size, dtype=np.float64)
