"""Short ways to write down interval tables for tests of the statistical engine."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.evidence.counts.dispersion import Phi, PhiSource
from tidegate.evidence.counts.rows import Counts, Row
from tidegate.evidence.sequential.judgement import (
    Check,
    Compare,
    Context,
    EvidenceConfig,
    Judgement,
    MetricRule,
)
from tidegate.evidence.terms import Problem, Reason
from tidegate.model import Verdict

INDEPENDENT = Phi(value=1.0, df=100, source=PhiSource.MEASURED)
UNMEASURED = Phi(value=10.0, df=0, source=PhiSource.UNMEASURED)
COMPARED = MetricRule(name="error-ratio", compare=Compare())
# Looks for harm that is tolerated, which nothing can find: only a proof lets it pass.
PROOF_ALONE = Compare(detect_ratio=1.01, excess_promote=1e-4)
LENGTH = 60.0


def counts(
    n_c: float,
    x_c: float | Sequence[float],
    n_s: float,
    x_s: float | Sequence[float],
    *,
    phi: Phi = INDEPENDENT,
) -> Counts:
    """Counts of one stream, or of one stream per edge."""
    bad_c = tuple(x_c) if isinstance(x_c, Sequence) else (x_c,)
    bad_s = tuple(x_s) if isinstance(x_s, Sequence) else (x_s,)
    return Counts(n_c=n_c, n_s=n_s, x_c=bad_c, x_s=bad_s, phi=(phi,) * len(bad_c))


def table(
    *rows: Counts | None, metric: str = "error-ratio", weight: float = 0.1, step: int = 0
) -> list[Row]:
    """One row per minute with one metric; None has no usable data."""
    return [
        Row(
            t0=LENGTH * number,
            t1=LENGTH * (number + 1),
            step=step,
            weight=weight,
            counts={} if one is None else {metric: one},
        )
        for number, one in enumerate(rows)
    ]


def config(*rules: MetricRule, **more: float) -> EvidenceConfig:
    chosen = rules or (COMPARED,)
    return EvidenceConfig(metrics=chosen, requests_from=chosen[0].name, **more)  # type: ignore[arg-type]


def context(
    *,
    has_stable: bool = True,
    now: float = 1e6,
    judged_from: float = 0.0,
    step: int = 0,
    problems: dict[str, Problem] | None = None,
    checks: dict[str, tuple[Check, ...]] | None = None,
    at_deadline: Verdict | None = None,
) -> Context:
    return Context(
        now=now,
        step=step,
        judged_from=judged_from,
        has_stable=has_stable,
        problems=problems or {},
        checks=checks or {},
        at_deadline=at_deadline,
    )


def reasons(judgement: Judgement) -> tuple[Verdict, Reason]:
    """Verdict and main reason, to compare both at once."""
    return judgement.verdict, judgement.reason


EQUAL = [counts(1000, 10, 9000, 90)] * 30
TRIPLED = [counts(1000, 30, 9000, 90)] * 10
LIMITED = MetricRule(name="error-ratio", limit=0.05)
BOTH = MetricRule(name="error-ratio", compare=Compare(), limit=0.05)
