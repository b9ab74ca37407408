"""The statistics of a rollout as a library: counts in, evidence and verdicts out.

Every name of evidence.md is importable from here, such as `from tidegate.evidence import judge`.
A module is imported when one of its names is asked for, so that a program which needs counters only
does not wait for scipy. `examples/evidence.py` is a tour.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.evidence.combine import average, benjamini_hochberg, e_bh, holm
    from tidegate.evidence.counts.counters import delta
    from tidegate.evidence.counts.dispersion import Phi, dispersion, given
    from tidegate.evidence.counts.grid import Grid, WeightChange
    from tidegate.evidence.counts.intervals import MetricSeries, Table, close_intervals
    from tidegate.evidence.counts.rows import Counts, PodCounts, Row, Stream
    from tidegate.evidence.drift.cbpe import cbpe_bins, cbpe_counters
    from tidegate.evidence.drift.charts import cusum, label_change
    from tidegate.evidence.drift.cohorts import cohort_rows
    from tidegate.evidence.drift.concept import auroc, calibration
    from tidegate.evidence.drift.distances import multinomial_log_e, psi, psi_larger_than
    from tidegate.evidence.drift.fixed import (
        fisher_greater,
        mantel_haenszel,
        newcombe,
        shift_interval,
        two_proportion_z,
        wilson,
    )
    from tidegate.evidence.drift.means import mean_sequence
    from tidegate.evidence.sequential.confidence import (
        rate_interval,
        rate_ratio,
        rate_ratio_interval,
        slo_mixture_log_e,
    )
    from tidegate.evidence.sequential.eprocess import (
        Side,
        bet_log_e,
        promotion_grid,
        rate_ratio_log_e,
        restart_weights,
        rollback_grid,
        slo_log_e,
    )
    from tidegate.evidence.sequential.judgement import (
        Compare,
        Context,
        EvidenceConfig,
        Finding,
        Judgement,
        MetricRule,
    )
    from tidegate.evidence.sequential.latency import EValue, edge_average
    from tidegate.evidence.sequential.split import split_log_e
    from tidegate.evidence.terms import Identity, Problem, Reason, Series, Window
    from tidegate.evidence.verdict.engine import judge
    from tidegate.evidence.verdict.forecast import forecast
    from tidegate.evidence.verdict.planner import Plan, plan

_MODULES = {
    "counts.counters": ("delta",),
    "counts.dispersion": ("Phi", "dispersion", "given"),
    "counts.grid": ("Grid", "WeightChange"),
    "counts.intervals": ("MetricSeries", "Table", "close_intervals"),
    "counts.rows": ("Counts", "PodCounts", "Row", "Stream"),
    "drift.cbpe": ("cbpe_bins", "cbpe_counters"),
    "drift.charts": ("cusum", "label_change"),
    "drift.cohorts": ("cohort_rows",),
    "drift.concept": ("auroc", "calibration"),
    "drift.distances": ("multinomial_log_e", "psi", "psi_larger_than"),
    "drift.fixed": (
        "fisher_greater",
        "mantel_haenszel",
        "newcombe",
        "shift_interval",
        "two_proportion_z",
        "wilson",
    ),
    "drift.means": ("mean_sequence",),
    "combine": ("average", "benjamini_hochberg", "e_bh", "holm"),
    "sequential.confidence": (
        "rate_interval",
        "rate_ratio",
        "rate_ratio_interval",
        "slo_mixture_log_e",
    ),
    "sequential.eprocess": (
        "Side",
        "bet_log_e",
        "promotion_grid",
        "rate_ratio_log_e",
        "restart_weights",
        "rollback_grid",
        "slo_log_e",
    ),
    "sequential.judgement": (
        "Compare",
        "Context",
        "EvidenceConfig",
        "Finding",
        "Judgement",
        "MetricRule",
    ),
    "sequential.latency": ("EValue", "edge_average"),
    "sequential.split": ("split_log_e",),
    "terms": ("Identity", "Problem", "Reason", "Series", "Window"),
    "verdict.engine": ("judge",),
    "verdict.forecast": ("forecast",),
    "verdict.planner": ("Plan", "plan"),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Compare",
    "Context",
    "Counts",
    "EValue",
    "EvidenceConfig",
    "Finding",
    "Grid",
    "Identity",
    "Judgement",
    "MetricRule",
    "MetricSeries",
    "Phi",
    "Plan",
    "PodCounts",
    "Problem",
    "Reason",
    "Row",
    "Series",
    "Side",
    "Stream",
    "Table",
    "WeightChange",
    "Window",
    "auroc",
    "average",
    "benjamini_hochberg",
    "bet_log_e",
    "calibration",
    "cbpe_bins",
    "cbpe_counters",
    "close_intervals",
    "cohort_rows",
    "cusum",
    "delta",
    "dispersion",
    "e_bh",
    "edge_average",
    "fisher_greater",
    "forecast",
    "given",
    "holm",
    "judge",
    "label_change",
    "mantel_haenszel",
    "mean_sequence",
    "multinomial_log_e",
    "newcombe",
    "plan",
    "promotion_grid",
    "psi",
    "psi_larger_than",
    "rate_interval",
    "rate_ratio",
    "rate_ratio_interval",
    "rate_ratio_log_e",
    "restart_weights",
    "rollback_grid",
    "shift_interval",
    "slo_log_e",
    "slo_mixture_log_e",
    "split_log_e",
    "two_proportion_z",
    "wilson",
]


def __getattr__(name: str) -> object:
    """The public name from its module; AttributeError for any other."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
