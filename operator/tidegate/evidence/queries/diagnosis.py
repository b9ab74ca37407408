"""What is asked to find out why a metric shows nothing: the questions of a preflight, in order.

Each question leaves out one more condition of the one before, so that the first that is answered
names the part that is missing. All are about the pods of one revision, or, of a data plane, about
whatever it says of that revision.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from tidegate import model
from tidegate.evidence.queries import identity as identities
from tidegate.evidence.queries import promql
from tidegate.evidence.queries.narrowing import Narrowing
from tidegate.evidence.queries.promql import Free, Wanted
from tidegate.evidence.queries.substitution import Unsafe, quoted
from tidegate.evidence.terms import (
    Distribution,
    Identity,
    Labels,
    Latency,
    Ratio,
    Selector,
    Template,
    Throughput,
)
from tidegate.model import IdentityMode

_ANY_BUCKET = 'le=~"\\\\+Inf"'  # one series for each histogram says as much as all its buckets


class Ask(enum.StrEnum):
    """One question: everything, without identity, the scrape itself, without selectors, anywhere."""

    IDENTITY = "Identity"
    PODS = "Pods"
    UP = "Up"
    METRIC = "Metric"
    ANYWHERE = "Anywhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What one metric needs of one revision.

    `known` is False while no labels of the source tell revisions apart; `counts_requests` says that
    a rising number means traffic; `addresses` are the IPs of the pods.
    """

    metric: str
    source: str
    wanted: Wanted | Free
    identity: Identity
    known: bool = True
    counts_requests: bool = False
    addresses: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def of_pods(self) -> bool:
        """Whether the pods export it themselves; a data plane speaks for them otherwise."""
        return isinstance(self.wanted, Free) or self.wanted.mode is not IdentityMode.GATEWAY

    @property
    def owner(self) -> identities.Owner:
        """The revision that is looked for."""
        return identities.owners(self.identity)[0]

    @property
    def name(self) -> str:
        """The metric's name in the source; several where they are counted together."""
        if isinstance(self.wanted, Free):
            return "the query"
        return " and ".join(self.wanted.group.metrics)

    @property
    def selector(self) -> str:
        """What is asked for, in the words of the source."""
        if isinstance(self.wanted, Free):
            return self.wanted.promql
        return self.wanted.group.series([self.identity])

    def texts(self, ask: Ask, *, range_seconds: int) -> tuple[str, ...]:
        """The queries of one question; raw samples of the last seconds, or a count by job."""
        if isinstance(self.wanted, Free):
            return (self.wanted.promql,)
        group, seconds = self.wanted.group, f"[{range_seconds}s]"
        match ask:
            case Ask.IDENTITY:
                whose = [self.identity]
                return tuple(f"{group.series(whose, metric=it)}{seconds}" for it in group.metrics)
            case Ask.PODS:
                return tuple(
                    f"{self._of_pods(it, group.matchers)}{seconds}" for it in group.metrics
                )
            case Ask.UP:
                return (identities.probe_query(self.owner, addresses=self.addresses),)
            case Ask.METRIC:
                return tuple(f"{self._of_pods(it)}{seconds}" for it in group.metrics)
            case Ask.ANYWHERE:
                where = f"{{{self._namespace()}}}" if self.of_pods else ""
                return (f"count by (job) ({' or '.join(f'{it}{where}' for it in group.metrics)})",)

    def _of_pods(self, metric: str, matchers: tuple[str, ...] = ()) -> str:
        pods = identities.matchers(IdentityMode.POD, [self.owner])
        return f"{metric}{{{','.join([*pods, *matchers])}}}"

    def _namespace(self) -> str:
        return f"namespace={quoted(self.identity.namespace)}"


def question(
    metric: model.Metric,
    *,
    template: Template,
    identity: Identity,
    addresses: tuple[str, ...] = (),
) -> Question | Unsafe:
    """The question of a metric; `identity.candidate` is the revision that is looked for."""
    found = promql.wanted(
        template,
        given=dict(metric.variables),
        identity=identity,
        window_seconds=max(1, int(metric.window_seconds)),
    )
    if isinstance(found, Unsafe):
        return found
    first = next(iter(found.values()))
    assert not isinstance(first, Narrowing), first
    counted = isinstance(template.measure, Ratio | Latency | Throughput | Distribution | Labels)
    return Question(
        metric=metric.name,
        source=template.source,
        wanted=_raw(first, buckets=isinstance(template.measure, Latency)),
        identity=identity,
        known=template.mode is not None,
        counts_requests=counted,
        addresses=addresses,
        dry_run=not metric.acts,
    )


def traffic_question(requests: Selector, *, source: str, identity: Identity) -> Question | Unsafe:
    """Whether the server itself counts requests, by its pods."""
    found = promql.raw(requests, source=source, values={}, identity=identity)
    if isinstance(found, Unsafe):
        return found
    return Question(
        metric="requests", source=source, wanted=found, identity=identity, counts_requests=True
    )


def _raw(wanted: Wanted | Free, *, buckets: bool) -> Wanted | Free:
    """Raw samples, also of what is read as one number."""
    if isinstance(wanted, Free):
        return wanted
    matchers = (*wanted.matchers, _ANY_BUCKET) if buckets else wanted.matchers
    return replace(wanted, aggregate="", counter=False, window_seconds=0, matchers=matchers)
