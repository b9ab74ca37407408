"""What a profile says of one feature or output, and of the positive class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from tidegate_probe.bins import Bins


class ProfileError(ValueError):
    """The message names the field of the profile and what to do about it."""


@dataclass(frozen=True, slots=True)
class Field:
    """How often training data fell into each bin. Shapes: counts as `bins.labels`."""

    bins: Bins
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Positive:
    """Which predictions of a binary model are positive: a score from `threshold` on, or a class.

    Exactly one of `threshold` and `category` is set.
    """

    output: str
    threshold: float | None = None
    category: str | None = None


class Parts(TypedDict):
    """What a profile is made of."""

    model: str
    model_version: str
    rows: int
    features: dict[str, Field]
    outputs: dict[str, Field]
    positive: Positive | None
