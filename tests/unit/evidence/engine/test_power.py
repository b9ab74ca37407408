"""Would harm have been found by now: the power against what really happens, and its shape."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from evidence_rows import INDEPENDENT, UNMEASURED, config, context, counts, table
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import Counts
from tidegate.evidence.sequential import ledger, power
from tidegate.evidence.sequential.judgement import Compare, MetricRule
from tidegate.evidence.sequential.power import Stretch
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import engine, harm
from tidegate.model import Verdict

RULE = MetricRule(name="error-ratio", compare=Compare(theta0=1.25))
CONFIG = config(RULE)
TEST = harm.relative_test(RULE, config=CONFIG)


def stretch(rows: int, *, n_c: float = 30.0, n_s: float = 270.0, x_s: float = 0.0) -> Stretch:
    """So many equal intervals."""
    found = Stretch()
    for _ in range(rows):
        found = found.plus(counts(n_c, 0, n_s, x_s).stream(0))
    return found


def chance(*stretches: Stretch, rate: float = 0.05, phi: Phi = UNMEASURED) -> float:
    return power.power(stretches, rate=rate, phi=phi, test=TEST)


def found_share(stable: list[int], *, rate: float, n_c: int, n_s: int, phi: Phi) -> float:
    """Share of real tests that have found a candidate with this rate beside these rows of stable."""
    rng, found, runs = np.random.default_rng(27), 0, 120
    for _ in range(runs):
        bad = rng.binomial(n_c, rate, size=len(stable)).tolist()
        seen = [counts(n_c, x_c, n_s, x_s, phi=phi) for x_c, x_s in zip(bad, stable, strict=True)]
        state = ledger.record_all(table(*seen), config=CONFIG)
        found += state.accounts["error-ratio"].regressed
    return found / runs


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("rate", "usual", "n_c", "n_s", "phi"),
    [
        (0.05, 0.0, 3, 27, UNMEASURED),  # 1/s, none fails
        (0.06, 0.01, 3, 27, INDEPENDENT),
        (0.01, 0.001, 30, 270, INDEPENDENT),
        (0.05, 0.01, 150, 150, INDEPENDENT),
    ],
)
def test_where_the_power_is_promised_the_real_test_has_found_it(
    rate: float, usual: float, n_c: int, n_s: int, phi: Phi
) -> None:
    stable = np.random.default_rng(7).binomial(n_s, usual, size=500).tolist()

    def promised(rows: int) -> float:
        seen = Stretch()
        for bad in stable[:rows]:
            seen = seen.plus(counts(n_c, 0, n_s, bad).stream(0))
        return chance(seen, rate=rate, phi=phi)

    rows = next(it for it in range(1, 500) if promised(it) >= harm.LEAST_POWER)
    real, sooner = (
        found_share(stable[:length], rate=rate, n_c=n_c, n_s=n_s, phi=phi)
        for length in (rows, rows // 3)
    )
    assert real >= harm.LEAST_POWER - 0.03
    assert sooner < harm.LEAST_POWER  # and the promise is not very late either


@given(rows=st.integers(1, 300), more=st.integers(1, 300), rate=st.floats(0.001, 0.9))
def test_power_grows_with_intervals_and_with_the_harm(rows: int, more: int, rate: float) -> None:
    little = chance(stretch(rows), rate=rate)
    assert 0 <= little <= 1
    assert chance(stretch(rows + more), rate=rate) >= little - 1e-9
    assert chance(stretch(rows), rate=min(1.0, rate * 1.5)) >= little - 1e-9


@pytest.mark.parametrize(
    "seen",
    [
        (),
        (Stretch(),),
        (stretch(5, n_c=0),),
        (stretch(5, n_s=0),),
        (stretch(3, n_c=math.nan),),
        (stretch(2, n_c=0.4),),
    ],
)
def test_without_requests_of_both_nothing_would_have_been_found(seen: tuple[Stretch, ...]) -> None:
    assert chance(*seen, rate=1.0) == 0


@given(
    rows=st.integers(0, 300),
    n_c=st.floats(0.1, 1e5),
    x_s=st.floats(0, 20),
    rate=st.floats(0, 1),
    asked=st.tuples(
        st.sampled_from([0.1, 0.5, 0.9, 0.99]), st.sampled_from([UNMEASURED, INDEPENDENT])
    ),
)
def test_finds_asks_once_what_power_searches(
    rows: int, n_c: float, x_s: float, rate: float, asked: tuple[float, Phi]
) -> None:
    wanted, phi = asked
    seen = (stretch(5), stretch(rows, n_c=n_c, n_s=9 * n_c + 20, x_s=x_s))
    found = power.finds(seen, rate=rate, chance=wanted, phi=phi, test=TEST)
    assert found is (chance(*seen, rate=rate, phi=phi) >= wanted)


def test_stable_that_fails_in_every_interval_leaves_no_quiet_one() -> None:
    loud, quiet = (replace(stretch(40, x_s=1), quiet=one) for one in (0.0, 40.0))
    assert chance(quiet, rate=0.2) >= chance(loud, rate=0.2) > 0


def test_what_is_tolerated_is_never_found() -> None:
    seen = stretch(200, n_c=300, n_s=2700, x_s=27)
    assert chance(seen, rate=0.0124, phi=INDEPENDENT) < 0.05


def test_stretches_count_together() -> None:
    first, second = stretch(15), stretch(5, n_c=75, n_s=225)
    assert chance(first, second) > max(chance(first), chance(second))


# --- the verdict ---------------------------------------------------------------------------------

QUIET = counts(30, 0, 270, 0, phi=UNMEASURED)


def judged(*rows: Counts, late: bool = False) -> engine.Judgement:
    return engine.judge(table(*rows), context=replace(context(), late=late), config=CONFIG)


def test_harm_that_would_have_been_found_lets_a_step_pass_and_is_named() -> None:
    found = judged(*[QUIET] * 110)
    assert (found.verdict, found.reason) == (Verdict.ADVANCE, Reason.NO_HARM_FOUND)
    (one,) = found.findings
    assert one.power >= harm.LEAST_POWER
    assert one.detect == pytest.approx(0.005)
    assert f"0.50% bad would have been found: power {one.power:.0%}" in found.message


def test_the_size_is_told_in_times_of_what_stable_shows() -> None:
    """Five times 0.2 %, which is more than half a percent beyond it."""
    found = judged(*[counts(100, 0.2, 900, 1.8)] * 30)
    assert found.reason is Reason.NO_HARM_FOUND, found.message
    (one,) = found.findings
    assert one.detect == pytest.approx(0.01)
    assert f"x5 (1.00% bad) would have been found: power {one.power:.0%}" in found.message


def test_while_there_is_time_the_smaller_harm_is_looked_for() -> None:
    early, late = (judged(*[QUIET] * 20, late=one) for one in (False, True))
    assert (early.verdict, early.reason) == (Verdict.HOLD, Reason.UNDECIDED)
    assert "0.50% bad would have been found: power " in early.message
    assert (late.verdict, late.reason) == (Verdict.ADVANCE, Reason.NO_HARM_FOUND)
    assert late.findings[0].detect == pytest.approx(0.05)


def test_a_candidate_under_suspicion_does_not_pass_by_it() -> None:
    bad = counts(30, 3, 270, 0, phi=UNMEASURED)
    found = judged(*[QUIET] * 90, bad, bad, late=True)
    assert found.verdict is Verdict.HOLD


def test_harm_of_the_last_step_is_looked_for_in_the_last_step() -> None:
    rows = table(*[QUIET] * 100)
    new = [replace(row, step=1, t0=row.t0 + 6000, t1=row.t1 + 6000) for row in rows[:3]]
    step = replace(context(step=1), late=True, min_requests=1)
    found = engine.judge([*rows, *new], context=step, config=CONFIG)
    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.UNDECIDED)


def test_a_limit_is_proven_whatever_would_have_been_found() -> None:
    rule = replace(RULE, limit=0.001)
    found = engine.judge(table(*[QUIET] * 90), context=context(), config=config(rule))
    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.UNDECIDED)


@pytest.mark.parametrize(
    ("rate", "wanted", "needed"),
    [
        (0.0, 0.005, 0.05),
        (0.0005, 0.0055, 0.0505),  # an excess that always passes is no harm
        (0.01, 0.05, 0.06),
        (0.02, 0.07, 0.07),  # five points are less than five times
        (0.2, 0.4, 0.4),  # five points of 20 % are within what pods differ by
    ],
)
def test_the_sizes_that_are_looked_for(rate: float, wanted: float, needed: float) -> None:
    found = harm.sizes(rate, compare=Compare())
    assert (found.wanted, found.needed) == (pytest.approx(wanted), pytest.approx(needed))


@pytest.mark.parametrize(
    ("count", "mean", "expected"),
    [(1, 0.5, 1 - math.exp(-0.5)), (5, 5.0, 0.5595067), (30, 9.0, 2.765e-8), (3, 400.0, 1.0)],
)
def test_the_chance_of_so_many_clumps(count: int, mean: float, expected: float) -> None:
    assert power.at_least(count, mean=mean) == pytest.approx(expected, rel=0.05, abs=1e-9)


@given(mean=st.floats(0.01, 1e6), count=st.integers(1, 10**6))
def test_the_chance_falls_with_the_count_and_agrees_with_scipy(mean: float, count: int) -> None:
    found = power.at_least(count, mean=mean)
    assert power.at_least(count + 1, mean=mean) <= found + 1e-12
    assert found == pytest.approx(float(special.gammainc(count, mean)), abs=2e-4)
