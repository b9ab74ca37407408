"""Outages through the real analyst, with its defaults: of the candidate alone, and of everybody.

Each pod is scraped at an instant of its own, as Prometheus does it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from analyst_bench import Bench, flow, metric, run
from drawn_worlds import Failing, World, bench_of, ended, from_onset

from tidegate import model
from tidegate.model import Verdict

# The same lines thousands of times: the tables cover them, and a tracer doubles the time.
pytestmark = pytest.mark.no_cover

BEGINS = 120.0  # healthy rows before it


def only_candidate(*, base: float, onset: float, then: float = 1.0, **more: float) -> World:
    return World(
        stable=from_onset(base, onset=0.0, then=base),
        candidate=from_onset(base, onset=onset, then=then),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("base", [0.0, 0.01])
@pytest.mark.parametrize(
    ("traffic", "within"),
    [
        ({"weight": 0.1, "per_second": 10.0}, 60.0),
        ({"weight": 0.5, "per_second": 100.0}, 45.0),
        ({"weight": 0.25, "per_second": 100.0, "pods": 1}, 45.0),
        ({"weight": 0.1, "per_second": 100.0, "scrape": 5.0}, 20.0),
        ({"weight": 0.1, "per_second": 25.0, "scrape": 1.0}, 15.0),  # four scrapes are ten requests
    ],
)
def test_a_total_failure_is_found_within_seconds_at_any_weight(
    traffic: dict[str, float], within: float, base: float
) -> None:
    rng = np.random.default_rng(13)
    onset = BEGINS + rng.uniform(0, traffic.get("scrape", 15.0))
    world = only_candidate(base=base, onset=onset, **traffic)
    at, state, _ = ended(world, rng=rng, until=onset + 2 * within)

    assert at - onset <= within
    assert state.reason in {"Outage", "Regression"}


def test_no_warm_up_excuses_a_candidate_that_fails_from_its_first_request_on() -> None:
    world = only_candidate(base=0.001, onset=-100.0)
    at, state, _ = ended(world, rng=np.random.default_rng(5), until=120.0)

    assert at <= 45.0
    assert state.reason == "Outage"
    assert state.judged


def test_a_candidate_that_fails_a_little_more_is_no_outage() -> None:
    rng = np.random.default_rng(7)
    world = only_candidate(base=0.01, onset=BEGINS, then=0.02)
    at, _, _ = ended(world, rng=rng, until=BEGINS + 90.0)

    assert at == float("inf")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_however_short_the_scrapes_an_outage_of_everybody_is_nobodys_fault(seed: int) -> None:
    rng = np.random.default_rng(seed)
    onset = BEGINS + rng.uniform(0, 1)
    world = replace(_shared(onset, pods=2, per_second=25.0), scrape=1.0)
    at, _, _ = ended(world, rng=rng, until=onset + 30.0)

    assert at == float("inf")


@pytest.mark.parametrize("scrape", [1.0, 5.0, 15.0])
@pytest.mark.parametrize("onset", [0.2, 2.0])
def test_an_outage_of_everybody_from_the_first_request_on_is_nobodys_fault(
    onset: float, scrape: float
) -> None:
    """How well stable did before the candidate was sent anything excuses nobody."""
    rng = np.random.default_rng(4)
    world = replace(_shared(onset, pods=2, per_second=50.0), scrape=scrape, weight=0.5)
    at, _, _ = ended(world, rng=rng, until=onset + 6 * scrape)

    assert at == float("inf")


@pytest.mark.parametrize(("pods", "per_second"), [(1, 1000.0), (2, 100.0), (4, 10.0)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_outage_of_everybody_holds_and_is_nobodys_fault(
    pods: int, per_second: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    onset = BEGINS + 60.0 + rng.uniform(0, 15)
    reasons = asyncio.run(_reasons(_shared(onset, pods=pods, per_second=per_second), rng=rng))

    assert reasons[-1] == (Verdict.HOLD, "SharedIncident")
    assert Verdict.ROLL_BACK not in {verdict for verdict, _ in reasons}
    after = [verdict for verdict, _ in reasons][-20:]
    assert Verdict.ADVANCE not in after


def _shared(onset: float, *, pods: int, per_second: float) -> World:
    failing: Failing = from_onset(0.001, onset=onset, then=1.0)
    return World(pods=pods, per_second=per_second, stable=failing, candidate=failing)


async def _reasons(world: World, *, rng: np.random.Generator) -> list[tuple[Verdict, str]]:
    bench = bench_of(world, rng=rng, until=700.0)
    states = await bench.states(seconds=600.0, every=15.0)
    return [(one.verdict, one.reason) for one in states]


@pytest.mark.parametrize(
    ("stable", "candidate", "verdict", "reason"),
    [
        (0.6, 0.0, Verdict.ADVANCE, "NonInferior"),
        (1.0, 0.0, Verdict.ADVANCE, "NonInferior"),
        (0.6, 1.0, Verdict.ROLL_BACK, "Outage"),
        (0.2, 1.0, Verdict.ROLL_BACK, "Outage"),
    ],
)
def test_beside_a_stable_that_has_long_failed_its_fix_passes_and_a_total_failure_is_found(
    stable: float, candidate: float, verdict: Verdict, reason: str
) -> None:
    compared = metric(threshold=model.NO_THRESHOLD)

    async def scenario(bench: Bench) -> None:
        (*_, last) = await bench.states(seconds=200)
        assert (last.verdict, last.reason) == (verdict, reason), last.message

    run(scenario, Bench(compared, candidate=flow(candidate), stable_error_share=stable))
