"""From what was measured in a step to one verdict.

`judge` is THE place where a step is decided. Today it holds absolute thresholds against k of the
last n looks; the statistical engine of a later issue replaces its body, as one pure function of
the same `StepEvidence`, and nothing else needs to change.

Order of rules (evidence.md, 13, as far as absolute limits go):
1. inside settle or warm-up: hold;
2. a metric that may act broke its limit in k of the last n looks, or once if it is critical:
   roll back. A breach speaks for itself: missing data of another metric does not silence it;
3. data of a required metric are unusable, or both arms breach, or the data are too few: hold;
4. fewer requests in the step than it needs: hold;
5. every required metric passes at its newest look: advance.
What is missing, late or NaN neither advances nor rolls back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tidegate.evidence.model import Arm, Limit, Measurement, Reason, StepEvidence, Track
from tidegate.rollout import model
from tidegate.rollout.model import Outcome, Verdict

MIN_BAD_EVENTS = 5

_OUTCOMES: Mapping[Reason, Outcome] = {
    Reason.METRICS_UNAVAILABLE: Outcome.ERROR,
    Reason.ERROR: Outcome.ERROR,
    Reason.NO_DATA: Outcome.NO_DATA,
    Reason.STALE: Outcome.NO_DATA,
    Reason.BREACH: Outcome.FAIL,
    Reason.PASSED: Outcome.PASS,
}
# Of several reasons to hold the first is reported (evidence.md, 13).
_HOLD_ORDER = (
    Reason.METRICS_UNAVAILABLE,
    Reason.ERROR,
    Reason.STALE,
    Reason.NO_DATA,
    Reason.INCOMPATIBLE_BUCKETS,
    Reason.SHARED_INCIDENT,
    Reason.SATURATED,
    Reason.BREACH,
    Reason.INSUFFICIENT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What `judge` must know of the step besides the evidence. Instants in unix seconds."""

    now: float
    judged_from: float
    min_requests: int
    candidate_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """One metric with its verdict-relevant facts."""

    metric: model.Metric
    reason: Reason
    result: model.MetricResult
    breached: bool


def judge(
    evidence: StepEvidence, *, analysis: model.Analysis, step: StepContext
) -> model.AnalysisState:
    """Advance, hold or roll back, with the reason and the numbers behind it; total, never raises.

    `judged` is False while no look was recorded. Metrics without a track were not looked at.
    """
    judged = [
        _judged(metric, track=evidence.tracks[metric.name], analysis=analysis, evidence=evidence)
        for metric in analysis.metrics
        if metric.name in evidence.tracks
    ]
    verdict, reason, message = _decided(judged, evidence=evidence, analysis=analysis, step=step)
    return model.AnalysisState(
        judged=bool(judged),
        verdict=verdict,
        reason=reason.value,
        message=message,
        results=tuple(one.result for one in judged),
        requests=evidence.requests,
        consecutive_errors=evidence.consecutive_errors,
        without_data_since=_instant(evidence.without_data_since),
        observed_candidate_percent=evidence.observed_candidate_percent,
    )


def _decided(
    judged: Sequence[_Judged],
    *,
    evidence: StepEvidence,
    analysis: model.Analysis,
    step: StepContext,
) -> tuple[Verdict, Reason, str]:
    """The rules of the module, in their order."""
    if step.now < step.judged_from:
        until = datetime.fromtimestamp(step.judged_from, tz=UTC)
        # A fixed time, not a countdown: the message goes to status and must not change by itself.
        return Verdict.HOLD, Reason.WARMUP, f"nothing is judged before {until:%H:%M:%S} UTC"
    required = sorted((one for one in judged if not one.metric.dry_run), key=_name)
    breached = [one for one in required if one.breached]
    if breached:
        message = "; ".join(one.result.message for one in breached)
        return Verdict.ROLL_BACK, Reason.BREACH, message
    if len(required) < sum(not metric.dry_run for metric in analysis.metrics):
        return Verdict.HOLD, Reason.NO_DATA, "not every metric was looked at yet"
    holding = [one for one in required if one.reason is not Reason.PASSED]
    if holding:
        first = min((one.reason for one in holding), key=_rank)
        message = "; ".join(one.result.message for one in holding if one.reason is first)
        if first is Reason.NO_DATA:
            message += f"; the candidate should get {step.candidate_percent:g} % of the traffic"
        return Verdict.HOLD, Reason.UNDECIDED if first is Reason.BREACH else first, message
    if evidence.requests < step.min_requests:
        message = f"{evidence.requests:.0f} of {step.min_requests} requests in this step"
        if evidence.requests_problem:
            message += f" ({evidence.requests_problem})"
        return Verdict.HOLD, Reason.INSUFFICIENT, message
    if not required:
        return Verdict.HOLD, Reason.NO_METRICS, "no metric may decide: all are dry runs"
    return Verdict.ADVANCE, Reason.PASSED, "; ".join(one.result.message for one in required)


def _name(judged: _Judged) -> str:
    return judged.metric.name


