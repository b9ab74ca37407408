"""Pairs of answers to the same request, as the comparer counts them.

The series come from the comparer, not from the pods of a revision: it names the revision itself, and
counts every pair from both ends, so that nobody has to tell it who is stable. Its namespace is that of
its own pod, by the scrape. Source: ADR 0053.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from tidegate.evidence.queries import cohorts
from tidegate.evidence.terms import LabelMatch, Operator, Ratio, Selector, Template
from tidegate.model import IdentityMode, Reference

RESPONSE_AGREEMENT = "response-agreement"
_PAIRS = "tidegate_comparer_pairs_total"


def template(reference: Reference, *, since: datetime | None = None) -> Template:
    """The share of pairs that agree, of a revision with this reference.

    Against stable only the candidate has series: stable is not compared with itself. What people say
    counts for predictions made after `since`, whenever they say it.
    """
    against = LabelMatch(label="reference", operator=Operator.IN, values=(_other_end(reference),))
    pairs = (against, *_made_since(reference, since))
    equal = LabelMatch(label="equal", operator=Operator.IN, values=("true",))
    return Template(
        name=RESPONSE_AGREEMENT,
        measure=Ratio(
            bad=Selector(metric=_PAIRS, matches=(*pairs, equal)),
            total=Selector(metric=_PAIRS, matches=pairs),
        ),
        mode=IdentityMode.GATEWAY,
    )


def _made_since(reference: Reference, since: datetime | None) -> tuple[LabelMatch, ...]:
    """Answers to copies are paired within a minute; labels of people are not."""
    if reference is not Reference.HUMAN or since is None:
        return ()
    pattern = cohorts.pattern_since(since)
    return (LabelMatch(label=cohorts.LABEL, operator=Operator.MATCHES, values=(pattern,)),)


def _other_end(reference: Reference) -> str:
    match reference:
        case Reference.STABLE:
            return "${stableRevision}"
        case Reference.HUMAN:
            return reference.value
        case _ as never:
            assert_never(never)
