"""What a revision counts in a slice of time, summed over its pods by the source itself.

Raw samples of all pods tell more, and are too dear for what is watched for ever: these are a row for each
revision, and for each value of the labels that tell bad events or buckets apart.
Source: ADR 0080.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tidegate.evidence.queries import promql
from tidegate.evidence.queries.identity import POD, REVISION
from tidegate.evidence.queries.narrowing import NAME, Matcher, Narrowing
from tidegate.evidence.queries.promql import Free, Wanted
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import EDGE, Series

Asked = Mapping[str, Wanted | Narrowing | Free]


def summed(asked: Asked, *, window_seconds: int, by_pod: bool = False) -> Asked | Unsafe:
    """The same pieces as rates per second over a window; what is one number anyway stays as it is.

    Bad events that are told by the name of their counter get a query of their own, since a rate has no name.
    """
    bad = asked.get(promql.BAD)
    if isinstance(bad, Narrowing) and any(one.label == NAME for one in bad.matchers):
        total = asked[promql.TOTAL]
        assert isinstance(total, Wanted), asked
        named = _by_name(total, bad)
        if isinstance(named, Unsafe):
            return named
        asked = {**asked, promql.BAD: named, promql.LABELS: Narrowing(matchers=())}
    if isinstance(carried := asked.get(promql.LABELS), Narrowing):
        kept = tuple(one for one in carried.matchers if one.label != NAME)
        asked = {**asked, promql.LABELS: Narrowing(matchers=kept)}
    return {
        role: _summed(one, by=_labels(role, asked, by_pod=by_pod), window_seconds=window_seconds)
        if isinstance(one, Wanted) and not one.aggregate
        else one
        for role, one in asked.items()
    }


def _by_name(total: Wanted, bad: Narrowing) -> Wanted | Unsafe:
    others = [one for one in bad.matchers if one.label != NAME]
    if any(one.also for one in others):
        return Unsafe("alternative labels can only be compared among the series of the total")
    first, *more = next(one.pattern for one in bad.matchers if one.label == NAME).split("|")
    matchers = tuple(sorted({*total.matchers, *map(promql.text_of, others)}))
    return replace(total, metric=first, also=tuple(more), matchers=matchers)


def _summed(wanted: Wanted, *, by: Sequence[str], window_seconds: int) -> Wanted:
    return promql.rates_by(wanted, labels=by, window_seconds=window_seconds)


def _labels(role: str, asked: Asked, *, by_pod: bool) -> tuple[str, ...]:
    """The labels that the rows of a role are told apart by."""
    if role == promql.BUCKETS:
        return (EDGE,)
    if role != promql.TOTAL:
        return ()
    conditions = (asked.get(promql.BAD), asked.get(promql.LABELS))
    narrowings = (one for one in conditions if isinstance(one, Narrowing))
    names = _names(matcher for one in narrowings for matcher in one.matchers)
    return (POD, *names) if by_pod else names


def _names(matchers: Iterable[Matcher]) -> tuple[str, ...]:
    return tuple(sorted({it for one in matchers for it in (one.label, *one.also)} - {NAME}))


def rows(numbers: Mapping[str, float] | Sequence[Series], *, at: float) -> tuple[Series, ...]:
    """The rows of an answer, also of one that has no labels but the revision's."""
    if not isinstance(numbers, Mapping):
        return tuple(numbers)
    return tuple(
        Series(labels={REVISION: revision}, samples=((at, number),))
        for revision, number in numbers.items()
    )


def total(rates: Sequence[Series]) -> float | None:
    """All of it per second; None without any."""
    found = [one.samples[-1][1] for one in rates if one.samples]
    return math.fsum(found) if found else None
