"""Picking the bad series out of all series here, where a second query would only repeat the first.

A ratio often counts bad events with the very counter that counts all of them, only under more
conditions, such as status_code=~"5..". The answer for the total then holds the bad series too.

Prometheus matches with RE2, fully anchored, and reads an absent label as the empty string. Python
agrees on this subset, and on nothing else do we rely: printable ASCII literals, escaped operators,
`.`, `*`, `+`, `?`, `|`, groups, and classes of literals and ranges without `-` or escapes. Python
matches by backtracking, so what may be repeated is bounded as well: single characters only, few of
them, and short label values. Everything else gets its own query.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.evidence.terms import Problem, Reason, Series

MAX_PATTERN_LENGTH = 256
MAX_VALUE_LENGTH = 256
MAX_LOOPS = 2
MAX_CHOICES = 4

_CHARACTER = (
    r"(?:[A-Za-z0-9_:/ ,;=@%&~!'\"<>#-]"
    r"|\\[.+*?()|\[\]{}^$\\/-]"
    r"|\."
    r"|\[\^?(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_.:/ ])+\])"
)
_TOKEN = re.compile(
    rf"(?P<loop>{_CHARACTER}[*+])"
    rf"|(?P<choice>{_CHARACTER}\?|\)\?|\((?:\?:)?)"
    rf"|(?P<plain>{_CHARACTER}|\)|\|)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """A rendered condition on a label: an RE2 pattern, and whether the label has to match it."""

    label: str
    positive: bool
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """Conditions that a series of the total fulfils if it counts bad events."""

    matchers: tuple[Matcher, ...]

    def accepts(self, series: Series) -> bool:
        """True if Prometheus would have returned the series for the conditions as well."""
        return all(
            _matches(one.pattern, value=series.labels.get(one.label, "")) == one.positive
            for one in self.matchers
        )

    def pick(self, total: Sequence[Series]) -> tuple[Series, ...] | Problem:
        """The bad series among those of the total; Error for a label too long to be matched."""
        for series in total:
            for one in self.matchers:
                if len(series.labels.get(one.label, "")) > MAX_VALUE_LENGTH:
                    message = f"label {one.label} is longer than {MAX_VALUE_LENGTH} characters"
                    return Problem(reason=Reason.ERROR, message=message)
        return tuple(series for series in total if self.accepts(series))


def narrowing(total: Sequence[Matcher], *, bad: Sequence[Matcher]) -> Narrowing | None:
    """What the bad series fulfil beyond the total; None if only Prometheus can tell.

    Every matcher of the total must be one of the bad ones, else bad is no subset.
    """
    extra = Counter(bad)
    extra.subtract(Counter(total))
    if any(count < 0 for count in extra.values()):
        return None
    matchers = tuple(one for one in bad if extra[one] > 0)
    if not all(_safe(one.pattern) for one in matchers):
        return None
    return Narrowing(matchers=matchers)


def _safe(pattern: str) -> bool:
    """True if the pattern is in the subset, means the same to Python and cannot take long."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        return False
    position, loops, choices = 0, 0, 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            return False
        loops += token.lastgroup == "loop"
        choices += token.lastgroup == "choice"
        position = token.end()
    if loops > MAX_LOOPS or choices > MAX_CHOICES:
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _matches(pattern: str, *, value: str) -> bool:
    # Since version 3 a dot matches a line feed in Prometheus.
    return re.fullmatch(pattern, value, re.DOTALL) is not None
