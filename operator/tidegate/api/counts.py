"""Counts from anywhere as rows and settings of the evidence engine."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate import model
from tidegate.api import analysis_reading, profiles, violations
from tidegate.api import counts_types as doc
from tidegate.evidence.counts import dispersion, intervals
from tidegate.evidence.counts.dispersion import Phi, Spread
from tidegate.evidence.counts.rows import Counts, PodCounts, Row
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule
from tidegate.evidence.verdict import rules

_NUMBERS = profiles.PROFILES[profiles.DEFAULT]
INTERVAL_SECONDS = 60.0  # rows have no times; the engine asks for their order only


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was handed in, in the words of the engine."""

    rows: tuple[Row, ...]
    config: EvidenceConfig
    has_stable: bool


def read_counts(document: object) -> Given | tuple[model.Violation, ...]:
    """Rows and settings, or everything that is wrong with the document.

    The dispersion of a row is that of the pods in the rows before it, as in the operator. Shares
    are checked where every row of the first metric names a weight.
    """
    found = violations.parse(doc.Counts, document, path="")
    if isinstance(found, tuple):
        return found
    first = found.metrics[0]
    config = EvidenceConfig(
        metrics=tuple(_rule(metric) for metric in found.metrics),
        requests_from=first.name,
        alpha_rollback=found.risk.false_rollback or _NUMBERS.false_rollback,
        alpha_promote=found.risk.false_promotion or _NUMBERS.false_promotion,
        min_candidate_requests=found.min_requests,
        min_intervals=found.min_intervals,
        split_holds=all(row.weight is not None for row in first.rows),
    )
    stable = any(row.stable.total > 0 for metric in found.metrics for row in metric.rows)
    return Given(rows=_rows(found), config=config, has_stable=stable)


def _rule(given: doc.Metric) -> MetricRule:
    compare = None
    if given.compare is not None:
        compare = rules.compared(
            analysis_reading.compared(given.compare, numbers=_NUMBERS), tolerance=rules.TOLERANCE
        )
    return MetricRule(name=given.name, compare=compare, limit=given.limit)


def _rows(given: doc.Counts) -> tuple[Row, ...]:
    counted = {metric.name: _counts(metric) for metric in given.metrics}
    return tuple(
        Row(
            t0=number * INTERVAL_SECONDS,
            t1=(number + 1) * INTERVAL_SECONDS,
            step=0,
            weight=_weight(row),
            counts={name: counts[number] for name, counts in counted.items()},
        )
        for number, row in enumerate(given.metrics[0].rows)
    )


def _weight(row: doc.Row) -> float:
    if row.weight is not None:
        return row.weight / 100
    both = row.candidate.total + row.stable.total
    return row.candidate.total / both if both > 0 else 0.0


def _counts(metric: doc.Metric) -> list[Counts]:
    spreads: tuple[Spread, ...] = (Spread(),)
    found: list[Counts] = []
    for row in metric.rows:
        pods = tuple(PodCounts(n=pod.total, x=(pod.bad,)) for pod in row.pods)
        found.append(
            Counts(
                n_c=row.candidate.total,
                n_s=row.stable.total,
                x_c=(row.candidate.bad,),
                x_s=(row.stable.bad,),
                phi=tuple(_phi(metric, spread) for spread in spreads),
                pods_s=pods,
            )
        )
        spreads = intervals.widened(spreads, pods=pods)
    return found


def _phi(metric: doc.Metric, spread: Spread) -> Phi:
    return spread.phi() if metric.dispersion is None else dispersion.given(metric.dispersion)
