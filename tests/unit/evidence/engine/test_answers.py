"""A candidate that does not finish requests: counted by what stable finished beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from evidence_rows import INDEPENDENT, config, context

from tidegate.evidence.counts.rows import Counts, Flag, PodCounts, Row
from tidegate.evidence.sequential import ledger
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import engine
from tidegate.model import Verdict

LENGTH = 30.0
HOLD_SECONDS = 300.0


def pods_of(revision: str, requests: Sequence[float]) -> tuple[PodCounts, ...]:
    return tuple(
        PodCounts(pod=f"{revision}-{number}", n=float(n), x=(0.0,))
        for number, n in enumerate(requests)
    )


def row(number: int, *, weight: float, candidate: Sequence[float], stable: Sequence[float]) -> Row:
    """Nobody fails what is finished."""
    counts = Counts(
        n_c=float(sum(candidate)),
        n_s=float(sum(stable)),
        x_c=(0.0,),
        x_s=(0.0,),
        phi=(INDEPENDENT,),
        pods_c=pods_of("c", candidate),
        pods_s=pods_of("s", stable),
    )
    start = LENGTH * number
    return Row(t0=start, t1=start + LENGTH, step=0, weight=weight, counts={"error-ratio": counts})


def even(*, weight: float, per_second: float, unanswered: float, rows: int = 60) -> list[Row]:
    """Ten pods, of which the candidate has its share."""
    rng = np.random.default_rng(21)
    pods = round(10 * weight)
    each = per_second * LENGTH / 10
    return [
        row(
            number,
            weight=weight,
            candidate=rng.poisson(each * (1 - unanswered), size=pods).tolist(),
            stable=rng.poisson(each, size=10 - pods).tolist(),
        )
        for number in range(rows)
    ]


def verdicts(rows: Sequence[Row], *, holds: bool) -> list[tuple[float, Verdict, Reason]]:
    settings = replace(config(), split_holds=holds)
    state, found = ledger.begin(settings), []
    for one in rows:
        state = ledger.record(state, row=one, config=settings)
        judged = engine.decide(state, context=context(), config=settings)
        found.append((one.t1, judged.verdict, judged.reason))
    return found


def rolled_back(found: Sequence[tuple[float, Verdict, Reason]]) -> float | None:
    return next((at for at, verdict, _ in found if verdict is Verdict.ROLL_BACK), None)


@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("weight", [0.1, 0.5])
@pytest.mark.parametrize("per_second", [100.0, 1000.0])
@pytest.mark.parametrize(("unanswered", "within"), [(0.9, 120.0), (1.0, 120.0)])
def test_a_candidate_that_answers_hardly_anything_is_rolled_back_in_minutes(
    unanswered: float,
    within: float,
    per_second: float,
    weight: float,
    holds: bool,  # noqa: FBT001
) -> None:
    rows = even(weight=weight, per_second=per_second, unanswered=unanswered)
    found = verdicts(rows, holds=holds)

    at = rolled_back(found)
    assert at is not None
    assert at <= within
    assert found[-1][2] is Reason.UNANSWERED


@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("weight", [0.1, 0.5])
@pytest.mark.parametrize("unanswered", [0.2, 0.5])
def test_a_candidate_that_leaves_requests_unanswered_is_not_promoted(
    unanswered: float,
    weight: float,
    holds: bool,  # noqa: FBT001
) -> None:
    found = verdicts(even(weight=weight, per_second=1000.0, unanswered=unanswered), holds=holds)

    late = [(verdict, reason) for at, verdict, reason in found if at >= HOLD_SECONDS]
    assert {verdict for verdict, _ in late} == {Verdict.HOLD}
    assert {reason for _, reason in late} <= {Reason.INCOMPLETE, Reason.TRAFFIC_SPLIT}


@pytest.mark.parametrize("unanswered", [0.0, 0.03])
def test_one_that_answers_passes(unanswered: float) -> None:
    found = verdicts(even(weight=0.1, per_second=1000.0, unanswered=unanswered), holds=True)

    assert rolled_back(found) is None
    assert found[-1][1] is Verdict.ADVANCE


def test_silence_after_long_service_is_found_too() -> None:
    rows = even(weight=0.3, per_second=100.0, unanswered=0.0, rows=120)
    rows += [
        replace(one, t0=3600 + one.t0, t1=3600 + one.t1)
        for one in even(weight=0.3, per_second=100.0, unanswered=1.0, rows=10)
    ]
    at = rolled_back(verdicts(rows, holds=False))

    assert at is not None
    assert 3600 < at <= 3600 + 180


def test_an_autoscaled_stable_takes_requests_where_pods_decide() -> None:
    """Planned was a half; stable has grown to twelve pods beside four."""
    rng = np.random.default_rng(4)
    rows = [
        row(
            k,
            weight=0.5,
            candidate=rng.poisson(300, 4).tolist(),
            stable=rng.poisson(300, 12).tolist(),
        )
        for k in range(40)
    ]
    assert {verdict for _, verdict, _ in verdicts(rows, holds=False)[3:]} == {Verdict.ADVANCE}


def test_few_requests_prove_no_silence() -> None:
    rows = even(weight=0.1, per_second=0.5, unanswered=1.0, rows=40)
    assert rolled_back(verdicts(rows, holds=True)) is None


def test_a_pod_that_is_not_scraped_any_more_is_no_silence() -> None:
    """Stable's requests go on, and so do those of one of four pods of the candidate."""
    rows = [row(0, weight=0.5, candidate=[800] * 4, stable=[800] * 4)]
    rows += [row(k, weight=0.5, candidate=[800], stable=[800] * 4) for k in range(1, 20)]
    assert rolled_back(verdicts(rows, holds=False)) is None
    found = verdicts(rows, holds=True)

    assert rolled_back(found) is None
    assert found[-1][1] is Verdict.HOLD


def test_a_row_that_is_not_over_says_nothing_of_silence() -> None:
    rows = [
        replace(one, flags=(Flag.RUNNING,))
        for one in even(weight=0.1, per_second=1000.0, unanswered=1.0)
    ]
    assert rolled_back(verdicts(rows, holds=True)) is None


def test_few_connections_that_last_are_seen_on_stables_pods() -> None:
    """Equal versions: some pods have several of 50 clients, others none or one."""
    rolled, worlds = 0, 40
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        pods = rng.integers(0, 10, size=50)
        rows = []
        for number in range(40):
            n = np.bincount(pods, weights=rng.poisson(60, size=50), minlength=10).tolist()
            rows.append(row(number, weight=0.1, candidate=n[:1], stable=n[1:]))
        rolled += rolled_back(verdicts(rows, holds=False)) is not None
    assert rolled == 0
