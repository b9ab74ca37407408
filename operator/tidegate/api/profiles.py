"""What `analysis.profile` stands for, in numbers; every field that is set by itself wins.

Chosen by simulation (ADR 0027): docs/evidence-results.md shows what each finds and how long it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tidegate.model import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Defaults that go together. Units: chances and rates from 0 to 1, ratios, seconds.

    `tolerance` None leaves it to the number of pods; `deadline_seconds` is the least deadline of a
    step, which is never below four times its hold. `detect_slow` is `detect_absolute` of a latency.
    """

    false_rollback: float
    false_promotion: float
    tolerance: float | None
    margin: float
    tolerance_absolute: float
    detect_ratio: float
    detect_absolute: float
    detect_slow: float
    deadline_seconds: float


DEFAULT = Profile.BALANCED
PROFILES: Mapping[Profile, Numbers] = {
    Profile.CAREFUL: Numbers(
        false_rollback=0.01,
        false_promotion=0.01,
        tolerance=None,
        margin=0.25,
        tolerance_absolute=0.002,
        detect_ratio=3.0,
        detect_absolute=0.02,
        detect_slow=0.05,
        deadline_seconds=6 * 3600.0,
    ),
    Profile.BALANCED: Numbers(
        false_rollback=0.01,
        false_promotion=0.05,
        tolerance=None,
        margin=0.25,
        tolerance_absolute=0.005,
        detect_ratio=5.0,
        detect_absolute=0.05,
        detect_slow=0.1,
        deadline_seconds=2 * 3600.0,
    ),
    Profile.QUICK: Numbers(
        false_rollback=0.02,
        false_promotion=0.1,
        tolerance=0.5,
        margin=0.5,
        tolerance_absolute=0.01,
        detect_ratio=10.0,
        detect_absolute=0.1,
        detect_slow=0.2,
        deadline_seconds=3600.0,
    ),
}


def in_words(
    number: Callable[[Numbers], float], *, text: Callable[[float], str] = "{:g}".format
) -> str:
    """A default that the profile sets, as the reference shows it: `Careful 0.01, Balanced 0.05`."""
    return ", ".join(f"{profile} {text(number(PROFILES[profile]))}" for profile in Profile)


def hours(seconds: float) -> str:
    """A whole number of hours as people write it."""
    return f"{seconds / 3600:g}h"


def deadlines(hold: str) -> str:
    """The default of a deadline, in words; `hold` names the least time that it ends."""
    return f"{in_words(lambda it: it.deadline_seconds, text=hours)}; at least 4 x {hold}"
