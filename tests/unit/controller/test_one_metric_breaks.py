"""What one metric breaks reaches no other: it is told with its cause, and an outage is still seen."""

from __future__ import annotations

from dataclasses import replace

import evidence_build as build
import pytest
from analyst_bench import START, Bench, Pod, metric, run
from port_fakes import MemoryRecorder

from tidegate import model
from tidegate.controller.analysis.case import Case
from tidegate.controller.analysis.counting import Counting
from tidegate.controller.analysis.look import Look
from tidegate.controller.workqueue import Key
from tidegate.evidence.counts import warming
from tidegate.evidence.journal import replay
from tidegate.evidence.sequential import answers, faster, split, unusual
from tidegate.evidence.verdict import described, engine, outlook, report

LATENCY = "latency-p95"
OUTAGE_AT = START + 400


def broken(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, *, of: str) -> None:
    """From now on a function raises for one metric, which its arguments tell."""
    whole = getattr(owner, name)

    def raising(*args: object, **named: object) -> object:
        if not of or any(is_of(one, of) for one in (*args, *named.values())):
            raise ZeroDivisionError(f"{name} broke")
        return whole(*args, **named)

    monkeypatch.setattr(owner, name, raising)


def is_of(value: object, name: str) -> bool:
    """A metric, its rule, or what is asked for it; or a subject of that uid."""
    names = (getattr(value, "name", ""), getattr(value, "uid", ""))
    return name in names or getattr(getattr(value, "metric", None), "name", "") == name


def bench() -> Bench:
    return Bench(
        metric(), metric(LATENCY, threshold=model.Threshold()), candidate=failing(OUTAGE_AT)
    )


def failing(from_: float) -> Pod:
    return Pod(revision=build.CANDIDATE, born_at=START - 300, bad_from=from_, error_share=1.0)


def problems(recorder: MemoryRecorder, event: str) -> list[dict[str, str]]:
    return [dict(fields) for name, fields in recorder.problems if name == event]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        pytest.param(Counting, "count", id="counting it"),
        pytest.param(Counting, "state_of_data", id="looking at its data"),
        pytest.param(Look, "_together", id="putting its answers together"),
    ],
)
def test_an_outage_is_seen_beside_a_metric_that_cannot_be_counted(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    broken(monkeypatch, owner, name, of=LATENCY)

    async def scenario(bench: Bench) -> None:
        before = (await bench.states(seconds=395))[-1]
        result = next(one for one in before.results if one.name == LATENCY)
        assert before.verdict is model.Verdict.HOLD
        assert (result.outcome, result.reason) == (model.Outcome.ERROR, "Error")
        assert f"{name} broke" in result.message
        after = (await bench.states(seconds=60))[-1]
        assert (after.verdict, after.reason) == (model.Verdict.ROLL_BACK, "Outage")
        told = problems(bench.recorder, "metric_failed")
        assert [(one["metric"], one["object"]) for one in told] == [(LATENCY, "ml/iris")]
        assert "ZeroDivisionError" in told[0]["error"]

    run(scenario, bench())


@pytest.mark.parametrize("part", [faster, unusual])
def test_an_outage_is_seen_beside_a_metric_whose_test_breaks(
    monkeypatch: pytest.MonkeyPatch, part: object
) -> None:
    name = "advance" if part is faster else "watched"
    broken(monkeypatch, part, name, of="" if part is faster else LATENCY)

    async def scenario(bench: Bench) -> None:
        before = (await bench.states(seconds=395))[-1]
        result = next(one for one in before.results if one.name == LATENCY)
        other = next(one for one in before.results if one.name == "error-ratio")
        assert before.verdict is model.Verdict.HOLD
        assert result.outcome is model.Outcome.ERROR
        assert "ZeroDivisionError" in result.message
        assert other.outcome is model.Outcome.PASS
        assert before.consecutive_errors > 0
        after = (await bench.states(seconds=60))[-1]
        assert (after.verdict, after.reason) == (model.Verdict.ROLL_BACK, "Outage")
        assert {one["metric"] for one in problems(bench.recorder, "metric_failed")} == {LATENCY}
        again = replay.replay(bench.log())
        assert again.looks
        assert not again.difference

    run(scenario, bench())


@pytest.mark.parametrize("part", [answers, split])
def test_an_outage_is_seen_though_the_test_of_all_requests_breaks(
    monkeypatch: pytest.MonkeyPatch, part: object
) -> None:
    broken(monkeypatch, part, "advance", of="")

    async def scenario(bench: Bench) -> None:
        before = (await bench.states(seconds=395))[-1]
        assert (before.verdict, before.reason) == (model.Verdict.HOLD, "Error")
        assert "advance broke" in before.message
        after = (await bench.states(seconds=60))[-1]
        assert (after.verdict, after.reason) == (model.Verdict.ROLL_BACK, "Outage")
        assert not replay.replay(bench.log()).difference

    run(scenario, bench())


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        pytest.param(described, "_described", id="its interval"),
        pytest.param(report, "_with_totals", id="its numbers"),
        pytest.param(report, "_quantile_bounds", id="its quantile"),
        pytest.param(warming, "warm_after", id="its warm-up"),
        pytest.param(outlook, "estimates", id="what steps can find"),
    ],
)
def test_a_verdict_does_not_need_what_is_for_people(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    broken(monkeypatch, owner, name, of="")

    async def scenario(bench: Bench) -> None:
        before = (await bench.states(seconds=395))[-1]
        found = {one.name: one.outcome for one in before.results}
        assert found["error-ratio"] is found[LATENCY] is model.Outcome.PASS
        after = (await bench.states(seconds=60))[-1]
        assert after.verdict is model.Verdict.ROLL_BACK

    run(scenario, bench())


def test_a_history_that_breaks_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, Look, "_as_past", of=LATENCY)

    async def scenario(bench: Bench) -> None:
        before = (await bench.states(seconds=395))[-1]
        assert next(it for it in before.results if it.name == "error-ratio").outcome is (
            model.Outcome.PASS
        )
        told = problems(bench.recorder, "metric_failed")
        assert [one["metric"] for one in told] == [LATENCY]
        after = (await bench.states(seconds=60))[-1]
        assert after.verdict is model.Verdict.ROLL_BACK

    run(scenario, bench())


