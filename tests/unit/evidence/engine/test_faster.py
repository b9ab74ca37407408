"""A candidate that is much faster is held once; one that is a little faster is let through."""

from __future__ import annotations

import math

import numpy as np
import pytest
from evidence_rows import INDEPENDENT, UNMEASURED, context
from scipy import stats

from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import Counts, Row
from tidegate.evidence.sequential import faster
from tidegate.evidence.sequential.judgement import Compare, EvidenceConfig, MetricRule
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import engine
from tidegate.model import Verdict

EDGES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
RULE = MetricRule(
    name="latency", edges=EDGES, decisive=6, compare=Compare(theta0_promote=3.0, excess_promote=0.1)
)
CONFIG = EvidenceConfig(metrics=(RULE,), requests_from="latency")


def rows(
    *,
    times: float,
    median: float = 0.08,
    sigma: float = 0.5,
    tail: float = 0.0,
    phi: Phi = INDEPENDENT,
    total: int = 6000,
    count: int = 20,
    seed: int = 1,
    steps: int = 1,
) -> list[Row]:
    """Log-normal latencies, the candidate's so many times as fast; `tail` of stable's take 1.2 s."""
    rng, found = np.random.default_rng(seed), []
    for number in range(count * steps):
        step = number // count
        weight = (0.1, 0.5)[step]
        n_c, n_s = (int(rng.poisson(total * part)) for part in (weight, 1 - weight))
        mine = _slow(rng, n_c, median=median / times, sigma=sigma, tail=0.0)
        others = _slow(rng, n_s, median=median, sigma=sigma, tail=tail)
        seen = Counts(n_c=n_c, n_s=n_s, x_c=mine, x_s=others, phi=(phi,) * len(EDGES))
        t0 = 60.0 * number
        found.append(Row(t0=t0, t1=t0 + 60, step=step, weight=weight, counts={"latency": seen}))
    return found


def _slow(
    rng: np.random.Generator, n: int, *, median: float, sigma: float, tail: float
) -> tuple[float, ...]:
    shares = (1 - tail) * stats.lognorm.sf(EDGES, sigma, scale=median) + tail * (
        np.array(EDGES) < 1.2
    )
    per_bucket = np.diff(np.concatenate((1 - shares, [1.0])), prepend=0.0)
    drawn = rng.multinomial(n, np.maximum(per_bucket, 0.0))
    return tuple(float(n - below) for below in np.cumsum(drawn)[:-1])


def judged(table: list[Row], *, step: int = 0) -> tuple[Verdict, Reason]:
    found = engine.judge(table, context=context(step=step), config=CONFIG)
    return found.verdict, found.reason


@pytest.mark.parametrize(
    ("median", "sigma"), [(0.08, 0.5), (0.05, 0.6), (0.4, 0.8), (3.0, 0.8), (0.02, 0.6)]
)
@pytest.mark.parametrize("phi", [INDEPENDENT, UNMEASURED], ids=["measured", "unmeasured"])
def test_half_the_latency_is_suspicious(median: float, sigma: float, phi: Phi) -> None:
    table = rows(times=2.0, median=median, sigma=sigma, phi=phi)
    found = engine.judge(table, context=context(), config=CONFIG)
    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.SUSPICIOUS)
    assert found.metric == "latency"
    assert "much faster than stable; see that its answers are right" in found.message


@pytest.mark.parametrize("times", [1.0, 1.1, 1.25])
@pytest.mark.parametrize(("median", "sigma"), [(0.08, 0.5), (0.4, 0.8), (3.0, 0.5), (0.02, 0.6)])
def test_a_little_faster_passes(times: float, median: float, sigma: float) -> None:
    assert judged(rows(times=times, median=median, sigma=sigma)) == (
        Verdict.ADVANCE,
        Reason.NON_INFERIOR,
    )


def test_a_mended_tail_alone_passes() -> None:
    assert judged(rows(times=1.0, tail=0.04))[1] is Reason.NON_INFERIOR


@pytest.mark.parametrize(("median", "times"), [(0.055, 1.2), (0.11, 1.3)])
def test_one_edge_between_two_narrow_latencies_tells_no_speed(median: float, times: float) -> None:
    assert judged(rows(times=times, median=median, sigma=0.02))[1] is not Reason.SUSPICIOUS


def test_it_holds_in_the_step_in_which_it_was_seen_and_not_again() -> None:
    table = rows(times=2.0, steps=2)
    assert judged(table[:20]) == (Verdict.HOLD, Reason.SUSPICIOUS)
    assert judged(table, step=1) == (Verdict.ADVANCE, Reason.NON_INFERIOR)


def test_time_alone_does_not_pass_it_even_where_that_is_asked_for() -> None:
    asked = context(at_deadline=Verdict.ADVANCE)
    found = engine.judge(rows(times=2.0), context=asked, config=CONFIG)
    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.SUSPICIOUS)


def test_equal_versions_are_hardly_ever_suspicious() -> None:
    assert all(
        judged(rows(times=1.0, total=600, seed=seed))[1] is not Reason.SUSPICIOUS
        for seed in range(60)
    )


def test_a_time_between_two_edges_is_placed_by_its_logarithm() -> None:
    first, second = faster.places((0.1, 0.2, 0.4))
    assert (first.below, second.below) == (0, 1)
    assert first.part == second.part == pytest.approx(math.log(1.5) / math.log(2))
