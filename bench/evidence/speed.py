"""Cost of the engine per stream and look, measured as time of this process and as memory."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

from evidence_rows import COMPARED, INDEPENDENT, config, context, counts, table

from tidegate.evidence.counts.rows import Stream
from tidegate.evidence.sequential import eprocess, relative
from tidegate.evidence.verdict import engine

GRID = eprocess.ratio_grid(eprocess.rollback_grid(1.1), theta0=1.1)
STREAM = Stream(n_c=300.0, x_c=2.0, n_s=5700.0, x_s=28.0, phi=INDEPENDENT)
STAKE = 0.5 / 59
LIMIT = math.log(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Units: seconds of processor time, bytes. A yardstick is a thousand calls of log1p."""

    stream_seconds: float
    many_streams: int
    many_seconds: float
    judge_seconds: float
    stream_bytes: float
    yardstick_seconds: float


def measure(*, many: int, repeats: int = 5) -> Cost:
    """The best of some repeats, since other work on the machine can only slow one down."""
    warm = relative.step(relative.begin(GRID.points), stream=STREAM, grid=GRID, stake=0.5)
    hedges = [warm] * many

    def one() -> None:
        for _ in range(200):
            _look(warm)

    def interval() -> None:
        for hedge in hedges:
            _look(hedge)

    rows = table(*[counts(300, 2, 5700, 28)] * 120)
    settings, now = config(COMPARED), context()
    return Cost(
        stream_seconds=_best(one, repeats=repeats) / 200,
        many_streams=many,
        many_seconds=_best(interval, repeats=repeats),
        judge_seconds=_best(
            lambda: engine.judge(rows, context=now, config=settings), repeats=repeats
        ),
        stream_bytes=_bytes(1000),
        yardstick_seconds=_best(_yardstick, repeats=repeats),
    )


def _look(hedge: relative.Hedge) -> bool:
    """One stream after one interval, and the check against its limit."""
    after = relative.step(hedge, stream=STREAM, grid=GRID, stake=STAKE)
    return relative.log_value(after) >= LIMIT


def _best(work: Callable[[], object], *, repeats: int) -> float:
    found = math.inf
    for _ in range(repeats):
        started = time.process_time()
        work()
        found = min(found, time.process_time() - started)
    return found


def _bytes(streams: int) -> float:
    tracemalloc.start()
    kept = [
        relative.step(relative.begin(GRID.points), stream=STREAM, grid=GRID, stake=0.5)
        for _ in range(streams)
    ]
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / len(kept)


def _yardstick() -> None:
    for number in range(1000):
        math.log1p(number)
