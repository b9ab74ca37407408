"""What the looks at a distribution say: the finding of a metric that compares mixes.

Source: evidence.md, 10.3 and 10.5; ADR 0062.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.evidence.sequential import distribution
from tidegate.evidence.sequential.distribution import NOTHING, Compared, Drifted
from tidegate.evidence.sequential.judgement import (
    Context,
    Drift,
    EvidenceConfig,
    Finding,
    MetricRule,
)
from tidegate.evidence.sequential.ledger import Ledger
from tidegate.evidence.terms import Problem, Reason, TrainingData
from tidegate.model import Outcome, Shift

DELTA = 0.1  # PSI that acts where a spec names none
LEAST_MARGIN = 0.1  # no number of observations shows that nothing moved at all
_MARGIN = 2.5  # times delta; 0.1 and 0.25 are the usual limits of a PSI
CLUMPED = 2.0  # times the variance of independent observations: worth a word
_OTHER_USERS = "stable may have other users in this step, so it holds: promote, abort, or set onBreach: Rollback"
# Of several features that cannot be compared, the one that is told first.
_ORDER = (Reason.INCOMPATIBLE_BINS, Reason.NO_DATA, Reason.NO_BASELINE, Reason.INSUFFICIENT)


def rule_of(
    *,
    delta: float | None,
    margin: float | None,
    at_most: int,
    ignore: tuple[str, ...],
    reference: TrainingData | None = None,
) -> Drift:
    """The rule of a distribution; None leaves a number to what is usual. Units: PSI."""
    chosen = DELTA if delta is None else delta
    usual = max(LEAST_MARGIN, _MARGIN * chosen) if chosen > 0 else LEAST_MARGIN
    return Drift(
        delta=chosen,
        margin=usual if margin is None else margin,
        at_most=at_most,
        ignore=ignore,
        reference=reference,
    )


def finding(
    rule: MetricRule, *, state: Ledger, context: Context, config: EvidenceConfig
) -> Finding:
    """The metric with its reason; its outcome is left to the engine."""
    assert rule.drift is not None, rule
    known = state.drifts.get(rule.name, Drifted())
    known = distribution.as_of_step(known, step=context.step, rule=rule)
    shown = known.harm or known.newest or NOTHING
    reason, why = _reason(known, rule=rule, context=context, config=config)
    return Finding(
        metric=rule.name,
        outcome=Outcome.INCONCLUSIVE,
        reason=reason,
        message=_message(shown, why=why, rule=rule, config=config),
        guard=rule.guard,
        n_c=known.n_c,
        n_s=known.n_s,
        log_e=shown.log_harm,
        log_limit=config.log_rollback,
        log_proof=shown.log_proof,
        shifts=shown.shifts,
        unheld=reason is Reason.NO_BASELINE
        and (context.has_stable or rule.drift.reference is not None),
    )


def _reason(
    known: Drifted, *, rule: MetricRule, context: Context, config: EvidenceConfig
) -> tuple[Reason, str]:
    """What the newest look says, and what is to be added in words."""
    assert rule.drift is not None, rule
    reference = rule.drift.reference
    if reference is not None and reference.problem is not None:
        return reference.problem.reason, reference.problem.message
    if known.harm is not None:
        return Reason.DRIFT, _OTHER_USERS if context.step in rule.holds_in else ""
    if reference is None and not context.has_stable:
        return Reason.NO_BASELINE, "no stable revision to compare with"
    if known.newest is None:
        needed = f"{known.next_at:.0f} observations of the candidate in {config.min_intervals}"
        seen = f"{known.n_c:.0f} in {known.rows}"
        return Reason.INSUFFICIENT, f"{seen} intervals, {needed} are needed for a look"
    problem = _worst(known.newest.problems)
    if problem is not None:
        return problem.reason, problem.message
    if known.n_c < rule.min_samples:
        return Reason.INSUFFICIENT, f"{rule.min_samples:.0f} observations are needed"
    if known.newest.features and known.newest.log_proof >= config.log_promote:
        return Reason.NON_INFERIOR, ""
    return Reason.UNDECIDED, ""


def _worst(problems: Mapping[str, Problem]) -> Problem | None:
    """The most telling of them, with the number of those that are like it."""
    if not problems:
        return None
    feature = min(problems, key=lambda it: (_ORDER.index(problems[it].reason), it))
    found = problems[feature]
    alike = sum(one.reason is found.reason for one in problems.values())
    more = f" (and {alike - 1} more features)" if alike > 1 else ""
    message = f"{feature}{more}: {found.message}{_way_out(found.reason)}"
    return Problem(reason=found.reason, message=message)


def _way_out(reason: Reason) -> str:
    match reason:
        case Reason.INCOMPATIBLE_BINS:
            return "; fit the new profile with the bins of the old one, or name it in drift.ignore"
        case Reason.NO_DATA | Reason.NO_BASELINE:
            return "; where that is meant, name it in drift.ignore"
        case _:
            return ""


def _message(shown: Compared, *, why: str, rule: MetricRule, config: EvidenceConfig) -> str:
    """Such as `feature-drift: amount PSI 0.83 (missing 0.1% -> 41.0%); 1 of 12 features above 0.1`."""
    assert rule.drift is not None, rule
    if not shown.shifts:
        return f"{rule.name}: {why or 'no feature can be compared'}"
    evidence = f"evidence {shown.log_harm:z.1f} of {config.log_rollback:.1f}"
    proof = f"proof {shown.log_proof:z.1f} of {config.log_promote:.1f}"
    clumps = f", clumps x{shown.deff:.1f}" if shown.deff > CLUMPED else ""
    text = f"{rule.name}: {_shifts(shown, delta=rule.drift.delta)}"
    whom = " of training" if rule.drift.reference is not None else ""
    text += f" (n={shown.n_c:.0f} against {shown.n_s:.0f}{whom}, {evidence}, {proof}{clumps})"
    return f"{text}; {why}" if why else text


def _shifts(shown: Compared, *, delta: float) -> str:
    features = "1 feature" if shown.features == 1 else f"{shown.features} features"
    if not shown.above:
        first = shown.shifts[0]
        return f"largest PSI {first.psi:.3g} of {first.feature}, none of {features} above {delta:g}"
    named = ", ".join(map(moved_text, shown.shifts[: shown.above]))
    return f"{named}; {shown.above} of {features} above {delta:g}"


def moved_text(one: Shift) -> str:
    """Such as `amount PSI 0.83 (missing 0.1% -> 41.0%)`."""
    share = f"{one.bin} {one.reference_share:.1%} -> {one.share:.1%}"
    return f"{one.feature} PSI {one.psi:.3g} ({share})"
