"""From the interval table to one verdict: evidence of harm, evidence of no harm, or hold.

Order of rules (evidence.md, 13):
1. a guard is at its limit on enough events, or the candidate finishes far too few requests: roll
   back, or hold where the metric is to hold. What was proven stays proven, so neither a warm-up nor missing data of another metric
   silences it;
2. inside settle or warm-up, or data of a guard unusable: hold;
3. stable is not itself, or both arms break a limit and nothing tells them apart: hold;
4. the candidate does not get its share, does not finish what it gets, or is much faster for the
   first time: hold;
5. the step has too few requests or intervals, or a crossing too few events: hold;
6. every guard is proven, or would have shown the harm that it looks for: advance;
7. at the deadline: what the policy says; before it: hold.
No evidence is never success, and never harm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from tidegate.evidence.attempt import attempt, failure
from tidegate.evidence.counts.rows import Row
from tidegate.evidence.sequential import answers, eprocess, isolation, ledger, split, unusual
from tidegate.evidence.sequential.answers import Answers
from tidegate.evidence.sequential.judgement import (
    Context,
    EvidenceConfig,
    Finding,
    Judgement,
    MetricRule,
)
from tidegate.evidence.sequential.labels import Labelled
from tidegate.evidence.sequential.ledger import Account, Ledger, Totals
from tidegate.evidence.terms import Problem, Reason
from tidegate.evidence.verdict import described, distribution, harm, labels, scalar, throughput
from tidegate.evidence.verdict.harm import Search
from tidegate.model import Outcome, Verdict

_HARM = (
    Reason.REGRESSION,
    Reason.SLO_BREACH,
    Reason.LIMIT,
    Reason.OUTAGE,
    Reason.DRIFT,
)
# Of several reasons to hold the first is reported (evidence.md, 13).
_HOLD_ORDER = (
    Reason.METRICS_UNAVAILABLE,
    Reason.ERROR,
    Reason.SCRAPED_TWICE,
    Reason.STALE,
    Reason.NO_DATA,
    Reason.INCOMPATIBLE_BUCKETS,
    Reason.INCOMPATIBLE_BINS,
    Reason.PROFILE_MISMATCH,
    Reason.UNKNOWN_COHORT,
    Reason.SATURATED,
    *_HARM,  # of a metric that holds
    Reason.SHARED_INCIDENT,
    Reason.TRAFFIC_SPLIT,
    Reason.INCOMPLETE,
    Reason.SUSPICIOUS,
    Reason.LABELS_ONE_SIDED,
    Reason.LABELS_IMMATURE,
    Reason.INSUFFICIENT,
    Reason.NO_BASELINE,
    Reason.NO_METRICS,
    Reason.UNDECIDED,
)
_PASSING = (Reason.NON_INFERIOR, Reason.NO_HARM_FOUND)
_OUTCOMES: Mapping[Reason, Outcome] = {
    Reason.NON_INFERIOR: Outcome.PASS,
    Reason.NO_HARM_FOUND: Outcome.PASS,
    Reason.NO_DATA: Outcome.NO_DATA,
    Reason.STALE: Outcome.NO_DATA,
    Reason.METRICS_UNAVAILABLE: Outcome.ERROR,
    Reason.ERROR: Outcome.ERROR,
    Reason.SCRAPED_TWICE: Outcome.ERROR,
    **dict.fromkeys(_HARM, Outcome.FAIL),
}
_ADDED: Mapping[Reason, str] = {  # to the message of a metric
    Reason.NO_BASELINE: ", no stable revision to compare with",
    Reason.SUSPICIOUS: ": much faster than stable; see that its answers are right, then promote",
}


def judge(rows: Sequence[Row], *, context: Context, config: EvidenceConfig) -> Judgement:
    """The verdict after the last row, with intervals for display; total, never raises.

    Rows come in the order of time. The same rows, context and config give the same answer.
    """
    judgement = decide(ledger.record_all(rows, config=config), context=context, config=config)
    return described.with_intervals(judgement, rows=rows, config=config)


def decide(state: Ledger, *, context: Context, config: EvidenceConfig) -> Judgement:
    """The verdict of a state that `ledger.record` has kept up to date, without intervals."""
    findings = tuple(
        _finding(rule, state=state, context=context, config=config) for rule in config.metrics
    )
    base = Judgement(
        verdict=Verdict.HOLD,
        reason=Reason.UNDECIDED,
        message="",
        findings=findings,
        log_split=ledger.rounded(split.log_value(state.split)),
        step_requests=state.step_requests if state.step == context.step else 0.0,
        step_intervals=state.step_intervals if state.step == context.step else 0,
        closed_until=state.closed_until,
    )
    guards = sorted((one for one in findings if one.guard), key=lambda one: one.metric)
    harmful = [one for one in guards if one.reason in _HARM and not one.holds]
    if harmful:
        return replace(
            base,
            verdict=Verdict.ROLL_BACK,
            reason=harmful[0].reason,
            metric=harmful[0].metric,
            message="; ".join(one.message for one in harmful),
        )
    if state.unanswered is not None:
        message = _too_few(state.unanswered)
        return replace(base, verdict=Verdict.ROLL_BACK, reason=Reason.UNANSWERED, message=message)
    if context.now < context.judged_from:
        message = warmup_message(context.judged_from)
        return replace(base, reason=Reason.WARMUP, message=message)
    holds = _holds(guards, base=base, state=state, context=context, config=config)
    if not holds:
        message = "; ".join(one.message for one in guards)
        if not config.requests_from:
            message += "; requests are not counted: no counter of them is known"
        weakest = max((it.reason for it in guards if not it.unasked), key=_PASSING.index)
        return replace(base, verdict=Verdict.ADVANCE, reason=weakest, message=message)
    held = replace(
        base,
        reason=holds[0].reason,
        metric=holds[0].metric,
        message=holds[0].message,
        others=tuple(dict.fromkeys(one.reason for one in holds[1:])),
    )
    if context.at_deadline is None or not held.only_proof_is_missing:
        return held
    return replace(
        base,
        verdict=context.at_deadline,
        reason=Reason.INCONCLUSIVE,
        message=f"no proof by the deadline: {held.message}",
    )


def rolls_back(state: Ledger, *, context: Context, config: EvidenceConfig) -> bool:
    """Whether `decide` would say to roll back; nothing else is worked out for that."""

    def is_harmful(rule: MetricRule) -> bool:
        if rule.scalar or rule.drift is not None or rule.pace is not None:
            return _finding(rule, state=state, context=context, config=config).reason in _HARM
        return _harm(state.accounts[rule.name]) is not None

    acting = (rule for rule in config.metrics if rule.guard and not rule.holds)
    return state.unanswered is not None or any(map(is_harmful, acting))


def warmup_message(judged_from: float) -> str:
    """Why there is no verdict before an instant (unix seconds)."""
    return f"nothing is judged before {datetime.fromtimestamp(judged_from, tz=UTC):%H:%M:%S} UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hold:
    reason: Reason
    message: str
    metric: str = ""


def _too_few(known: Answers) -> str:
    return (
        f"the candidate finished {known.finished:.0f} requests, where its weight beside those of stable"
        f" promises {known.due:.0f}: it does not answer, or does not get them"
    )


def _holds(
    guards: Sequence[Finding],
    *,
    base: Judgement,
    state: Ledger,
    context: Context,
    config: EvidenceConfig,
) -> list[_Hold]:
    """All reasons not to advance, the first in rule order first."""
    needed = context.min_requests
    if needed is None:
        needed = config.min_candidate_requests
    found = [
        _Hold(reason=one.reason, message=one.message, metric=one.metric)
        for one in guards
        if one.reason not in _PASSING and not one.unasked
    ]
    if isolation.TRAFFIC in state.failed:
        message = (
            f"the requests of both versions: {_left_out(state.failed[isolation.TRAFFIC]).message}"
        )
        found.append(_Hold(reason=Reason.ERROR, message=message))
    if config.split_holds and base.log_split >= config.log_side:
        message = "the candidate does not get the share of requests that its weight asks for"
        found.append(_Hold(reason=Reason.TRAFFIC_SPLIT, message=message))
    if (
        state.step == context.step
        and ledger.rounded(answers.short_log_e(state.answers)) >= config.log_side
    ):
        found.append(_Hold(reason=Reason.INCOMPLETE, message=_too_few(state.answers)))
    if not config.requests_from:
        pass  # plain values alone, of a server of which no counter of requests is known
    elif base.step_requests < needed:
        seen = f"{base.step_requests:.0f} of {needed:.0f} requests"
        found.append(_Hold(reason=Reason.INSUFFICIENT, message=f"{seen} in this step"))
    elif base.step_intervals < config.min_intervals:
        seen = f"{base.step_intervals} of {config.min_intervals} intervals"
        found.append(_Hold(reason=Reason.INSUFFICIENT, message=f"{seen} in this step"))
    if all(one.unasked for one in guards):
        message = (
            "no metric may decide: labels come later than this step lasts, so a person has to promote"
            if guards
            else "no metric may decide: each has dryRun or onBreach: Alert, so a person has to promote"
        )
        found.append(_Hold(reason=Reason.NO_METRICS, message=message))
    return sorted(found, key=lambda one: _rank(one.reason))


def _rank(reason: Reason) -> int:
    return _HOLD_ORDER.index(reason) if reason in _HOLD_ORDER else len(_HOLD_ORDER)


# --- one metric ----------------------------------------------------------------------------------


def _finding(
    rule: MetricRule, *, state: Ledger, context: Context, config: EvidenceConfig
) -> Finding:
    """What was found of a metric, with what keeps it from being relied on."""
    found = attempt(
        lambda: _weighed(rule, state=state, context=context, config=config),
        otherwise=partial(_failed, rule),
    )
    problem = context.problems.get(rule.name)
    if problem is None and rule.name in state.failed:
        problem = _left_out(state.failed[rule.name])
    if problem is not None and found.reason not in _HARM:
        message = f"{rule.name}: {problem.message}"
        found = replace(found, reason=problem.reason, message=message, unasked=False)
    outcome = _OUTCOMES.get(found.reason, Outcome.INCONCLUSIVE)
    return replace(found, outcome=outcome, holds=rule.holds_at(context.step))


def _failed(rule: MetricRule, error: Exception) -> Finding:
    return Finding(
        metric=rule.name,
        outcome=Outcome.ERROR,
        reason=Reason.ERROR,
        message=f"{rule.name}: {failure(error).message}",
        guard=rule.guard,
    )


def _left_out(error: str) -> Problem:
    message = f"some of its counts could not be worked on, so that nothing is proven: {error}"
    return Problem(reason=Reason.ERROR, message=message)


def _weighed(
    rule: MetricRule, *, state: Ledger, context: Context, config: EvidenceConfig
) -> Finding:
    """What the tests of a metric say."""
    if rule.scalar:
        return scalar.finding(rule, context=context, config=config)
    if rule.drift is not None:
        found = distribution.finding(rule, state=state, context=context, config=config)
    elif rule.pace is not None:
        found = throughput.finding(rule, state=state, context=context, config=config)
    else:
        found = _tested(rule, account=state.accounts[rule.name], context=context, config=config)
    if rule.late is None:
        return found
    known = state.labels.get(rule.name, Labelled())
    return labels.finding(found, rule=rule, known=known, step=context.step, config=config)


def _tested(
    rule: MetricRule, *, account: Account, context: Context, config: EvidenceConfig
) -> Finding:
    """What counts bad events, or times requests."""
    search = harm.searched(account, rule=rule, config=config, late=context.late)
    numbers = _numbers(rule, account=account, search=search, config=config)
    if account.outage is not None:
        seen = account.outage
        numbers = replace(numbers, n_c=seen.n_c, x_c=seen.x_c, n_s=seen.n_s, x_s=seen.x_s)
    reason = _reason(rule, account=account, search=search, context=context, config=config)
    message = _message(numbers, reason=reason, rule=rule, totals=account.totals[rule.decisive])
    return replace(numbers, reason=reason, message=message)


def _reason(
    rule: MetricRule,
    *,
    account: Account,
    search: Search | None,
    context: Context,
    config: EvidenceConfig,
) -> Reason:
    """What the tests of a metric say together."""
    proven = _harm(account)
    if proven is not None:
        return proven
    if account.limits is not None:
        over = ledger.limit_e(account.limits.candidate) >= config.log_rollback
        if over and ledger.shared(account, rule=rule):
            return Reason.SHARED_INCIDENT
        if over and account.totals[rule.decisive].x_c < config.min_candidate_events:
            return Reason.INSUFFICIENT
    if rule.guard and ledger.strange(account):
        return Reason.SHARED_INCIDENT
    if rule.guard and ledger.much_faster(account, step=context.step):
        return Reason.SUSPICIOUS
    if rule.compare is not None and _crossed_on_few_events(account, rule=rule, config=config):
        return Reason.INSUFFICIENT
    passes = _passes(rule, account=account, search=search, config=config)
    if passes is not None:
        enough = account.totals[rule.decisive].n_c >= rule.min_samples
        return passes if enough else Reason.INSUFFICIENT
    if rule.compare is not None and not context.has_stable:
        return Reason.NO_BASELINE
    return Reason.UNDECIDED


def _harm(account: Account) -> Reason | None:
    if account.outage is not None:
        return Reason.OUTAGE
    if account.regressed:
        return Reason.REGRESSION
    return Reason.SLO_BREACH if account.breached else None


def _passes(
    rule: MetricRule, *, account: Account, search: Search | None, config: EvidenceConfig
) -> Reason | None:
    """Why the metric may let the step pass: proof of no harm, or harm that was looked for."""
    kept = account.limits is None or ledger.proof_e(account.limits.proof) >= config.log_promote
    if not kept:
        return None
    if account.proofs is None or _log_proof(account) >= config.log_promote:
        return Reason.NON_INFERIOR
    found = search is not None and search.enough and not harm.suspect(account, rule=rule)
    return Reason.NO_HARM_FOUND if found else None


def _crossed_on_few_events(account: Account, *, rule: MetricRule, config: EvidenceConfig) -> bool:
    found = ledger.relative_e(account, rule=rule, min_candidate_events=0.0)
    return found.log_e >= config.log_rollback


def _log_proof(account: Account) -> float:
    """The weakest of the proofs that promotion needs."""
    needed = []
    if account.limits is not None:
        needed.append(ledger.proof_e(account.limits.proof))
    if account.proofs is not None:
        ratio = ledger.proof_e(account.proofs.ratio)
        excess = ledger.proof_e(account.proofs.excess)
        # A regression that begins late must not ride on the proof of earlier steps, and where
        # every ratio within the margin has lost in this step, not on a rate that is still low.
        in_step = ledger.proof_e(account.proofs.ratio_in_step)
        if in_step < 0:
            ratio = min(ratio, 0.0)
        if in_step < -math.log(eprocess.PROMOTION_POINTS):
            excess = min(excess, 0.0)
        needed.append(max(ratio, excess))
    return min(needed)


def _numbers(
    rule: MetricRule, *, account: Account, search: Search | None, config: EvidenceConfig
) -> Finding:
    """The finding with its numbers; the test nearest to its limit is shown."""
    log_e, index = 0.0, rule.decisive
    if account.limits is not None:
        log_e = ledger.limit_e(account.limits.candidate)
    if rule.compare is not None:
        found = ledger.relative_e(
            account, rule=rule, min_candidate_events=config.min_candidate_events
        )
        if account.limits is None or found.log_e > log_e:
            log_e = found.log_e
            index = rule.edges.index(found.edge) if rule.edges and log_e > 0 else index
    totals = account.totals[index]
    return Finding(
        metric=rule.name,
        outcome=Outcome.INCONCLUSIVE,
        reason=Reason.UNDECIDED,
        message="",
        guard=rule.guard,
        edge=rule.edges[index] if rule.edges else None,
        n_c=totals.n_c,
        x_c=totals.x_c,
        n_s=totals.n_s,
        x_s=totals.x_s,
        log_e=log_e,
        log_limit=config.log_rollback,
        log_proof=_log_proof(account),
        detect=search.rate if search is not None else None,
        power=search.power if search is not None else 0.0,
    )


def _message(found: Finding, *, reason: Reason, rule: MetricRule, totals: Totals) -> str:
    """Such as `error-ratio 0.031 against 0.010 (n=5210, evidence 6.1 of 5.3)`.

    `totals` are those of the stream that decides.
    """
    if found.n_c <= 0:
        return f"{found.metric}: no {rule.events} in a closed interval yet"
    if reason is Reason.OUTAGE:
        text = f"{found.metric}: {found.x_c:.0f} of {found.n_c:.0f} requests of the last scrapes failed"
        return f"{text}, of stable {found.x_s:.0f} of {found.n_s:.0f}"
    what = found.metric if found.edge is None else f"{found.metric} above {found.edge:g} s"
    against = f" against {_shown(found.x_s / found.n_s, rule):.3g}" if found.n_s > 0 else ""
    text = f"{what} {_shown(found.x_c / found.n_c, rule):.3g}{against} (n={found.n_c:.0f}"
    text += f", evidence {found.log_e:z.1f} of {found.log_limit:.1f})"
    match reason:
        case Reason.SLO_BREACH:
            assert rule.limit is not None, rule
            side = "below" if rule.complement else "above"
            whose = "what the record of stable allows," if rule.recorded else "its limit of"
            return f"{text}, {side} {whose} {_shown(rule.limit, rule):.3g}"
        case Reason.SHARED_INCIDENT if rule.limit is None:
            return f"{text}: stable itself is not as usual, which proves nothing{_fix(found, rule)}"
        case Reason.NON_INFERIOR if rule.common and rule.errors:
            return f"{text}, where most requests to stable fail as usual"
        case Reason.SHARED_INCIDENT:
            return f"{text}, and stable is not as usual or breaks the limit, too"
        case Reason.INSUFFICIENT if found.n_c < rule.min_samples:
            return f"{text}, {rule.min_samples:.0f} {rule.events} are needed"
        case Reason.INSUFFICIENT:
            return f"{text}, on {found.x_c:.0f} bad events only"
        case Reason.NO_HARM_FOUND | Reason.UNDECIDED:
            return f"{text}, proof {found.log_proof:z.1f}{_chance(found, totals=totals)}"
        case _:
            return text + _ADDED.get(reason, "")


def _fix(found: Finding, rule: MetricRule) -> str:
    """What a person may do where stable alone is in trouble."""
    limit = unusual.unusual_rate(rule)
    if limit is None or found.x_c > limit * found.n_c:
        return ""
    return "; the candidate is: if it is the fix, promote it"


def _shown(share: float, rule: MetricRule) -> float:
    """A share of bad events as the metric is known to people."""
    return 1 - share if rule.complement else share


def _chance(found: Finding, *, totals: Totals) -> str:
    if found.detect is None:
        return ""
    times = harm.times_usual(found.detect, totals=totals)
    size = f"{found.detect:.2%} bad" if times is None else f"x{times:.3g} ({found.detect:.2%} bad)"
    return f", {size} would have been found: power {found.power:.0%}"
