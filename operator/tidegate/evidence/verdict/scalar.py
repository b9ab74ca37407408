"""A free number: k failures among the last n valid checks, without error control."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.evidence.sequential.judgement import (
    Check,
    Context,
    EvidenceConfig,
    Finding,
    MetricRule,
)
from tidegate.evidence.terms import Reason
from tidegate.model import Outcome


def finding(rule: MetricRule, *, context: Context, config: EvidenceConfig) -> Finding:
    """What the checks of a plain value say."""
    checks = context.checks.get(rule.name, ())[-config.breach_out_of :]
    failures = sum(not one.kept for one in checks)
    least = 1 if rule.critical else config.breach_failures
    reason, message = _reason(checks, failures=failures, least=least, config=config)
    return Finding(
        metric=rule.name,
        outcome=Outcome.INCONCLUSIVE,
        reason=reason,
        message=f"{rule.name}: {message}",
        guard=rule.guard,
    )


def _reason(
    checks: Sequence[Check], *, failures: int, least: int, config: EvidenceConfig
) -> tuple[Reason, str]:
    if not checks:
        return Reason.NO_DATA, "no value yet"
    text = f"{checks[-1].value:g}, {failures} of the last {len(checks)} checks failed"
    if failures >= least:
        return Reason.LIMIT, text
    if len(checks) < config.breach_out_of:
        return Reason.INSUFFICIENT, f"{text}; {config.breach_out_of} are needed"
    return Reason.NON_INFERIOR, text
