"""What Prometheus would answer of given series."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.terms import Series

_MATCHER = re.compile(r'(?P<label>\w+)(?P<operator>=~|!~)"(?P<value>(?:[^"\\]|\\.)*)"')


def answer(wanted: Wanted, exported: Sequence[Series]) -> tuple[Series, ...]:
    """The series that are selected: anchored patterns, an absent label is the empty string."""
    matchers = [_MATCHER.fullmatch(one) for one in wanted.matchers]
    return tuple(
        one
        for one in exported
        if one.labels["__name__"] in wanted.group.metrics
        and all(
            (re.fullmatch(_unquoted(it["value"]), one.labels.get(it["label"], "")) is not None)
            == (it["operator"] == "=~")
            for it in matchers
            if it is not None
        )
    )


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
