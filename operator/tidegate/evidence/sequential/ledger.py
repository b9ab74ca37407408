"""The state of all tests of a rollout after its closed rows; one row in, one state out.

A state may be kept between looks or worked out again from the rows: both give the same bits.
Source: evidence.md, 2.3 and 13.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.evidence.attempt import attempt
from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import Counts, Flag, Row, Stream
from tidegate.evidence.sequential import (
    answers,
    by_pod,
    distribution,
    eprocess,
    faster,
    grids,
    isolation,
    labels,
    latency,
    relative,
    split,
    throughput,
    unusual,
)
from tidegate.evidence.sequential.answers import Answers
from tidegate.evidence.sequential.by_pod import PodTotals
from tidegate.evidence.sequential.distribution import Drifted
from tidegate.evidence.sequential.eprocess import Process, Side
from tidegate.evidence.sequential.faster import Faster
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule
from tidegate.evidence.sequential.labels import Labelled
from tidegate.evidence.sequential.power import Stretch
from tidegate.evidence.sequential.relative import Hedge
from tidegate.evidence.sequential.throughput import Speed
from tidegate.evidence.sequential.unusual import Doubt, Self

DECIMALS = 9  # log and exp may differ in the last bit between machines
LOG_SUSPECT = math.log(3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Tests of a rate against its limit, for both arms."""

    candidate: Hedge
    stable: Hedge
    proof: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What may show that the candidate is not worse than stable."""

    ratio: Process
    ratio_in_step: Process
    excess: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts of one stream over all rows."""

    n_c: float = 0.0
    x_c: float = 0.0
    n_s: float = 0.0
    x_s: float = 0.0

    def plus(self, stream: Stream) -> Totals:
        """The totals after one more row."""
        return Totals(
            n_c=self.n_c + stream.n_c,
            x_c=self.x_c + stream.x_c,
            n_s=self.n_s + stream.n_s,
            x_s=self.x_s + stream.x_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All tests of one metric. `regressed`, `breached` and `outage` latch at the first crossing.

    `rows` counts those with usable data, so that no restart is spent on the others. `pods` are those
    of the candidate. `stretches` add up rows that may prove something, per step on the decisive
    stream, the current step last; `phi` is the newest of that stream. `stable` says whether stable is
    itself; `outage` holds the counts that showed one;
    `faster` belongs to a latency that is compared.
    """

    hedges: tuple[Hedge, ...]
    totals: tuple[Totals, ...]
    limits: Limits | None
    proofs: Proofs | None
    rows: int = 0
    pods: Mapping[str, PodTotals] = field(default_factory=dict)
    regressed: bool = False
    breached: bool = False
    stable: Self = field(default_factory=Self)
    outage: Totals | None = None
    stretches: tuple[Stretch, ...] = ()
    phi: Phi | None = None
    faster: Faster | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that the rows have shown; `unusual` says that stable was not itself in the last.

    `speeds` has an entry for each throughput that was counted, `drifts` for each distribution, `labels` for
    each metric of labels.
    `unanswered` holds what the candidate had finished when that was proven to be far too little.
    `failed` says by metric what some row of it raised, which is in no test then, so that it proves nothing any more.

    Units: requests and intervals of the current step.
    """

    accounts: Mapping[str, Account] = field(default_factory=dict)
    step: int = -1
    step_requests: float = 0.0
    step_intervals: int = 0
    split: split.Split = field(default_factory=split.begin)
    closed_until: float | None = None
    unusual: bool = False
    answers: Answers = field(default_factory=Answers)
    unanswered: Answers | None = None
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    drifts: Mapping[str, Drifted] = field(default_factory=dict)
    labels: Mapping[str, Labelled] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def begin(config: EvidenceConfig, *, drifts: Mapping[str, Drifted] | None = None) -> Ledger:
    """The state before any row; `drifts` are of rows that will not come again."""
    accounts = {rule.name: _opened(rule) for rule in config.metrics}
    return Ledger(accounts=accounts, drifts=drifts or {})


def record(ledger: Ledger, *, row: Row, config: EvidenceConfig) -> Ledger:
    """The state after one more row; rows come in the order of time.

    A row of the last scrapes, which are in other rows, too, is looked at for an outage alone.
    A metric whose counts break a calculation is left out of the row, and no other is.
    """

    def recorded(counted: Row) -> Ledger:
        if Flag.WINDOW in counted.flags:
            accounts = _looked_at(ledger.accounts, row=counted, config=config)
            return replace(ledger, accounts=accounts)
        return _counted(ledger, row=counted, config=config)

    after, failed = isolation.worked_on(recorded, row=row)
    if Flag.WINDOW not in row.flags:
        before = after
        after = attempt(
            lambda: _split_up(before, row=row, config=config),
            otherwise=lambda error: _with_failed(before, {isolation.TRAFFIC: repr(error)}),
        )
    return _with_failed(after, failed) if failed else after


def _with_failed(ledger: Ledger, failed: Mapping[str, str]) -> Ledger:
    return replace(ledger, failed={**failed, **ledger.failed})


def _counted(ledger: Ledger, *, row: Row, config: EvidenceConfig) -> Ledger:
    """Each metric after one more row."""
    if row.step != ledger.step:
        ledger = _next_step(ledger, step=row.step)
    doubt = unusual.doubt(row, before=ledger.unusual, config=config)
    accounts = dict(ledger.accounts)
    cohorts, ripe = labels.recorded_all(ledger.labels, row=row, config=config)
    for rule, cohort in ripe:
        accounts[rule.name] = _recorded(
            accounts[rule.name], counts=cohort, step=row.step, rule=rule, config=config
        )
    for rule in config.metrics:
        counts = row.counts.get(rule.name)
        if counts is not None and rule.counts_bad:  # else nothing is staked or learned
            accounts[rule.name] = _recorded(
                accounts[rule.name],
                counts=counts,
                step=row.step,
                rule=rule,
                config=config,
                over=Flag.RUNNING not in row.flags,
                doubt=doubt,
            )
    return replace(
        ledger,
        accounts=accounts,
        labels=cohorts,
        closed_until=row.t1,
        unusual=not doubt.proves,
        speeds=throughput.recorded(ledger.speeds, row=row, config=config, proves=doubt.proves),
        drifts=distribution.recorded(ledger.drifts, row=row, config=config),
    )


def _split_up(ledger: Ledger, *, row: Row, config: EvidenceConfig) -> Ledger:
    """All requests of both arms after one more row, whatever came of them."""
    requests = row.counts.get(config.requests_from)
    if requests is None:
        return ledger
    after, answered = ledger.split, ledger.answers
    if requests.complete:
        answered_c, answered_s = requests.answered
        after = split.advance(
            after, n_c=answered_c, n_s=answered_s, w=row.weight, tau=config.split_tolerance
        )
        # A row that is not over ends in the midst of scrapes, of which one arm may be the first.
        if Flag.RUNNING not in row.flags:
            share = answers.share_of(requests, weight=row.weight, by_pods=not config.split_holds)
            answered = answers.advance(answered, counts=requests, weight=share)
    return replace(
        ledger,
        step_requests=ledger.step_requests + requests.n_c,
        step_intervals=ledger.step_intervals + (requests.n_c > 0),
        split=after,
        answers=answered,
        unanswered=ledger.unanswered or _unanswered(answered, config=config),
    )


def _unanswered(known: Answers, *, config: EvidenceConfig) -> Answers | None:
    enough = known.due >= config.min_candidate_requests
    proven = rounded(answers.far_log_e(known)) >= config.log_rollback
    return known if enough and proven else None


def record_all(rows: Sequence[Row], *, config: EvidenceConfig) -> Ledger:
    """The state after all rows, from the beginning."""
    ledger = begin(config)
    for row in rows:
        ledger = record(ledger, row=row, config=config)
    return ledger


# --- what an account says ------------------------------------------------------------------------


def rounded(log_e: float) -> float:
    """Log evidence as it is compared and recorded."""
    return round(log_e, DECIMALS) if math.isfinite(log_e) else log_e


def relative_e(
    account: Account, *, rule: MetricRule, min_candidate_events: float
) -> latency.EValue:
    """Evidence that the candidate is worse than stable; for a ratio the edge means nothing."""
    found = latency.weigh(
        [relative.log_value(hedge) for hedge in account.hedges],
        edges=rule.edges or (0.0,),
        v=latency.weights(rule.streams, decisive=rule.decisive),
        events=[totals.x_c for totals in account.totals],
        min_candidate_events=min_candidate_events if rule.edges else 0.0,
    )
    return replace(found, log_e=rounded(found.log_e))


def decisive_e(account: Account, *, rule: MetricRule) -> float:
    """Evidence against stable on the decisive stream alone, whatever the number of events."""
    return rounded(relative.log_value(account.hedges[rule.decisive]))


def limit_e(hedge: Hedge) -> float:
    """Evidence that an arm breaks its limit."""
    return rounded(relative.log_value(hedge))


def proof_e(process: Process) -> float:
    """Evidence that something bad is ruled out."""
    return rounded(eprocess.log_value(process))


def shared(account: Account, *, rule: MetricRule) -> bool:
    """True when stable looks bad too and nothing tells the arms apart."""
    assert account.limits is not None, rule
    together = limit_e(account.limits.stable) >= LOG_SUSPECT
    return together and decisive_e(account, rule=rule) < LOG_SUSPECT


def much_faster(account: Account, *, step: int) -> bool:
    """This is the step in which the candidate was first seen to be much faster than stable."""
    return account.faster is not None and account.faster.step == step


def strange(account: Account) -> bool:
    """True while stable is in an incident, so that nothing is proven against it."""
    return account.stable.strange


# --- one more row --------------------------------------------------------------------------------


def _opened(rule: MetricRule) -> Account:
    hedge = relative.begin(eprocess.ROLLBACK_POINTS)
    limits = None
    if rule.limit is not None:
        points = grids.limit_grid(rule.limit, side=Side.BREACH).points
        proof = eprocess.invest(grids.limit_grid(rule.limit, side=Side.PROOF).points)
        limit_hedge = relative.begin(points)
        limits = Limits(candidate=limit_hedge, stable=limit_hedge, proof=proof)
    return Account(
        hedges=(hedge,) * rule.streams,
        totals=(Totals(),) * rule.streams,
        limits=limits,
        proofs=_no_proofs(rule),
        faster=faster.begin(rule.edges) if rule.edges and rule.compare is not None else None,
    )


def _no_proofs(rule: MetricRule) -> Proofs | None:
    if rule.compare is None:
        return None
    ratio = eprocess.invest(eprocess.PROMOTION_POINTS)
    excess = grids.limit_grid(rule.compare.excess_promote, side=Side.PROOF)
    return Proofs(ratio=ratio, ratio_in_step=ratio, excess=eprocess.invest(excess.points))


def _next_step(ledger: Ledger, *, step: int) -> Ledger:
    fresh = eprocess.invest(eprocess.PROMOTION_POINTS)
    accounts = {
        name: replace(
            account,
            stretches=(*account.stretches, Stretch()),
            proofs=account.proofs and replace(account.proofs, ratio_in_step=fresh),
        )
        for name, account in ledger.accounts.items()
    }
    return replace(
        ledger,
        accounts=accounts,
        step=step,
        step_requests=0.0,
        step_intervals=0,
        split=split.begin(),
        answers=answers.next_step(ledger.answers),
        speeds={name: throughput.next_step(one) for name, one in ledger.speeds.items()},
    )


def _looked_at(
    accounts: Mapping[str, Account], *, row: Row, config: EvidenceConfig
) -> Mapping[str, Account]:
    """The accounts after the last scrapes were looked at for an outage of the candidate."""
    found = dict(accounts)
    for rule in config.metrics:
        account = accounts[rule.name]
        if rule.name not in row.counts or account.outage is not None or strange(account):
            continue
        stream = row.counts[rule.name].stream(rule.decisive)
        sustained = Flag.SUSTAINED in row.flags
        log_e = unusual.outage_log_e(row.counts[rule.name], rule=rule, sustained=sustained)
        if log_e >= config.log_rollback and stream.x_c >= config.min_candidate_events:
            found[rule.name] = replace(account, outage=Totals().plus(stream))
    return found


def _recorded(
    account: Account,
    *,
    counts: Counts,
    step: int,
    rule: MetricRule,
    config: EvidenceConfig,
    over: bool = True,
    doubt: Doubt = Doubt.NONE,
) -> Account:
    """The account after the events of an interval, or of a cohort."""
    stake = eprocess.restart_weight(account.rows + 1)
    streams = [counts.stream(index) for index in range(rule.streams)]
    theta0 = rule.compare.theta0 if rule.compare is not None else 1.0
    grid = grids.rollback_grid(theta0)
    decisive = streams[rule.decisive]
    after = replace(
        account,
        rows=account.rows + 1,
        hedges=tuple(
            relative.step(
                hedge,
                stream=one.complement if rule.common else one,
                grid=grid,
                stake=stake,
                over=over,
                doubt=doubt.divisor,
            )
            for hedge, one in zip(account.hedges, streams, strict=True)
        ),
        totals=tuple(totals.plus(one) for totals, one in zip(account.totals, streams, strict=True)),
        pods=by_pod.added(account.pods, counts=counts, theta0=theta0),
        limits=account.limits
        and _limits(
            account.limits, stream=decisive, rule=rule, stake=stake, over=over, doubt=doubt
        ),
        proofs=_proofs(account.proofs, stream=decisive, rule=rule)
        if account.proofs is not None and doubt.proves
        else account.proofs,
        stretches=(*account.stretches[:-1], account.stretches[-1].plus(decisive))
        if doubt.proves
        else account.stretches,
        phi=decisive.phi,
        stable=unusual.watched(account.stable, stream=decisive, rule=rule),
        faster=account.faster
        and faster.advance(
            account.faster, streams=streams, edges=rule.edges, step=step, log_limit=config.log_side
        ),
    )
    return replace(
        after,
        regressed=after.regressed or _regresses(after, counts=counts, rule=rule, config=config),
        breached=after.breached or _breaches(after, rule=rule, config=config),
    )


def _limits(
    limits: Limits, *, stream: Stream, rule: MetricRule, stake: float, over: bool, doubt: Doubt
) -> Limits:
    assert rule.limit is not None, rule
    breach = grids.limit_grid(rule.limit, side=Side.BREACH)
    proof = grids.limit_grid(rule.limit, side=Side.PROOF)

    def arm(hedge: Hedge, *, n: float, x: float) -> Hedge:
        assert rule.limit is not None, rule
        return relative.advance(
            hedge,
            grid_factors=grids.rate_factors(breach, limit=rule.limit, n=n, x=x),
            share=(x / n, rule.limit) if n > 0 else None,
            phi=stream.phi,
            stake=stake,
            over=over,
        )

    factors = None
    if doubt.proves:
        factors = grids.rate_factors(proof, limit=rule.limit, n=stream.n_c, x=stream.x_c)
    return Limits(
        candidate=arm(limits.candidate, n=stream.n_c, x=stream.x_c),
        stable=arm(limits.stable, n=stream.n_s, x=stream.x_s),
        proof=eprocess.advance(limits.proof, log_factors=factors, phi=stream.phi.value),
    )


def _proofs(proofs: Proofs, *, stream: Stream, rule: MetricRule) -> Proofs:
    assert rule.compare is not None, rule
    tested = stream.complement if rule.common else stream
    grid = grids.promotion_grid(rule.compare.theta0_promote)
    factors = grid.log_factors(n_c=tested.n_c, x_c=tested.x_c, n_s=tested.n_s, x_s=tested.x_s)
    excess = grids.limit_grid(rule.compare.excess_promote, side=Side.PROOF)
    phi = stream.phi.value
    return Proofs(
        ratio=eprocess.advance(proofs.ratio, log_factors=factors, phi=phi),
        ratio_in_step=eprocess.advance(proofs.ratio_in_step, log_factors=factors, phi=phi),
        excess=eprocess.advance(
            proofs.excess, log_factors=excess.log_factors(n=stream.n_c, x=stream.x_c), phi=phi
        ),
    )


def _regresses(
    account: Account, *, counts: Counts, rule: MetricRule, config: EvidenceConfig
) -> bool:
    if rule.compare is None:
        return False
    events = config.min_candidate_events
    found = relative_e(account, rule=rule, min_candidate_events=events)
    material = rule.edges or account.totals[0].x_c >= events  # edges are weighed one by one
    if not material or found.log_e < config.log_rollback:
        return False
    stream = rule.edges.index(found.edge) if rule.edges else 0
    phi = counts.phi[stream].value
    return rule.common or by_pod.stands_without_worst(account.pods, stream=stream, phi=phi)


def _breaches(account: Account, *, rule: MetricRule, config: EvidenceConfig) -> bool:
    if account.limits is None:
        return False
    if account.totals[rule.decisive].x_c < config.min_candidate_events:
        return False
    if limit_e(account.limits.candidate) < config.log_rollback:
        return False
    together = limit_e(account.limits.stable) >= config.log_rollback
    return not together and not shared(account, rule=rule)
