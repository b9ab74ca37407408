"""What the source sums over the pods of each revision, as Prometheus answers it: rates, or counters as they stand."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SUM = re.compile(r"sum by \((?P<labels>[\w, ]+)\) \((?P<inner>.*)\)", re.DOTALL)
_RATE = re.compile(r"rate\((?P<selector>.*\[(?P<range>\d+)s\])\)", re.DOTALL)
_PLAIN = re.compile(r'(?P<selector>[\w:]+\{.*?"\})')
_REPLACE = re.compile(
    r', "(?P<target>\w+)", "\$(?P<group>\d)", "(?P<source>\w+)", "(?P<pattern>(?:[^"\\]|\\.)*)"\)'
)

Row = Mapping[str, Any]


def is_asked(promql: str) -> bool:
    """Whether something is summed."""
    return promql.startswith("sum by ")


def selector(promql: str, *, lookback_seconds: int) -> str:
    """What is asked for, with its range; of counters as they stand, how old they may be."""
    found = _RATE.search(promql)
    if found is not None:
        return found["selector"]
    plain = _PLAIN.search(promql)
    assert plain is not None, promql
    return f"{plain['selector']}[{lookback_seconds}s]"


def summed(promql: str, *, rows: Sequence[Row], at: float) -> list[Row]:
    """One number per group of labels; a series with a single sample has no rate."""
    found, rated = _SUM.fullmatch(promql), _RATE.search(promql)
    assert found is not None, promql
    names = [name.strip() for name in found["labels"].split(",")]
    groups: dict[tuple[str, ...], float] = {}
    for row in rows:
        number = (
            _rate(row["values"], seconds=float(rated["range"]))
            if rated is not None
            else float(row["values"][-1][1])
        )
        if number is None:
            continue
        labels = _relabelled(row["metric"], promql)
        key = tuple(labels.get(name, "") for name in names)
        groups[key] = groups.get(key, 0.0) + number
    return [
        {
            "metric": {name: value for name, value in zip(names, key, strict=True) if value},
            "value": [at, repr(total)],
        }
        for key, total in sorted(groups.items())
    ]


def _rate(values: Sequence[Any], *, seconds: float) -> float | None:
    """The increase between the samples, stretched to the whole range at most."""
    if len(values) < 2:
        return None
    numbers = [float(text) for _, text in values]
    increase = sum(_steps(numbers))
    covered = float(values[-1][0] - values[0][0])
    between = covered / (len(values) - 1)
    return increase * min(seconds, covered + between) / covered / seconds


def _steps(numbers: Sequence[float]) -> Iterator[float]:
    for before, after in itertools.pairwise(numbers):
        yield after - before if after >= before else after


def _relabelled(labels: Mapping[str, str], promql: str) -> dict[str, str]:
    found = dict(labels)
    for one in _REPLACE.finditer(promql):
        pattern = re.sub(r"\\(.)", r"\1", one["pattern"])
        matched = re.fullmatch(pattern, found.get(one["source"], ""))
        if matched is not None:
            found[one["target"]] = matched[int(one["group"])]
    return found
