"""What labels by cohort say: the finding of a metric that is told by them, and what can be said beforehand.

Source: evidence.md, 11.1; ADR 0077.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tidegate.evidence.counts import qualities
from tidegate.evidence.drift import cohorts
from tidegate.evidence.drift.cohorts import State
from tidegate.evidence.sequential import labels
from tidegate.evidence.sequential.judgement import EvidenceConfig, Finding, Late, MetricRule
from tidegate.evidence.sequential.labels import Labelled
from tidegate.evidence.terms import Measure, Reason

# Without these a step that labels cannot reach in time does not wait.
_NOT_YET = frozenset({Reason.LABELS_IMMATURE, Reason.INSUFFICIENT, Reason.UNDECIDED})
_PROVEN = frozenset({Reason.REGRESSION, Reason.SLO_BREACH})
_LACKS = {
    State.UNKNOWN: Reason.UNKNOWN_COHORT,
    State.FEW_OF_CANDIDATE: Reason.LABELS_ONE_SIDED,
    State.FEW_OF_STABLE: Reason.LABELS_ONE_SIDED,
}


def finding(
    found: Finding, *, rule: MetricRule, known: Labelled, step: int, config: EvidenceConfig
) -> Finding:
    """What the tests of all ripe cohorts have `found`, with what is wrong with those that are not."""
    assert rule.late is not None, rule
    reason, why = _reason(found.reason, known=known, rule=rule)
    return replace(
        found,
        reason=reason,
        message=_message(found, known=known, rule=rule, why=why, config=config),
        unasked=step in rule.late.unasked and reason in _NOT_YET,
    )


def _reason(tested: Reason, *, known: Labelled, rule: MetricRule) -> tuple[Reason, str]:
    """Harm is harm; else labels of one side alone hold, also where other cohorts are proven."""
    assert rule.late is not None, rule
    if tested in _PROVEN:
        below = tested is Reason.SLO_BREACH and rule.limit is not None
        return tested, f"below its limit of {_limit(rule, rule.late.measure):.3g}" if below else ""
    waiting = labels.states(known, rule=rule.late)
    old = [start for start, state in waiting.items() if state is not State.YOUNG]
    if old and (reason := _LACKS.get(waiting[old[-1]])):
        return reason, _lacks(known, start=old[-1], state=waiting[old[-1]])
    if not known.tested:
        return Reason.LABELS_IMMATURE, _immature(known, rule=rule.late)
    if tested is Reason.NO_BASELINE:
        return tested, "no stable revision to compare with"
    return tested, ""


def _limit(rule: MetricRule, measure: Measure) -> float:
    """The limit as people gave it."""
    assert rule.limit is not None, rule
    found = qualities.quality(rule.limit, n=1.0, measure=measure)
    assert found is not None, rule
    return found


def _lacks(known: Labelled, *, start: float, state: State) -> str:
    ours = cohorts.summed(known.candidate[start])
    others = cohorts.summed(known.stable.get(start, ()))
    seen = (
        f"{ours.labelled:.0f} labels of {ours.predictions:.0f} predictions of the candidate,"
        f" {others.labelled:.0f} of {others.predictions:.0f} of stable"
    )
    if state is State.UNKNOWN:
        return f"cohort {_at(start)} has {seen}: labels of predictions that nobody counted"
    side = "the candidate" if state is State.FEW_OF_CANDIDATE else "stable"
    return (
        f"cohort {_at(start)} has {seen}: those of {side} are too few to compare; are they sent to the"
        " pods that predicted?"
    )


def _immature(known: Labelled, *, rule: Late) -> str:
    """Which cohort is waited for, and what it lacks."""
    matures = labels.maturity(known, rule=rule)
    waiting = labels.states(known, rule=rule)
    if not waiting:
        return f"no cohort of {_width(rule)} lies wholly in a step yet: its labels count {_width(rule)} and labelDelay later"
    start, state = next(iter(waiting.items()))
    if state is State.YOUNG:
        due = start + rule.cohort_seconds + rule.delay_seconds
        return f"the first cohort, {_at(start)}, counts from {_at(due)} on"
    ours = cohorts.summed(known.candidate[start])
    seen = (
        f"cohort {_at(start)} has {ours.labelled:.0f} labels of {ours.predictions:.0f} predictions"
    )
    if known.usual_share is None:
        return (
            f"{seen}; {rule.min_share:.0%} of them are waited for, as no final cohort of stable tells how"
            " many are usual"
        )
    usual = f"the usual {matures.usual_share:.0%} of them"
    return f"{seen}; {rule.min_share:.0%} of {usual} are waited for"


def _message(
    found: Finding, *, known: Labelled, rule: MetricRule, why: str, config: EvidenceConfig
) -> str:
    """Such as `quality: accuracy 81.2% of 320 labels against 92.4% of 2880 of stable in 5 cohorts (...)`."""
    assert rule.late is not None, rule
    measure = rule.late.measure
    ours = qualities.quality(found.x_c, n=found.n_c, measure=measure)
    if ours is None:
        return f"{rule.name}: {why or 'no label counts yet'}"
    text = f"{rule.name}: {measure.value.lower()} {ours:.1%} of {found.n_c:.0f} labels"
    others = qualities.quality(found.x_s, n=found.n_s, measure=measure)
    if others is not None:
        text += f" against {others:.1%} of {found.n_s:.0f} of stable"
    many = len(known.tested)
    text += f" in {many} {'cohort' if many == 1 else 'cohorts'}"
    text += f" (evidence {found.log_e:z.1f} of {config.log_rollback:.1f}"
    text += f", proof {found.log_proof:z.1f} of {config.log_promote:.1f})"
    return f"{text}; {why}" if why else text


def _at(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%MZ}"


def _width(rule: Late) -> str:
    minutes = rule.cohort_seconds / 60
    return f"{minutes / 60:g}h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes:g}m"
