"""The results of a rollout for status, of which the intervals are worked out only now and then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tidegate import model
from tidegate.evidence.counts.rows import Row
from tidegate.evidence.sequential.judgement import Check, EvidenceConfig, Finding, Judgement
from tidegate.evidence.sequential.ledger import Ledger
from tidegate.evidence.terms import Template
from tidegate.evidence.verdict import described, report

FRESH_ROWS = 256  # up to here each new row gives new intervals; of longer tables they hardly move


class Display:
    """Remembers intervals between looks. They decide nothing, and cost time in each row."""

    def __init__(self, analysis: model.Analysis, *, templates: Mapping[str, Template]) -> None:
        self._analysis = analysis
        self._templates = templates
        self._key: object = None
        self._described: Mapping[str, Finding] = {}
        self._quantiles: Mapping[str, model.Bounds] = {}

    def results(
        self,
        judgement: Judgement,
        *,
        ledger: Ledger,
        rows: Sequence[Row],
        checks: Mapping[str, Sequence[Check]],
        config: EvidenceConfig,
        at: datetime,
    ) -> tuple[model.MetricResult, ...]:
        """One result per metric of the judgement; counts and values are always those of now."""
        key = (_generation(len(rows)), [(one.metric, one.edge) for one in judgement.findings])
        if self._key != key:
            self._key = key
            found = described.with_intervals(judgement, rows=rows, config=config).findings
            self._described = {one.metric: one for one in found}
            self._quantiles = report.quantile_bounds(
                ledger, rows=rows, templates=self._templates, config=config
            )
        return report.results(
            replace(judgement, findings=tuple(map(self._with_intervals, judgement.findings))),
            ledger=ledger,
            analysis=self._analysis,
            templates=self._templates,
            quantiles=self._quantiles,
            checks=checks,
            config=config,
            at=at,
        )

    def _with_intervals(self, finding: Finding) -> Finding:
        known = self._described[finding.metric]
        return replace(
            finding,
            ratio=known.ratio,
            ratio_interval=known.ratio_interval,
            rate_interval=known.rate_interval,
            phi=known.phi,
        )


def _generation(rows: int) -> tuple[int, int]:
    """Changes with every row of a short table, and with about every hundredth of a long one."""
    apart = 1 << max(0, rows.bit_length() - FRESH_ROWS.bit_length())
    return apart, rows // apart