def _rank(reason: Reason) -> int:
    return _HOLD_ORDER.index(reason) if reason in _HOLD_ORDER else len(_HOLD_ORDER)


def _judged(
    metric: model.Metric, *, track: Track, analysis: model.Analysis, evidence: StepEvidence
) -> _Judged:
    def reason_of(look: Measurement) -> Reason:
        return _reason(look, min_samples=metric.min_samples, requests=evidence.requests)

    latest = track.latest
    reason = reason_of(latest)
    failing = [
        look
        for look in track.history[-analysis.breach_out_of :]
        if reason_of(look) is Reason.BREACH
    ]
    enough = 1 if metric.critical else analysis.breach_failures
    breached = latest.candidate.problem is None and len(failing) >= enough
    if breached:
        message = _message(metric.name, look=failing[-1], reason=Reason.BREACH)
    else:
        message = _message(metric.name, look=latest, reason=reason)
        if failing:
            message += f", {len(failing)} of {enough} failures"
    result = _result(metric, look=latest, message=message, failures=len(failing))
    outcome = Outcome.FAIL if breached else _OUTCOMES.get(reason, Outcome.INCONCLUSIVE)
    reported = Reason.BREACH if breached else reason
    return _Judged(
        metric=metric,
        reason=reason,
        result=replace(result, outcome=outcome, reason=reported.value),
        breached=breached,
    )


def _reason(look: Measurement, *, min_samples: int, requests: float) -> Reason:
    """What one look says about the candidate, by itself."""
    arm = look.candidate
    if arm.problem is not None:
        return arm.problem.reason
    if arm.value is None or not math.isfinite(arm.value):
        return Reason.NO_DATA
    samples = arm.samples if look.counted else requests
    if arm.limit is Limit.UNKNOWN:
        return Reason.SATURATED
    if samples < min_samples:
        return Reason.INSUFFICIENT
    if arm.limit is Limit.KEPT:
        return Reason.PASSED
    if look.counted and arm.bad < MIN_BAD_EVENTS:
        return Reason.INSUFFICIENT
    return (
        Reason.SHARED_INCIDENT if _stable_breaks(look, min_samples=min_samples) else Reason.BREACH
    )


def _stable_breaks(look: Measurement, *, min_samples: int) -> bool:
    """True when stable breaks the same limit on evidence that would convict a candidate."""
    arm = look.stable
    if arm.problem is not None or arm.limit is not Limit.BROKEN:
        return False
    return not look.counted or (arm.samples >= min_samples and arm.bad >= MIN_BAD_EVENTS)


def _result(
    metric: model.Metric, *, look: Measurement, message: str, failures: int
) -> model.MetricResult:
    return model.MetricResult(
        name=metric.name,
        outcome=Outcome.INCONCLUSIVE,
        message=message,
        value=look.candidate.value,
        baseline_value=look.stable.value,
        threshold=look.threshold,
        edge=look.candidate.edge,
        candidate=model.ArmCounts(total=look.candidate.samples, bad=look.candidate.bad),
        baseline=model.ArmCounts(total=look.stable.samples, bad=look.stable.bad),
        failures=failures,
        dry_run=metric.dry_run,
        critical=metric.critical,
        evaluated_at=_instant(look.at),
    )


def _message(name: str, *, look: Measurement, reason: Reason) -> str:
    """Such as `error-ratio 0.08 > 0.01 (n=5210)`."""
    arm = look.candidate
    if arm.problem is not None:
        return f"{name}: {arm.problem.message}"
    if arm.value is None or not math.isfinite(arm.value):
        return f"{name}: no value"
    text = f"{name} {_compared(arm, threshold=look.threshold)}"
    if look.counted:
        text += f" (n={arm.samples:.0f})"
    match reason:
        case Reason.SHARED_INCIDENT:
            return f"{text}, and stable breaks the limit too"
        case Reason.SATURATED:
            return f"{text}, but the limit lies above the largest bucket edge"
        case Reason.INSUFFICIENT:
            return f"{text}, too few samples or bad events to judge"
        case _:
            return text


def _compared(arm: Arm, *, threshold: model.Threshold) -> str:
    """The value against the limit that it breaks or keeps; a latency against its bucket edge."""
    unit = " s" if arm.edge is not None else ""
    value = arm.value if arm.value is not None else math.nan
    shown = f"{'at least ' if arm.saturated else ''}{value:.3g}{unit}"
    if arm.limit is Limit.UNKNOWN or (threshold.min is None and threshold.max is None):
        return shown
    broken = arm.limit is Limit.BROKEN
    if threshold.min is not None and (threshold.max is None or value < threshold.min):
        return f"{shown} {'<' if broken else '>='} {_bound(arm, limit=threshold.min)}"
    assert threshold.max is not None
    return f"{shown} {'>' if broken else '<='} {_bound(arm, limit=threshold.max)}"


def _bound(arm: Arm, *, limit: float) -> str:
    if arm.edge is None:
        return f"{limit:.3g}"
    if math.isclose(arm.edge, limit):
        return f"{limit:.3g} s"
    return f"{arm.edge:.3g} s, the bucket edge at the limit {limit:.3g} s"


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
