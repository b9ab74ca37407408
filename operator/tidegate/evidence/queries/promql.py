"""PromQL for a metric: what to ask, with every name escaped.

Selectors become raw samples over a range, or one number per revision, narrowed to the namespaces,
the ModelDeployments and the revisions asked for (evidence.md, 2.1; ecosystem.md, 2.1). What several
rollouts want alike is one query (performance.md, 4.1). Free queries get their variables.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from tidegate.evidence.queries import identity as identities
from tidegate.evidence.queries import substitution
from tidegate.evidence.queries.narrowing import Matcher, Narrowing, narrowing
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import (
    Distribution,
    Form,
    Identity,
    LabelMatch,
    Labels,
    Latency,
    Operator,
    Query,
    Ratio,
    Selector,
    Template,
    Throughput,
    Value,
)
from tidegate.model import IdentityMode

TOTAL = "total"
BAD = "bad"
LABELS = "labels"
BINS = "bins"
BUCKETS = "buckets"
NUMBER = "number"
CANDIDATE = "candidate"
STABLE = "stable"

MAX_QUERY_LENGTH = 4096
RESERVED_LABELS = identities.RESERVED_LABELS | {"__name__", "le"}

_METRIC_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]{0,255}")
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
# Kubernetes' random suffixes use the first 27; four bits of the place tell 16 parts apart.
_LAST_OF_A_NAME = "bcdfghjklmnpqrstvwxz2456789aeiouy013"
POD_HALVINGS = 4
# Each is true of about half of the usual edges, whatever the others say: an even length, a 5 at the
# end, a small first digit.
_HALF_OF_THE_EDGES = ("(..)*", ".*5", "[01+].*")
EDGE_HALVINGS = len(_HALF_OF_THE_EDGES)
_AGGREGATES = {"Avg": "avg", "Max": "max", "Min": "min", "Sum": "sum"}
_DIGEST_LENGTH = 10
_PER_REVISION = frozenset({"revision", "podRegex", "service"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Raw samples, or one number per revision, that a rollout wants.

    Equal `group`s are one query. `also` are metrics that are counted together with `metric`, by
    queries of their own: not every source takes a pattern for a name. `matchers` are rendered
    (`label=~"..."`) and sorted; identity, `le` and windows are not among them. `mode` says
    which labels name the revisions. `aggregate` is empty for raw samples, else Avg, Max, Min
    or Sum: then a gauge is read at the instant, and a `counter` as its rate per second over the
    last `window_seconds`; `by` further labels there is a number for each of their values. `scale`
    multiplies the number after the answer.
    """

    source: str
    metric: str
    matchers: tuple[str, ...]
    identity: Identity
    also: tuple[str, ...] = ()
    mode: IdentityMode = IdentityMode.LABEL
    aggregate: str = ""
    counter: bool = False
    window_seconds: int = 0
    by: tuple[str, ...] = ()
    scale: float = 1.0

    @property
    def words(self) -> str:
        """What is asked, of whom and for whom, for people."""
        return f"{self.source} for {self.group.series([self.identity])}"

    @property
    def group(self) -> Group:
        """What rollouts must have in common to share a query."""
        return Group(
            source=self.source,
            metrics=(self.metric, *self.also),
            matchers=self.matchers,
            mode=self.mode,
            aggregate=self.aggregate,
            counter=self.counter,
            window_seconds=self.window_seconds,
            by=self.by,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A `Wanted` without whose it is."""

    source: str
    metrics: tuple[str, ...]
    matchers: tuple[str, ...]
    mode: IdentityMode
    aggregate: str
    counter: bool
    window_seconds: int
    by: tuple[str, ...] = ()

    def text(
        self,
        members: Sequence[Identity],
        *,
        range_seconds: int,
        metric: str = "",
        more: Sequence[str] = (),
    ) -> str:
        """The query of one metric, else of all, for all members; `range_seconds` of raw samples.

        It may return more than the members asked for: every combination of their names. `more` are
        further rendered matchers.
        """
        if not self.aggregate:
            return f"{self.series(members, metric=metric, more=more)}[{range_seconds}s]"
        own = identities.own_pods(self.mode)
        series = self.series(members, metric=metric, more=(*more, *own))
        numbers = f"rate({series}[{self.window_seconds}s])" if self.counter else series
        return identities.aggregated(
            self.mode, function=_AGGREGATES[self.aggregate], numbers=numbers, by=self.by
        )

    def series(
        self, members: Sequence[Identity], *, metric: str = "", more: Sequence[str] = ()
    ) -> str:
        """The selector of all members' series of one metric, else of all; `more` are matchers."""
        names, own = self.metrics, self.matchers
        if not metric and len(names) > 1:
            own = tuple(sorted((*own, f"__name__=~{substitution.quoted('|'.join(names))}")))
        else:
            metric = metric or names[0]
        asked = [owner for one in members for owner in identities.owners(one)]
        matchers = (*identities.matchers(self.mode, asked), *own, *more)
        return f"{metric}{{{','.join(matchers)}}}"


def pods_part(number: int, *, halvings: int) -> tuple[str, ...]:
    """Matchers for one of 2 ** halvings parts of all pods; every pod, named or not, is in one.

    The parts are about equal: a pod's name ends in a random character or in a running number.
    """
    found = []
    for bit in range(halvings):
        chosen = "".join(one for code, one in enumerate(_LAST_OF_A_NAME) if code >> bit & 1)
        operator = "=~" if number >> bit & 1 else "!~"
        found.append(f'pod{operator}".*[{chosen}]"')
    return tuple(found)


def edges_part(number: int, *, halvings: int) -> tuple[str, ...]:
    """Matchers for one of 2 ** halvings parts of all bucket edges; every edge is in one."""
    return tuple(
        f"le{'=~' if number >> bit & 1 else '!~'}{substitution.quoted(pattern)}"
        for bit, pattern in enumerate(_HALF_OF_THE_EDGES[:halvings])
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """A finished query that returns one number, for a namespace. Runs alone, never grouped."""

    source: str
    promql: str
    namespace: str = ""

    @property
    def words(self) -> str:
        """What is asked, and of whom, for people."""
        return f"{self.source} for {self.promql}"


def wanted(
    template: Template, *, given: Mapping[str, str], identity: Identity, window_seconds: int
) -> Mapping[str, Wanted | Narrowing | Free] | Unsafe:
    """What a metric needs by role: TOTAL, with BAD for a ratio, BUCKETS, BINS, NUMBER, or CANDIDATE and STABLE.

    Labels need their own roles.

    BAD is a `Narrowing` where the bad series are among those of TOTAL and can be picked here.
    Else LABELS says what TOTAL must carry; without LABELS it is BAD that must have series. A
    free query is asked for STABLE too if it distinguishes revisions. `window_seconds` is what
    ${window} says and what a rate is taken over, `given` holds the values of the variables.
    """
    found = _by_role(template, given=given, identity=identity, window_seconds=window_seconds)
    if isinstance(found, Unsafe):
        return found
    mode = template.mode or IdentityMode.LABEL
    return {
        role: replace(one, mode=mode) if isinstance(one, Wanted) else one
        for role, one in found.items()
    }


def _by_role(
    template: Template, *, given: Mapping[str, str], identity: Identity, window_seconds: int
) -> Mapping[str, Wanted | Narrowing | Free] | Unsafe:
    variables = substitution.bound(template.variables, given=given)
    if not isinstance(variables, dict):
        return variables[0]
    values = {
        **variables,
        **substitution.built_ins(identity, revision=identity.candidate, window_seconds=1),
    }
    match template.measure:
        case Ratio() as ratio:
            return _ratio(ratio, source=template.source, values=values, identity=identity)
        case Latency() | Distribution() | Throughput() | Labels() as counted:
            return _counters(counted, source=template.source, values=values, identity=identity)
        case Value() as value:
            found = raw(value.series, source=template.source, values=values, identity=identity)
            if isinstance(found, Unsafe):
                return found
            return {NUMBER: _number(value, series=found, window_seconds=window_seconds)}
        case Query(promql=promql):
            texts = _free(
                promql, variables=variables, identity=identity, window_seconds=window_seconds
            )
            if isinstance(texts, Unsafe):
                return texts
            source = template.source
            namespace = identity.namespace
            return {
                role: Free(source=source, promql=text, namespace=namespace)
                for role, text in texts.items()
            }
        case _ as never:
            assert_never(never)


def rates_by(counted: Wanted, *, labels: Sequence[str], window_seconds: int) -> Wanted:
    """The same counters as rates per second of a revision over a window, whatever its pods.

    Without labels it is one number, else a row for each of their values.
    Units: window_seconds holds four scrapes at least.
    """
    return replace(
        counted, aggregate="Sum", counter=True, window_seconds=window_seconds, by=tuple(labels)
    )


def totals_by(counted: Wanted, *, labels: Sequence[str]) -> Wanted:
    """The same counters as they stand, summed over the pods of a revision: a row for each value of labels."""
    return replace(counted, aggregate="Sum", by=tuple(labels))


def digest(asked: Mapping[str, Wanted]) -> str:
    """A few hexadecimal digits of which series are asked for by role, whosever they are."""
    text = repr(
        [
            (role, one.source, one.metric, one.also, one.matchers, one.by)
            for role, one in sorted(asked.items())
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def _counters(
    measure: Latency | Distribution | Throughput | Labels,
    *,
    source: str,
    values: Mapping[str, str],
    identity: Identity,
) -> Mapping[str, Wanted | Narrowing | Free] | Unsafe:
    """The counters of a measure that are read as they are."""
    asked: dict[str, Wanted | Narrowing | Free] = {}
    for role, series in _selectors(measure).items():
        found = raw(series, source=source, values=values, identity=identity)
        if isinstance(found, Unsafe):
            return found
        asked[role] = found
    return asked


def _selectors(
    measure: Latency | Distribution | Throughput | Labels,
) -> Mapping[str, Selector]:
    match measure:
        case Latency(histogram=histogram):
            return {BUCKETS: replace(histogram, metric=f"{histogram.metric}_bucket")}
        case Distribution(series=series, form=Form.HISTOGRAM):
            return {BINS: replace(series, metric=f"{series.metric}_bucket")}
        case Distribution(series=series):
            return {BINS: series}
        case Throughput(requests=requests):
            return {TOTAL: requests}
        case Labels(roles=roles):
            return roles
        case _ as never:
            assert_never(never)


def raw(
    series: Selector, *, source: str, values: Mapping[str, str], identity: Identity
) -> Wanted | Unsafe:
    """Raw samples of one selector; `values` are those of its variables."""
    matchers = _matchers(series, values=values)
    if isinstance(matchers, Unsafe):
        return matchers
    return _raw(series, matchers, source=source, identity=identity)


def _raw(
    series: Selector, matchers: Sequence[Matcher], *, source: str, identity: Identity
) -> Wanted:
    first, *others = sorted(_names(series))
    return Wanted(
        source=source,
        metric=first,
        also=tuple(others),
        matchers=tuple(sorted({text_of(one) for one in matchers[1:]})),
        identity=identity,
    )


def _ratio(
    ratio: Ratio, *, source: str, values: Mapping[str, str], identity: Identity
) -> Mapping[str, Wanted | Narrowing | Free] | Unsafe:
    total = _matchers(ratio.total, values=values)
    if isinstance(total, Unsafe):
        return total
    bad = _matchers(ratio.bad, values=values)
    if isinstance(bad, Unsafe):
        return bad
    everything = _raw(ratio.total, total, source=source, identity=identity)
    names, bad_names = _names(ratio.total), _names(ratio.bad)
    # Fewer names are a condition on a label like any other.
    common = total if bad_names == names else total[1:]
    picked = narrowing(common, bad=bad) if bad_names <= names else None
    if picked is not None:
        return {TOTAL: everything, BAD: picked}
    if any(one.also for one in bad):
        return Unsafe("alternative labels can only be compared among the series of the total")
    asked = {TOTAL: everything, BAD: _raw(ratio.bad, bad, source=source, identity=identity)}
    if bad_names <= names:
        beyond = tuple(one for one in bad if one not in common)
        return {**asked, LABELS: Narrowing(matchers=beyond)}
    return {**asked, LABELS: Narrowing(matchers=())} if ratio.sparse else asked


def _names(series: Selector) -> frozenset[str]:
    return frozenset({series.metric, *series.also})


def _number(value: Value, *, series: Wanted, window_seconds: int) -> Wanted:
    return replace(
        series,
        aggregate=value.aggregate,
        counter=value.counter,
        # A gauge is read at an instant, so that metrics with other windows share its query.
        window_seconds=window_seconds if value.counter else 0,
        scale=value.scale,
    )


def _matchers(series: Selector, *, values: Mapping[str, str]) -> tuple[Matcher, ...] | Unsafe:
    """The conditions of a selector, the one on the metric's name first."""
    names = sorted(_names(series))
    for name in names:
        if not _METRIC_NAME.fullmatch(name):
            return Unsafe(f"{name!r} is no metric name")
    found = [Matcher(label="__name__", positive=True, pattern="|".join(names))]
    for match in series.matches:
        matcher = _matcher(match, values=values)
        if isinstance(matcher, Unsafe):
            return matcher
        found.append(matcher)
    return tuple(found)


def text_of(matcher: Matcher) -> str:
    """The condition as PromQL."""
    operator = "=~" if matcher.positive else "!~"
    return f"{matcher.label}{operator}{substitution.quoted(matcher.pattern)}"


def _matcher(match: LabelMatch, *, values: Mapping[str, str]) -> Matcher | Unsafe:
    if not _LABEL_NAME.fullmatch(match.label):
        return Unsafe(f"{match.label!r} is no label name")
    if match.label in RESERVED_LABELS:
        return Unsafe(f"label {match.label!r} is set by the operator")
    if not match.values:
        return Unsafe(f"label {match.label!r} needs a value")
    texts: list[str] = []
    for value in match.values:
        text = substitution.in_value(value, values=values)
        if isinstance(text, Unsafe):
            return text
        texts.append(text)
    match match.operator:
        case Operator.IN | Operator.NOT_IN:
            pattern = "|".join(map(substitution.regex_quoted, texts))
        case Operator.MATCHES | Operator.NOT_MATCHES:
            pattern = "|".join(texts)
        case _ as never:
            assert_never(never)
    positive = match.operator in {Operator.IN, Operator.MATCHES}
    return Matcher(
        label=match.label,
        positive=positive,
        pattern=pattern,
        also=match.also,
        known=match.known,
        optional=match.optional,
    )


def _free(
    promql: str, *, variables: Mapping[str, str], identity: Identity, window_seconds: int
) -> Mapping[str, str] | Unsafe:
    if len(promql) > MAX_QUERY_LENGTH:
        return Unsafe(f"the query is longer than {MAX_QUERY_LENGTH} characters")
    revisions = {CANDIDATE: identity.candidate}
    names = substitution.used(promql)
    if identity.stable and names & _PER_REVISION and "stableRevision" not in names:
        revisions[STABLE] = identity.stable
    texts: dict[str, str] = {}
    for role, revision in revisions.items():
        built_ins = substitution.built_ins(
            identity, revision=revision, window_seconds=window_seconds
        )
        text = substitution.in_query(promql, values={**variables, **built_ins})
        if isinstance(text, Unsafe):
            return text
        texts[role] = text
    return texts
