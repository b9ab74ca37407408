"""Estimates and intervals of each metric, for people: they decide nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from tidegate.evidence.attempt import as_it_is, attempt
from tidegate.evidence.counts.rows import Row
from tidegate.evidence.sequential import confidence
from tidegate.evidence.sequential.judgement import EvidenceConfig, Finding, Judgement, MetricRule


def with_intervals(
    judgement: Judgement, *, rows: Sequence[Row], config: EvidenceConfig
) -> Judgement:
    """The judgement with estimates, intervals and dispersion of each metric; decides nothing."""
    rules = {rule.name: rule for rule in config.metrics}
    findings = tuple(
        attempt(
            partial(_described, one, rule=rules[one.metric], rows=rows, config=config),
            otherwise=partial(as_it_is, one),
        )
        for one in judgement.findings
    )
    return replace(judgement, findings=findings)


def _described(
    found: Finding, *, rule: MetricRule, rows: Sequence[Row], config: EvidenceConfig
) -> Finding:
    if not rule.counts_bad:
        return found
    index = 0 if found.edge is None else rule.edges.index(found.edge)
    streams = [row.counts[rule.name].stream(index) for row in rows if rule.name in row.counts]
    if not streams:
        return found
    phi = streams[-1].phi
    return replace(
        found,
        ratio=confidence.rate_ratio(streams),
        ratio_interval=confidence.rate_ratio_interval(streams),
        rate_interval=confidence.rate_interval(
            found.n_c, x=found.x_c, phi=phi.value, n_opt=config.expected_requests
        ),
        phi=phi,
    )