def test_a_verdict_that_breaks_for_one_metric_is_an_error_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(monkeypatch, engine, "_tested", of=LATENCY)

    async def scenario(bench: Bench) -> None:
        before = (await bench.states(seconds=395))[-1]
        result = next(one for one in before.results if one.name == LATENCY)
        assert result.outcome is model.Outcome.ERROR
        after = (await bench.states(seconds=60))[-1]
        assert (after.verdict, after.reason) == (model.Verdict.ROLL_BACK, "Outage")

    run(scenario, bench())


@pytest.mark.parametrize("name", ["judge", "settle_rows", "context"])
def test_a_look_that_breaks_says_so_and_the_next_one_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=200)
        with monkeypatch.context() as meanwhile:
            broken(meanwhile, Case, name, of="")
            state = (await bench.states(seconds=60))[-1]
            assert (state.verdict, state.reason) == (model.Verdict.HOLD, "Error")
            assert f"{name} broke" in state.message
            assert state.consecutive_errors > 1
            assert problems(bench.recorder, "look_failed")[0]["object"] == "ml/iris"
        whole = Bench()
        await whole.states(seconds=395)
        found = (await bench.states(seconds=135))[-1]
        assert bench.rows() == whole.rows()
        assert found.consecutive_errors == 0
        assert not replay.replay(bench.log()).difference

    run(scenario)


def test_rows_stay_until_they_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=200)
        with monkeypatch.context() as meanwhile:
            broken(meanwhile, Case, "_record", of="")
            await bench.states(seconds=90)
        await bench.states(seconds=105)
        whole = Bench()
        await whole.states(seconds=395)
        assert bench.rows() == whole.rows()

    run(scenario)


def test_a_look_that_cannot_begin_keeps_no_other_one_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(monkeypatch, Case, "begin_evidence", of="uid-2")

    async def scenario(bench: Bench) -> None:
        other = replace(bench.request.subject, uid="uid-2", key=Key(namespace="ml", name="two"))
        bench.analyst.judged(other)
        for _ in range(60):
            state = (await bench.states(seconds=5))[-1]
            said = bench.analyst.judged(other)
        assert state.judged
        assert (said.verdict, said.reason) == (model.Verdict.HOLD, "Error")
        assert "begin_evidence broke" in said.message
        assert problems(bench.recorder, "look_failed")[0]["object"] == "ml/two"

    run(scenario)
