"""Warm-up belongs to the pod: a later step brings cold ones, and so may a scaling of stable."""

from __future__ import annotations

import asyncio

import evidence_build as build
import numpy as np
import pytest
from analyst_bench import START, Bench
from drawn_worlds import DrawnPod, World, bench_of, from_onset

from tidegate.model import Verdict

# The same lines thousands of times: the tables cover them, and a tracer doubles the time.
pytestmark = pytest.mark.no_cover

LATER = 400.0  # a second step begins, and with it come new pods
COLD_SECONDS = 150.0


def cold_pod(revision: str, name: str, *, rng: np.random.Generator) -> DrawnPod:
    """A third of its requests fail until it is warm."""
    return DrawnPod(
        revision=revision,
        name=name,
        per_second=10.0,
        born_at=START + LATER,
        failing=from_onset(0.33, onset=LATER + COLD_SECONDS, then=0.002),
        until=1200.0,
        rng=rng,
    )


async def verdicts(revision: str, *, warmup_seconds: float) -> tuple[set[Verdict], Bench]:
    rng = np.random.default_rng(8)
    usual = from_onset(0.002, onset=0.0, then=0.002)
    world = World(weight=0.1, per_second=200.0, stable=usual, candidate=usual)
    bench = bench_of(world, rng=rng, until=1200.0, warmup_seconds=warmup_seconds)
    # Two of them, as harm on one pod of several is not taken for that of a version.
    bench.tsdb.pods += [cold_pod(revision, name, rng=rng) for name in ("cold1", "cold2")]
    await bench.states(seconds=LATER, every=20.0)
    bench.next_step(20.0)
    states = await bench.states(seconds=600.0, every=20.0)
    return {one.verdict for one in states}, bench


@pytest.mark.parametrize(("warmup_seconds", "rolled_back"), [(180.0, False), (30.0, True)])
def test_a_cold_pod_of_a_later_step_is_no_harm(
    warmup_seconds: float,
    rolled_back: bool,  # noqa: FBT001
) -> None:
    found, _ = asyncio.run(verdicts(build.CANDIDATE, warmup_seconds=warmup_seconds))
    assert (Verdict.ROLL_BACK in found) is rolled_back


def test_a_cold_pod_of_stable_makes_no_candidate_look_better() -> None:
    _, bench = asyncio.run(verdicts(build.STABLE, warmup_seconds=180.0))
    rows = [row["counts"]["error-ratio"] for row in bench.rows()]
    assert sum(one["cold"][1] for one in rows) > 1000  # answered, and counted apart
    assert all(one["cold"][0] == 0 for one in rows)
    assert sum(one["xS"][0] for one in rows) < 0.01 * sum(one["nS"] for one in rows)


def test_without_a_warm_up_no_pod_is_cold() -> None:
    _, bench = asyncio.run(verdicts(build.STABLE, warmup_seconds=0.0))
    assert {tuple(row["counts"]["error-ratio"]["cold"]) for row in bench.rows()} == {(0.0, 0.0)}
