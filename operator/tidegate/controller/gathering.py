"""What a metric asks of its source, and what came back: pieces by role, or why there are none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tidegate import model
from tidegate.controller.desk import Desk
from tidegate.evidence.counts.intervals import MetricSeries
from tidegate.evidence.counts.readings import counts_complement, nothing_of
from tidegate.evidence.queries import promql
from tidegate.evidence.queries.identity import unknown_identity
from tidegate.evidence.queries.narrowing import Narrowing
from tidegate.evidence.queries.promql import Free, Wanted
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import Identity, Problem, Reason, Series, Template

Asked = Mapping[str, Wanted | Narrowing | Free] | Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Raw series of one metric: all and bad events of a ratio, or the buckets of a latency.

    `asked` says in words what the source was asked for.
    """

    total: tuple[Series, ...] = ()
    bad: tuple[Series, ...] = ()
    buckets: tuple[Series, ...] = ()
    asked: str = ""

    def series(self, metric: model.Metric, *, scrape_seconds: float) -> MetricSeries:
        """The pieces as they are counted; with only a lower limit it is the others that count."""
        return MetricSeries(
            total=self.total,
            bad=self.bad,
            buckets=self.buckets,
            complement=counts_complement(metric.threshold),
            scrape_seconds=scrape_seconds,
        )

    @property
    def all(self) -> tuple[Series, ...]:
        """The series that say whether there are data at all."""
        return self.buckets or self.total


class Gatherer:
    """Asks the desk for metrics, in whatever roles they have."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def pieces(self, asked: Asked, *, since: float, at: float) -> Pieces | Problem:
        """Series of a counted metric in (since, at], with what lies a little before."""
        if isinstance(asked, Problem):
            return asked
        wanted = {role: one for role, one in asked.items() if isinstance(one, Wanted)}
        answers = await asyncio.gather(
            *(self._desk.series(one, since=since, at=at) for one in wanted.values())
        )
        found: dict[str, tuple[Series, ...]] = {}
        for role, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, Problem):
                return answer
            found[role] = answer
        return _pieces(asked, found=found)

    async def number(self, asked: Asked, *, identity: Identity, at: float) -> float | Problem:
        """The candidate's number of a plain value."""
        if isinstance(asked, Problem):
            return asked
        wanted = asked.get(promql.NUMBER)
        if isinstance(wanted, Wanted):
            numbers = await self._desk.numbers(wanted, at=at)
            if isinstance(numbers, Problem):
                return numbers
            if identity.candidate in numbers:
                return numbers[identity.candidate]
            message = nothing_of("candidate", of_other=bool(numbers), asked=wanted.words)
            return Problem(reason=Reason.NO_DATA, message=message)
        free = asked[promql.CANDIDATE]
        assert isinstance(free, Free), free
        found = await self._desk.number(free.source, promql=free.promql, at=at)
        if isinstance(found, Problem) and found.reason is Reason.NO_DATA:
            return replace(found, message=f"{found.message}; asked {free.words}")
        return found


def asked_by(metric: model.Metric, *, template: Template, identity: Identity) -> Asked:
    """What a metric wants, or why its template cannot be rendered."""
    found = promql.wanted(
        template,
        given=dict(metric.variables),
        identity=identity,
        window_seconds=max(1, int(metric.window_seconds)),
    )
    if isinstance(found, Unsafe):
        return Problem(reason=Reason.ERROR, message=found.message)
    if template.mode is None:
        return Problem(reason=Reason.NO_DATA, message=unknown_identity(template.source))
    return found


def _pieces(
    asked: Mapping[str, Wanted | Narrowing | Free], *, found: Mapping[str, tuple[Series, ...]]
) -> Pieces | Problem:
    total = found.get(promql.TOTAL, ())
    bad = _bad(asked, total=total, found=found.get(promql.BAD, ()))
    if isinstance(bad, Problem):
        return bad
    main = asked.get(promql.TOTAL) or asked[promql.BUCKETS]
    assert isinstance(main, Wanted), main
    return Pieces(total=total, bad=bad, buckets=found.get(promql.BUCKETS, ()), asked=main.words)


def _bad(
    asked: Mapping[str, Wanted | Narrowing | Free],
    *,
    total: tuple[Series, ...],
    found: tuple[Series, ...],
) -> tuple[Series, ...] | Problem:
    """The series of bad events, picked or `found`; a Problem where none could ever be seen."""
    picked, labels = asked.get(promql.BAD), asked.get(promql.LABELS)
    if isinstance(picked, Narrowing):
        return picked.pick(total)
    if isinstance(labels, Narrowing):
        return labels.blindness(total) or found
    if isinstance(picked, Wanted) and total and not found:
        message = (
            f"no series of {picked.metric} {{{', '.join(picked.matchers)}}}: export it from the "
            "start, at 0, or count bad events by a label of the total"
        )
        return Problem(reason=Reason.NO_DATA, message=message)
    return found
