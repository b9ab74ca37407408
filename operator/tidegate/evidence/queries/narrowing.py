"""Picking the bad series out of all series here, where a second query would only repeat the first.

A ratio often counts bad events with the very counter that counts all of them, only under more
conditions, such as status_code=~"5..". The answer for the total then holds the bad series too.

Prometheus matches with RE2, fully anchored, and reads an absent label as the empty string. Python
agrees on this subset, and on nothing else do we rely: printable ASCII literals, escaped operators,
`.`, `*`, `+`, `?`, `|`, groups, and classes of literals and ranges without `-` or escapes. Python
matches by backtracking, so what may be repeated is bounded as well: single characters only, few of
them, and short label values. Everything else gets its own query.

A condition on a label that no series carries, or on values as nobody writes them there, would find
nothing bad in a model that fails every request. Such a condition is an error, whoever wrote it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegate.evidence.queries import kinds
from tidegate.evidence.terms import Problem, Reason, Series

MAX_PATTERN_LENGTH = 256
MAX_VALUE_LENGTH = 256
MAX_LOOPS = 2
MAX_CHOICES = 4
NAME = "__name__"
_SHOWN = 8
# Labels of every series by the scrape or by the operator; nobody looks for an outcome there.
_OF_THE_SCRAPE = frozenset(
    {NAME, "namespace", "model_deployment", "revision", "pod", "instance", "job", "le"}
)

_DIGIT = re.compile(r"(?<!\\)((?:\\\\)*)\\d")  # RE2 means ASCII digits, as all values here are

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
    """A rendered condition on a label: an RE2 pattern, and whether the label has to match it.

    `also`, `known` and `optional` as in `terms.LabelMatch`.
    """

    label: str
    positive: bool
    pattern: str
    also: tuple[str, ...] = ()
    known: str = ""
    optional: bool = False

    def carried(self, series: Series) -> list[str]:
        """The values that the series has of the label or of those that say the same."""
        names = (self.label, *self.also)
        return [value for name in names if (value := series.labels.get(name, ""))]

    def accepts(self, series: Series) -> bool:
        """True if the series fulfils the condition; an absent label is the empty string."""
        values = self.carried(series) or [""]
        return any(_matches(self.pattern, value=value) for value in values) == self.positive

    @property
    def names(self) -> str:
        """The labels in words."""
        return " or ".join((self.label, *self.also))

    @property
    def needs_label(self) -> bool:
        """True if the condition means nothing where the label is absent."""
        try:
            return not self.optional and not _matches(self.pattern, value="")
        except re.error:  # RE2 knows more than Python; what is written that way asks for text
            return not self.optional


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """Conditions that a series of the total fulfils if it counts bad events."""

    matchers: tuple[Matcher, ...]

    def accepts(self, series: Series) -> bool:
        """True if Prometheus would have returned the series for the conditions as well."""
        return all(one.accepts(series) for one in self.matchers)

    def pick(self, total: Sequence[Series]) -> tuple[Series, ...] | Problem:
        """The bad series among those of the total.

        Errors: Error for a label that is too long to be matched, or that is not there at all.
        """
        for series in total:
            for one in self.matchers:
                if any(len(value) > MAX_VALUE_LENGTH for value in one.carried(series)):
                    message = f"label {one.label} is longer than {MAX_VALUE_LENGTH} characters"
                    return Problem(reason=Reason.ERROR, message=message)
        problem = self.blindness(total)
        return problem or tuple(series for series in total if self.accepts(series))

    def blindness(self, total: Sequence[Series]) -> Problem | None:
        """Why bad events would not be seen in a revision's series; None if they would."""
        named = [one for one in self.matchers if one.label == NAME]
        labelled = [one for one in self.matchers if one.label != NAME]
        counting = [one for one in total if all(it.accepts(one) for it in named)]
        messages = (
            message
            for series in _by_revision(counting)
            for one in labelled
            if (message := _unseen(one, series))
        )
        message = next(messages, "")
        return Problem(reason=Reason.ERROR, message=message) if message else None


def _by_revision(total: Sequence[Series]) -> Iterator[list[Series]]:
    revisions = sorted({one.labels.get("revision", "") for one in total})
    for revision in revisions:
        yield [one for one in total if one.labels.get("revision", "") == revision]


def _unseen(matcher: Matcher, series: Sequence[Series]) -> str:
    """What is missing for the condition in the series of one revision."""
    values = {value for one in series for value in matcher.carried(one)}
    whose = f" of revision {revision}" if (revision := series[0].labels.get("revision")) else ""
    if not values and matcher.needs_label:
        seen = {name for one in series for name in one.labels} - _OF_THE_SCRAPE
        return (
            f"series{whose} have no label {matcher.names} (labels seen: {_listed(seen)}): "
            "no bad event could be seen"
        )
    if values and matcher.known and not any(map(re.compile(matcher.known).fullmatch, values)):
        return (
            f"label {matcher.names}{whose} holds no value like {matcher.known} "
            f"(values seen: {_listed(values)}): no bad event could be seen"
        )
    return _misspelt(matcher, values, whose=whose) if values else ""


def _misspelt(matcher: Matcher, values: set[str], *, whose: str) -> str:
    """The condition was written for other spellings than those of the label."""
    pattern = _DIGIT.sub(r"\1[0-9]", matcher.pattern)
    others = kinds.possible(values)
    if not others or not _safe(pattern) or any(_matches(pattern, value=it) for it in others):
        return ""
    if values <= kinds.SUCCESS and not any(_matches(pattern, value=it) for it in kinds.EVERY):
        return ""
    operator = "=~" if matcher.positive else "!~"
    what = "no bad event could be seen" if matcher.positive else "every event would be bad"
    return (
        f"no value of label {matcher.names}{whose} can match {matcher.pattern} (values seen:"
        f' {_listed(values)}): with {matcher.label}{operator}"{matcher.pattern}" {what}; write it'
        " as the values are written"
    )


def _listed(names: set[str]) -> str:
    """Some of the names; label values may be many and long."""
    short = [name[:MAX_VALUE_LENGTH] for name in sorted(names)]
    more = ", ..." if len(short) > _SHOWN else ""
    return (", ".join(short[:_SHOWN]) + more) or "none"


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
