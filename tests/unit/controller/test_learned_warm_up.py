"""Without `warmup` in the spec, stable's pods say how long pods take to warm."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import evidence_build as build
import numpy as np
import pytest
from analyst_bench import START, Bench
from drawn_worlds import DrawnPod, from_onset

from tidegate import model
from tidegate.model import Verdict

# The same lines thousands of times: the tables cover them, and a tracer doubles the time.
pytestmark = pytest.mark.no_cover

MADE = -3600.0  # stable, in seconds after the first weight
COLD_SECONDS = 280.0
UNTIL = 1200.0


def pod(revision: str, name: str, *, born: float, per_second: float, cold: float) -> DrawnPod:
    """A third of its requests fail until it is warm."""
    return DrawnPod(
        revision=revision,
        name=name,
        per_second=per_second,
        born_at=START + born,
        failing=from_onset(0.33, onset=born + cold, then=0.004),
        until=UNTIL,
        rng=np.random.default_rng((17, len(name), abs(round(born)))),
    )


def bench(*, stable_cold: float = COLD_SECONDS, known: bool = True, **analysis: Any) -> Bench:
    """A candidate of two pods that take as long as `COLD_SECONDS` from the first weight on."""
    found = Bench(analysis={"warmup_seconds": 60.0, "warmup_learned": True, **analysis})
    found.tsdb.pods = [
        *(
            pod(build.CANDIDATE, f"c{k}", born=-15.0, per_second=10.0, cold=COLD_SECONDS)
            for k in range(2)
        ),
        *(
            pod(build.STABLE, f"s{k}", born=MADE + 120.0, per_second=60.0, cold=stable_cold)
            for k in range(3)
        ),
    ]
    if known:
        made_at = datetime.fromtimestamp(START + MADE, tz=UTC)
        found.edit(control_made_at=made_at)
    return found


async def seen(of: Bench, seconds: float = 600.0) -> list[model.AnalysisState]:
    return await of.states(seconds=seconds, every=20.0)


def rolls_back(states: list[model.AnalysisState]) -> bool:
    return any(one.verdict is Verdict.ROLL_BACK for one in states)


def test_a_candidate_may_warm_as_long_as_stable_did() -> None:
    found = asyncio.run(seen(bench()))

    assert not rolls_back(found)
    assert found[-1].results[0].candidate.total > 1000


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"stable_cold": 0.0}, id="stable was warm at once"),
        pytest.param({"known": False}, id="nobody knows when stable was made"),
        pytest.param({"warmup_learned": False}, id="the spec says a minute"),
    ],
)
def test_without_such_a_start_of_stable_a_minute_is_the_warm_up(
    given: dict[str, Any],
) -> None:
    assert rolls_back(asyncio.run(seen(bench(**given))))


def test_the_same_rows_after_a_restart() -> None:
    of = bench()

    async def scenario() -> tuple[object, object]:
        await seen(of)
        before = [(one["t0"], one["counts"]) for one in of.rows()]
        of.restart()
        await seen(of, 40.0)
        return before, [(one["t0"], one["counts"]) for one in of.rows()]

    before, after = asyncio.run(scenario())
    assert isinstance(before, list)
    assert isinstance(after, list)
    assert len(before) > 5
    assert after[: len(before)] == before


def test_nothing_is_counted_before_the_source_has_told() -> None:
    of = bench()

    async def scenario() -> list[model.AnalysisState]:
        of.tsdb.down.add("default")
        while_down = await seen(of, 120.0)
        of.tsdb.down.clear()
        return [*while_down, *await seen(of)]

    found = asyncio.run(scenario())
    assert not rolls_back(found)
    assert found[-1].results[0].candidate.total > 1000
