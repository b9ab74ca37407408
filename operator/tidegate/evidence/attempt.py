"""Work on one thing of many, whose error must reach no other.

What one metric, pod or object shows may break a calculation that nobody thought of. Then this one is
told with its cause, is never taken for good, and all others go on. Used at the few places where many
are worked on in one go, and nowhere below them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tidegate.evidence.terms import Problem, Reason

T = TypeVar("T")
Other = TypeVar("Other")


def attempt(work: Callable[[], T], *, otherwise: Callable[[Exception], Other]) -> T | Other:
    """What the work gives, and in place of any error what `otherwise` makes of it."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  (see above)
        return otherwise(error)


def as_it_is(given: T, _: Exception) -> T:
    """The thing itself, where the work was to add something for people."""
    return given


def failure(error: Exception) -> Problem:
    """The error as what is wrong with the one that was worked on."""
    return Problem(reason=Reason.ERROR, message=f"could not be worked out: {error!r}")
