"""What the tests of a throughput say: the finding of a metric that counts requests per second.

Source: ADR 0035.
"""

from __future__ import annotations

from tidegate.evidence.sequential import ledger, throughput
from tidegate.evidence.sequential.judgement import (
    Context,
    EvidenceConfig,
    Finding,
    MetricRule,
    Pace,
)
from tidegate.evidence.sequential.ledger import Ledger
from tidegate.evidence.sequential.throughput import Speed
from tidegate.evidence.terms import Reason
from tidegate.model import Outcome

TOLERANCE = 0.25  # of a spec that names none: as far as shares may be off by themselves


def pace_of(
    *, least: float | None, tolerance: float | None, margin: float | None, per_pod: bool
) -> Pace:
    """The rule of a throughput. `tolerance` and `margin` are ratios in time: 0.25 is a fifth less.

    `margin` is None where nothing is compared with stable.
    """
    chosen = TOLERANCE if tolerance is None else tolerance
    return Pace(
        least=least,
        tolerated=None if margin is None else 1 / (1 + chosen),
        promoted=None if margin is None else 1 / (1 + margin),
        per_pod=per_pod,
    )


def finding(
    rule: MetricRule, *, state: Ledger, context: Context, config: EvidenceConfig
) -> Finding:
    """The metric with its reason; its outcome is left to the engine."""
    known = state.speeds.get(rule.name, Speed())
    if not (known.slow or known.short) and state.step != context.step:
        known = throughput.next_step(known)
    reason = _reason(known, rule=rule, context=context, config=config)
    return Finding(
        metric=rule.name,
        outcome=Outcome.INCONCLUSIVE,
        reason=reason,
        message=_message(known, reason=reason, rule=rule, config=config),
        guard=rule.guard,
        n_c=known.finished,
        n_s=known.due,
        log_e=ledger.rounded(throughput.harm_e(known)),
        log_limit=config.log_rollback,
        log_proof=ledger.rounded(throughput.proof_e(known)),
        speed_c=known.per_second,
        speed_s=known.due_per_second,
    )


def _reason(known: Speed, *, rule: MetricRule, context: Context, config: EvidenceConfig) -> Reason:
    assert rule.pace is not None, rule
    if known.short:
        return Reason.SLO_BREACH
    if known.slow:
        return Reason.REGRESSION
    if not context.has_stable:
        return Reason.NO_BASELINE
    if known.finished < max(1.0, rule.min_samples):
        return Reason.INSUFFICIENT
    if not throughput.is_due(known, pace=rule.pace):
        return Reason.INSUFFICIENT
    if ledger.rounded(throughput.proof_e(known)) >= config.log_promote:
        return Reason.NON_INFERIOR
    return Reason.UNDECIDED


def _message(known: Speed, *, reason: Reason, rule: MetricRule, config: EvidenceConfig) -> str:
    assert rule.pace is not None, rule
    if reason is Reason.NO_BASELINE:
        return f"{rule.name}: no stable revision shows how many requests are due"
    if known.per_second is None or known.due_per_second is None:
        return f"{rule.name}: no requests in a closed interval yet"
    unit = "requests/s per pod" if rule.pace.per_pod else "requests/s at all traffic"
    text = (
        f"{rule.name} {known.per_second:.3g} against {known.due_per_second:.3g} {unit} "
        f"(n={known.finished:.0f}, evidence {throughput.harm_e(known):z.1f} of {config.log_rollback:.1f})"
    )
    match reason:
        case Reason.SLO_BREACH:
            return f"{text}, below its limit of {rule.pace.least:g}"
        case Reason.INSUFFICIENT if not throughput.is_due(known, pace=rule.pace):
            return f"{text}: {too_few(known.due_per_second, pace=rule.pace)}"
        case Reason.INSUFFICIENT:
            return f"{text}, {rule.min_samples:.0f} requests are needed"
        case Reason.UNDECIDED:
            return f"{text}, proof {throughput.proof_e(known):z.1f} of {config.log_promote:.1f}"
        case _:
            return text


def too_few(due: float, *, pace: Pace) -> str:
    """Why a limit cannot be judged where so many requests per second are due, and the way out."""
    assert pace.least is not None, pace
    way = "give the step more weight for each pod, or lower min" if pace.per_pod else "lower min"
    return f"only {due:.3g} arrive, so that min {pace.least:g} cannot be judged; {way}"
