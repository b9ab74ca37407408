"""Requests per second as an objective: a lower limit, and stable beside it by the weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from evidence_rows import INDEPENDENT, config, context

from tidegate.evidence.counts.rows import Counts, Flag, PodCounts, Row
from tidegate.evidence.journal import codec
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import (
    EvidenceConfig,
    Judgement,
    MetricRule,
    Pace,
)
from tidegate.evidence.terms import Problem, Reason
from tidegate.evidence.verdict import engine, throughput
from tidegate.model import Outcome, Verdict

LENGTH = 30.0
NAME = "request-rate"
COMPARED = throughput.pace_of(least=None, tolerance=None, margin=0.25, per_pod=False)


def limited(least: float, *, per_pod: bool = False) -> Pace:
    return throughput.pace_of(least=least, tolerance=None, margin=None, per_pod=per_pod)


def settings(pace: Pace = COMPARED, **more: object) -> EvidenceConfig:
    rule = MetricRule(name=NAME, pace=pace, min_samples=20, **more)  # type: ignore[arg-type]
    return config(rule)


def rows(
    *,
    per_second: float,
    weight: float = 0.5,
    finishes: float = 1.0,
    pods_c: int = 2,
    pods_s: int = 4,
    count: int = 60,
    step: int = 0,
    seed: int = 7,
) -> list[Row]:
    """Rows of a candidate that finishes this part of what is due to it."""
    rng = np.random.default_rng(seed)

    def row(number: int) -> Row:
        candidate = rng.poisson(per_second * weight * finishes * LENGTH / pods_c, size=pods_c)
        stable = rng.poisson(per_second * (1 - weight) * LENGTH / pods_s, size=pods_s)
        counts = Counts(
            n_c=float(candidate.sum()),
            n_s=float(stable.sum()),
            x_c=(0.0,),
            x_s=(0.0,),
            phi=(INDEPENDENT,),
            pods_c=_pods("c", candidate.tolist()),
            pods_s=_pods("s", stable.tolist()),
        )
        start = LENGTH * number
        return Row(t0=start, t1=start + LENGTH, step=step, weight=weight, counts={NAME: counts})

    return [row(number) for number in range(count)]


def _pods(arm: str, requests: Sequence[float]) -> tuple[PodCounts, ...]:
    return tuple(
        PodCounts(pod=f"{arm}-{number}", n=float(n), x=(0.0,)) for number, n in enumerate(requests)
    )


def judged(found: Sequence[Row], *, using: EvidenceConfig, **more: object) -> Judgement:
    return engine.judge(found, context=replace(context(), **more), config=using)  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_a_version_as_fast_as_stable_passes_with_its_rates(weight: float) -> None:
    found = judged(rows(per_second=200.0, weight=weight), using=settings())

    (finding,) = found.findings
    assert (found.verdict, found.reason) == (Verdict.ADVANCE, Reason.NON_INFERIOR)
    assert finding.outcome is Outcome.PASS
    assert finding.speed_c == pytest.approx(200.0, rel=0.05)
    assert finding.speed_s == pytest.approx(200.0, rel=0.05)
    assert finding.ratio is None  # of bad requests, of which there are none


@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_one_that_finishes_two_thirds_of_what_is_due_is_rolled_back(weight: float) -> None:
    found = judged(rows(per_second=200.0, weight=weight, finishes=0.66), using=settings())

    assert (found.verdict, found.reason) == (Verdict.ROLL_BACK, Reason.REGRESSION)
    assert found.metric == NAME
    assert "requests/s at all traffic" in found.message


def test_a_tolerance_says_how_much_less_is_no_harm() -> None:
    wide = throughput.pace_of(least=None, tolerance=1.0, margin=0.25, per_pod=False)
    slower = rows(per_second=200.0, finishes=0.66)

    assert judged(slower, using=settings(wide)).verdict is Verdict.HOLD


@pytest.mark.parametrize(
    ("per_second", "finishes", "verdict", "reason"),
    [
        (200.0, 1.0, Verdict.ADVANCE, Reason.NON_INFERIOR),
        (200.0, 0.6, Verdict.ROLL_BACK, Reason.SLO_BREACH),
        (200.0, 0.8, Verdict.HOLD, Reason.UNDECIDED),  # just at the limit
        (120.0, 1.0, Verdict.HOLD, Reason.INSUFFICIENT),  # so few arrive
        (120.0, 0.6, Verdict.HOLD, Reason.INSUFFICIENT),  # the limit cannot tell whose fault it is
    ],
)
def test_a_limit_is_judged_only_while_so_many_requests_arrive(
    per_second: float, finishes: float, verdict: Verdict, reason: Reason
) -> None:
    found = judged(rows(per_second=per_second, finishes=finishes), using=settings(limited(160.0)))

    assert (found.verdict, found.findings[0].reason) == (verdict, reason)
    if reason is Reason.INSUFFICIENT:
        assert "arrive, so that min 160 cannot be judged; lower min" in found.findings[0].message


def test_beside_stable_too_few_are_found_although_the_limit_is_out_of_reach() -> None:
    both = replace(COMPARED, least=500.0)

    slow = judged(rows(per_second=200.0, finishes=0.6), using=settings(both))
    assert (slow.verdict, slow.reason) == (Verdict.ROLL_BACK, Reason.REGRESSION)
    assert judged(rows(per_second=200.0), using=settings(both)).verdict is Verdict.HOLD


@pytest.mark.parametrize(
    ("pods", "finishes", "reason"),
    [
        (2, 1.0, Reason.NON_INFERIOR),  # 50/s for each
        (2, 0.6, Reason.SLO_BREACH),
        (10, 1.0, Reason.INSUFFICIENT),  # its weight gives each of its pods 10/s only
    ],
)
def test_a_limit_per_pod_needs_pods_that_get_so_much(
    pods: int, finishes: float, reason: Reason
) -> None:
    using = settings(limited(40.0, per_pod=True))
    found = judged(rows(per_second=200.0, finishes=finishes, pods_c=pods), using=using)

    assert found.findings[0].reason is reason
    if reason is Reason.INSUFFICIENT:
        assert "give the step more weight for each pod, or lower min" in found.findings[0].message
    if reason is Reason.NON_INFERIOR:
        assert found.findings[0].speed_c == pytest.approx(50.0, rel=0.05)


def test_pods_that_are_not_warm_say_nothing_of_a_rate_per_pod() -> None:
    using = settings(limited(40.0, per_pod=True))
    cold = [
        replace(one, counts={NAME: replace(one.counts[NAME], cold_c=10.0)})
        for one in rows(per_second=200.0)
    ]

    found = judged(cold, using=using)
    assert found.findings[0].speed_c is None
    assert found.findings[0].message == f"{NAME}: no requests in a closed interval yet"


@pytest.mark.parametrize("change", ["incomplete", "running", "whole"])
def test_what_says_nothing_is_not_counted(change: str) -> None:
    (one,) = rows(per_second=200.0, count=1)
    if change == "incomplete":
        one = replace(one, counts={NAME: replace(one.counts[NAME], complete=False)})
    if change == "running":
        one = replace(one, flags=(Flag.RUNNING,))
    if change == "whole":
        one = replace(one, weight=1.0)

    state = ledger.record(ledger.begin(settings()), row=one, config=settings())
    assert state.speeds == {}


def test_without_stable_nobody_knows_what_is_due() -> None:
    found = judged([], using=settings(), has_stable=False)

    assert (found.verdict, found.findings[0].reason) == (Verdict.HOLD, Reason.NO_BASELINE)


def test_few_requests_prove_nothing() -> None:
    few = rows(per_second=0.4, weight=0.5, count=3)
    found = judged(few, using=settings())

    assert found.findings[0].reason is Reason.INSUFFICIENT
    assert "20 requests are needed" in found.findings[0].message


def test_a_step_is_proven_by_itself_and_harm_is_remembered() -> None:
    using = settings()
    first = rows(per_second=200.0)
    later = [replace(one, step=1) for one in rows(per_second=200.0, count=1, seed=8)]

    assert judged([*first, *later], using=using, step=1).verdict is Verdict.HOLD
    assert judged(first, using=using, step=1).findings[0].speed_c is None  # nothing of it yet
    slow = rows(per_second=200.0, finishes=0.6)
    assert judged(slow, using=using, step=1).verdict is Verdict.ROLL_BACK


def test_missing_data_hold_and_do_not_hide_harm() -> None:
    problems = {NAME: Problem(reason=Reason.NO_DATA, message="no series")}

    held = judged(rows(per_second=200.0), using=settings(), problems=problems)
    assert (held.verdict, held.reason) == (Verdict.HOLD, Reason.NO_DATA)
    harm = judged(rows(per_second=200.0, finishes=0.6), using=settings(), problems=problems)
    assert harm.verdict is Verdict.ROLL_BACK


def test_few_connections_tell_little_where_the_pods_of_stable_differ() -> None:
    """Clients that keep connections open: the pods of stable get 1 to 7 parts of the requests."""
    uneven = [
        replace(one, counts={NAME: replace(one.counts[NAME], pods_s=_pods("s", parts))})
        for one in rows(per_second=200.0, finishes=0.6)
        for total in [one.counts[NAME].n_s]
        for parts in [[total * part / 16 for part in (1, 3, 5, 7)]]
    ]

    assert judged(uneven, using=settings()).verdict is Verdict.HOLD


@pytest.mark.no_cover
def test_equal_versions_are_hardly_ever_rolled_back() -> None:
    """Runs that are stopped once at any row; with a risk of 1 % four of 200 come by chance 5 %."""
    using = settings(replace(COMPARED, tolerated=0.999))
    stopped = sum(
        judged(rows(per_second=20.0, count=60, seed=seed), using=using).verdict is Verdict.ROLL_BACK
        for seed in range(200)
    )
    assert stopped <= 5


def test_a_dry_run_never_acts() -> None:
    using = settings(guard=False)
    found = judged(rows(per_second=200.0, finishes=0.3), using=using)

    assert found.findings[0].reason is Reason.REGRESSION
    assert found.verdict is not Verdict.ROLL_BACK or found.reason is Reason.UNANSWERED


def test_a_rule_is_written_down_and_read_again() -> None:
    using = settings(limited(40.0, per_pod=True))
    assert codec.read(EvidenceConfig, codec.write(using)) == using
