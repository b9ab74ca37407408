"""PromQL for a metric: what to ask, with every name escaped.

Selectors become raw samples over a range, narrowed to the namespace, the ModelDeployment and the
revisions asked for (evidence.md, 2.1; ecosystem.md, 2.1). Free queries get their variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from tidegate.evidence import substitution
from tidegate.evidence.model import (
    Identity,
    LabelMatch,
    Latency,
    Operator,
    Query,
    Ratio,
    Selector,
    Template,
)
from tidegate.evidence.substitution import Unsafe

TOTAL = "total"
BAD = "bad"
BUCKETS = "buckets"
CANDIDATE = "candidate"
STABLE = "stable"

MAX_QUERY_LENGTH = 4096
RESERVED_LABELS = frozenset({"__name__", "namespace", "model_deployment", "revision", "pod", "le"})

_METRIC_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]{0,255}")
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PER_REVISION = frozenset({"revision", "podRegex", "service"})


def plan(
    template: Template,
    *,
    given: Mapping[str, str],
    identity: Identity,
    range_seconds: int,
    window_seconds: int,
) -> Mapping[str, str] | Unsafe:
    """The queries of a metric by role: TOTAL and BAD, BUCKETS, or CANDIDATE and STABLE.

    A free query is asked for STABLE too if it distinguishes revisions. `range_seconds` is what
    raw samples are fetched for, `window_seconds` what ${window} says, `given` holds the values of
    the template's variables.
    """
    variables = substitution.bound(template.variables, given=given)
    if not isinstance(variables, dict):
        return variables[0]
    match template.measure:
        case Ratio(bad=bad, total=total):
            wanted = {TOTAL: total, BAD: bad}
        case Latency(histogram=histogram):
            wanted = {BUCKETS: replace(histogram, metric=f"{histogram.metric}_bucket")}
        case Query(promql=promql):
            return _free(
                promql, variables=variables, identity=identity, window_seconds=window_seconds
            )
        case _ as never:
            assert_never(never)
    texts: dict[str, str] = {}
    for role, one in wanted.items():
        text = selector(one, variables=variables, identity=identity, range_seconds=range_seconds)
        if isinstance(text, Unsafe):
            return text
        texts[role] = text
    return texts


def selector(
    wanted: Selector, *, variables: Mapping[str, str], identity: Identity, range_seconds: int
) -> str | Unsafe:
    """Raw samples of both revisions: `metric{namespace=...,revision=~"A|B",...}[Rs]`."""
    if not _METRIC_NAME.fullmatch(wanted.metric):
        return Unsafe(f"{wanted.metric!r} is no metric name")
    values = {
        **variables,
        **substitution.built_ins(identity, revision=identity.candidate, window_seconds=1),
    }
    revisions = [one for one in (identity.stable, identity.candidate) if one]
    matchers = [
        f"namespace={substitution.quoted(identity.namespace)}",
        f"model_deployment={substitution.quoted(identity.name)}",
        f"revision=~{substitution.quoted('|'.join(map(substitution.regex_quoted, revisions)))}",
    ]
    for match in wanted.matches:
        matcher = _matcher(match, values=values)
        if isinstance(matcher, Unsafe):
            return matcher
        matchers.append(matcher)
    return f"{wanted.metric}{{{','.join(matchers)}}}[{range_seconds}s]"


def _matcher(match: LabelMatch, *, values: Mapping[str, str]) -> str | Unsafe:
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
    return f"{match.label}{'=~' if positive else '!~'}{substitution.quoted(pattern)}"


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
