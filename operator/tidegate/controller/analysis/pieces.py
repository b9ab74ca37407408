"""What a metric asks of its source, and what came back: pieces by role, or why there are none."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tidegate import model
from tidegate.evidence.counts.intervals import MetricSeries
from tidegate.evidence.counts.readings import counts_complement
from tidegate.evidence.queries import promql
from tidegate.evidence.queries.identity import unknown_identity
from tidegate.evidence.queries.narrowing import Narrowing
from tidegate.evidence.queries.promql import Free, Wanted
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import LABELLED, Identity, Problem, Reason, Series, Template

Asked = Mapping[str, Wanted | Narrowing | Free]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Raw series of one metric: all and bad events of a ratio, buckets of a latency, bins, or labels by role.

    `asked` says in words what the source was asked for.
    """

    total: tuple[Series, ...] = ()
    bad: tuple[Series, ...] = ()
    buckets: tuple[Series, ...] = ()
    bins: tuple[Series, ...] = ()
    labels: Mapping[str, tuple[Series, ...]] = field(default_factory=dict)
    asked: str = ""

    def series(self, metric: model.Metric, *, scrape_seconds: float) -> MetricSeries:
        """The pieces as they are counted; with only a lower limit it is the others that count."""
        return MetricSeries(
            total=self.total,
            bad=self.bad,
            buckets=self.buckets,
            bins=self.bins,
            labels=self.labels,
            complement=counts_complement(metric.threshold),
            scrape_seconds=scrape_seconds,
        )

    @property
    def all(self) -> tuple[Series, ...]:
        """The series that say whether there are data at all."""
        return self.buckets or self.bins or self.labels.get(LABELLED) or self.total

    @property
    def count(self) -> int:
        """How many series have to be counted."""
        return sum(1 for _ in self.every)

    @property
    def samples(self) -> int:
        """How many samples they have."""
        return sum(len(one.samples) for one in self.every)

    @property
    def every(self) -> Iterator[Series]:
        """The series of all roles."""
        roles = self.total, self.bad, self.buckets, self.bins, *self.labels.values()
        return itertools.chain.from_iterable(roles)


def asked_by(metric: model.Metric, *, template: Template, identity: Identity) -> Asked | Problem:
    """What a metric wants by role, or why its template cannot be rendered."""
    if template.missing:
        return Problem(reason=Reason.NO_DATA, message=template.missing)
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


def pieces_of(asked: Asked, *, found: Mapping[str, object]) -> Pieces | Problem:
    """The answers of a counted metric by role; bad series are picked here where they can be."""
    total = _series(found.get(promql.TOTAL, ()))
    bad = _bad(asked, total=total, found=_series(found.get(promql.BAD, ())))
    if isinstance(bad, Problem):
        return bad
    main = next(
        asked[role]
        for role in (promql.TOTAL, promql.BUCKETS, promql.BINS, LABELLED)
        if role in asked
    )
    assert isinstance(main, Wanted), main
    if LABELLED in asked:
        labels = {role: _series(found.get(role, ())) for role in asked}
        return Pieces(labels=labels, asked=main.words)
    buckets = _series(found.get(promql.BUCKETS, ()))
    bins = _series(found.get(promql.BINS, ()))
    return Pieces(total=total, bad=bad, buckets=buckets, bins=bins, asked=main.words)


def _bad(
    asked: Asked, *, total: tuple[Series, ...], found: tuple[Series, ...]
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


def _series(answer: object) -> tuple[Series, ...]:
    assert isinstance(answer, tuple), answer
    return answer
