"""What distributions have shown outlasts their rows, and is small however long a step lasts."""

from __future__ import annotations

import gc
import json
import tracemalloc
from dataclasses import replace

import pytest
from evidence_rows import config, context
from hypothesis import given
from hypothesis import strategies as st
from mixes_build import LABELS, MOVED, NAME, bins, drawn

from tidegate.evidence.counts import binned
from tidegate.evidence.drift import mixes
from tidegate.evidence.drift.packed import Packed
from tidegate.evidence.journal import replay, row_lines
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import MetricRule
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import distribution, engine

USUAL = distribution.rule_of(delta=None, margin=None, at_most=0, ignore=())
CONFIG = config(MetricRule(name=NAME, drift=USUAL, min_samples=20))
HELD = config(MetricRule(name=NAME, drift=USUAL, min_samples=20, holds_in=(0,)))
TWO_STEPS = [*drawn(count=12), *drawn(count=8, first=12, step=1)]


@pytest.mark.parametrize("again", [0, 5, 12, 15])
def test_a_ledger_that_begins_anew_goes_on_with_what_distributions_have_shown(again: int) -> None:
    """Of rows that come again nothing is left of the distribution."""
    state = ledger.record_all(TWO_STEPS[:again], config=CONFIG)
    state = ledger.begin(CONFIG, drifts=state.drifts)
    for number, one in enumerate(TWO_STEPS):
        row = replace(one, counts={}) if number < again else one
        state = ledger.record(state, row=row, config=CONFIG)

    assert state.drifts == ledger.record_all(TWO_STEPS, config=CONFIG).drifts


def test_a_step_begins_anew_even_where_its_first_rows_are_of_other_metrics() -> None:
    state = ledger.record_all(drawn(count=12), config=CONFIG)
    other = replace(drawn(count=1, first=12, step=1)[0], counts={})
    state = ledger.record(state, row=other, config=CONFIG)
    (found,) = engine.decide(state, context=replace(context(), step=1), config=CONFIG).findings

    assert found.reason is Reason.INSUFFICIENT
    assert found.n_c == 0.0


@pytest.mark.parametrize(("using", "reason"), [(CONFIG, Reason.DRIFT), (HELD, Reason.INSUFFICIENT)])
def test_harm_of_the_step_before_stays_unless_it_held(using: object, reason: Reason) -> None:
    assert isinstance(using, type(CONFIG))
    rows = drawn(count=12, shares={"f0": MOVED.tolist()}, n_c=500, n_s=4500)
    state = ledger.record_all(rows, config=using)
    assert state.drifts[NAME].harm is not None
    state = ledger.begin(using, drifts=state.drifts)
    (found,) = engine.decide(state, context=replace(context(), step=1), config=using).findings

    assert found.reason is reason


def test_pods_that_come_and_go_are_kept_in_a_few_groups() -> None:
    mix = mixes.Mix()
    for number in range(60):
        one = bins([1.0, 2.0, 3.0], labels=("1", "2", "3"))
        pods = mixes.Pods(candidate=[f"c{number}"], stable=[f"s{number}"])
        mix = mixes.added(mix, candidate=one, stable=one, pods=pods)

    for arm in (mix.candidate, mix.stable):
        assert len(arm) <= mixes.MAX_PODS + binned.MAX_PODS
        assert [sum(pod[label] for pod in arm.values()) for label in "123"] == [60.0, 120.0, 180.0]


def test_what_is_known_of_a_long_step_stays_small() -> None:
    """Features with ten bins, of three pods: up to 33 segments with two numbers for each bin."""
    rows = drawn(count=60, features=4)
    ledger.record_all(rows, config=CONFIG)  # what is made once
    gc.collect()
    tracemalloc.start()
    state = ledger.record_all(rows, config=CONFIG)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert state.drifts[NAME].rows == 60
    assert size / 4 < 24_000


@given(st.dictionaries(st.sampled_from(LABELS), st.floats(allow_nan=False)))
def test_packed_numbers_are_those_that_were_given(numbers: dict[str, float]) -> None:
    packed = Packed(numbers)

    assert packed == numbers
    assert list(packed) == list(numbers)
    assert packed.get("no label", 7.0) == 7.0
    assert repr(packed) == f"Packed({numbers!r})"


# --- in the log ----------------------------------------------------------------------------------


def lines(*, first: bool) -> list[str]:
    """A rollout whose ledger began anew after 12 rows, with or without its first part."""
    rollout = "ml/fraud-1"
    shown = ledger.record_all(TWO_STEPS[:12], config=CONFIG)
    opened = replay.opened(rollout=rollout, namespace="ml", name="fraud", config=CONFIG)
    again = [replace(row, counts={}) for row in TWO_STEPS[:12]] + TWO_STEPS[12:]
    state = ledger.begin(CONFIG, drifts=shown.drifts)
    for row in again:
        state = ledger.record(state, row=row, config=CONFIG)
    look = replace(context(), step=1)
    documents = [
        *(
            [opened, *(replay.row(rollout=rollout, row=it) for it in TWO_STEPS[:12])]
            if first
            else []
        ),
        replay.opened(rollout=rollout, namespace="ml", name="fraud", config=CONFIG, continues=True),
        *(replay.row(rollout=rollout, row=it) for it in again),
        replay.judged(
            rollout=rollout,
            rows=len(again),
            digest=row_lines.digest(again),
            context=look,
            judgement=engine.decide(state, context=look, config=CONFIG),
        ),
    ]
    return [json.dumps(one) for one in documents]


def test_a_log_that_goes_on_gives_the_same_judgements_again() -> None:
    report = replay.replay(lines(first=True))

    assert (len(report.looks), report.difference, report.skipped) == (1, "", 0)
    assert report.looks[0].judgement.findings[0].n_c > 0


def test_what_goes_on_from_before_the_log_is_skipped() -> None:
    report = replay.replay(lines(first=False))

    assert (report.looks, report.skipped) == ((), 1)
