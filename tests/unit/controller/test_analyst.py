"""When the analyst looks, what it asks, and what it finds with the real engine behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import evidence_build as build
import port_fakes
import pytest
from analyst_bench import (
    COMPARE,
    OTHER,
    START,
    WARM,
    Bench,
    Pod,
    metric,
    run,
    two_sources,
)

from tidegate.controller import analyst
from tidegate.evidence import replay
from tidegate.evidence.model import Query, Selector, Template
from tidegate.rollout import model
from tidegate.rollout.model import Outcome, Verdict

NO_LIMIT = model.NO_THRESHOLD


# --- when ----------------------------------------------------------------------------------------


def test_nothing_is_asked_before_settle_warm_up_and_one_scrape_are_over() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=70)

        assert {(it.verdict, it.reason) for it in states} == {(Verdict.HOLD, "Warmup")}
        assert not any(it.judged or it.results for it in states)
        assert bench.tsdb.asked == []

        (state,) = await bench.states(seconds=5)
        assert state.judged
        assert state.reason == "Insufficient"
        assert len(bench.tsdb.asked) == 2  # stable's history, and the first look

    run(scenario)


def test_before_the_first_weight_only_the_history_is_asked_and_once() -> None:
    async def scenario(bench: Bench) -> None:
        first = await bench.analyst.outlook(bench.request)
        asked = len(bench.tsdb.asked)
        second = await bench.analyst.outlook(bench.request)
        await bench.states(seconds=75)

        assert not first.judged
        assert len(first.estimates) == len(bench.rollout.plan)
        assert second == first
        assert asked == 1
        assert len(bench.tsdb.asked) == 2

    run(scenario)


def test_later_steps_wait_only_for_the_traffic_to_settle() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=600)
        bench.next_step(20.0)
        states = await bench.states(seconds=45)

        assert [it.reason == "Warmup" for it in states] == [True] * 8 + [False]

    run(scenario)


def test_looks_are_at_whole_multiples_of_the_interval() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.clock.advance(1.3)
        await bench.states(seconds=200, every=2.3)

        instants = {at for promql, at in bench.tsdb.queries if "[375s]" not in promql}
        assert {at % 5.0 for at in instants if at > START} == {0.0}

    run(scenario)


def test_between_looks_the_last_judgement_is_returned_without_asking() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=80)
        asked = len(bench.tsdb.asked)
        before = await bench.state()
        await bench.clock.advance(4.9)

        assert await bench.state() == before
        assert len(bench.tsdb.asked) == asked
        await bench.clock.advance(0.1)
        await bench.state()
        assert len(bench.tsdb.asked) == asked + 1

    run(scenario)


def test_two_callers_cause_one_look() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.clock.advance(80)
        first, second = await asyncio.gather(bench.state(), bench.state())

        assert first == second
        assert len(bench.tsdb.asked) == 2

    run(scenario)


def test_a_hundred_rollouts_on_one_template_cost_one_query_per_interval() -> None:
    async def scenario(bench: Bench) -> None:
        names = [f"iris-{number}" for number in range(100)]
        requests = [replace(bench.request, name=name, uid=name) for name in names]
        for _ in range(4):
            await bench.clock.advance(75 if bench.clock.monotonic() == 0 else 5)
            asked = len(bench.tsdb.asked)
            for request in requests:
                await bench.analyst.state(request)

        assert len(bench.tsdb.asked) == asked + 1

    run(scenario)


# --- verdicts ------------------------------------------------------------------------------------


def flow(error_share: float, *, per_second: float = 50.0, slow_share: float = 0.0) -> Pod:
    """The pod of the candidate."""
    return Pod(
        revision=build.CANDIDATE,
        per_second=per_second,
        error_share=error_share,
        slow_share=slow_share,
        born_at=START - 300,
        bad_from=START - 300,
    )


VERDICTS: dict[str, tuple[Callable[[], Bench], Verdict, str]] = {
    "errors that stable does not have": (
        lambda: Bench(candidate=flow(0.08)),
        Verdict.ROLL_BACK,
        "Regression",
    ),
    "three times the errors, below the limit": (
        lambda: Bench(candidate=flow(0.03), stable_error_share=0.01),
        Verdict.ROLL_BACK,
        "Regression",
    ),
    "equal": (
        lambda: Bench(candidate=flow(0.01), stable_error_share=0.01),
        Verdict.ADVANCE,
        "NonInferior",
    ),
    "equal, and nobody errs": (Bench, Verdict.ADVANCE, "NonInferior"),
    "both are bad": (
        lambda: Bench(candidate=flow(0.3), stable_error_share=0.3),
        Verdict.HOLD,
        "SharedIncident",
    ),
    "wrong share": (
        lambda: Bench(candidate=flow(0.01, per_second=250), stable_error_share=0.01),
        Verdict.HOLD,
        "TrafficSplit",
    ),
    "slow tail": (
        lambda: Bench(metric("latency-p99", threshold=NO_LIMIT), candidate=flow(0, slow_share=0.1)),
        Verdict.ROLL_BACK,
        "Regression",
    ),
    "equal latency": (
        lambda: Bench(metric("latency-p50", threshold=NO_LIMIT)),
        Verdict.ADVANCE,
        "NonInferior",
    ),
    "only a dry run": (lambda: Bench(metric(dry_run=True)), Verdict.HOLD, "NoMetrics"),
    "a bad dry run": (
        lambda: Bench(metric(dry_run=True), candidate=flow(0.5)),
        Verdict.HOLD,
        "NoMetrics",
    ),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_the_verdict_after_ten_minutes(case: str) -> None:
    make, verdict, reason = VERDICTS[case]

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=600)

        assert (states[-1].verdict, states[-1].reason) == (verdict, reason), states[-1].message
        other = {Verdict.ADVANCE, Verdict.ROLL_BACK} - {verdict}
        assert not other & {it.verdict for it in states}
        assert states[-1].digest

    run(scenario, make())


def test_a_wrong_share_is_only_reported_where_it_is_asked_for() -> None:
    async def scenario(bench: Bench) -> None:
        traffic = replace(bench.request.spec.traffic, share_check=model.ShareCheck.REPORT)
        bench.edit(spec=replace(bench.request.spec, traffic=traffic))
        states = await bench.states(seconds=600)

        assert states[-1].verdict is Verdict.ADVANCE
        assert states[-1].observed_candidate_percent == pytest.approx(35.7, abs=0.1)

    run(scenario, Bench(candidate=flow(0.01, per_second=250), stable_error_share=0.01))


def test_an_equal_candidate_advances_only_after_requests_intervals_and_proof() -> None:
    async def scenario(bench: Bench) -> None:
        reasons = [it.reason for it in await bench.states(seconds=600)]
        rows = bench.rows()

        assert reasons[-1] == "NonInferior"
        assert list(dict.fromkeys(reasons)) == [
            "Warmup",
            "Insufficient",
            "Undecided",
            "NonInferior",
        ]
        assert [row["t1"] - row["t0"] for row in rows] == [30.0] * len(rows)
        assert rows[0]["t0"] == WARM
        # Three rows of 150 requests have closed; before, requests or intervals were too few.
        assert START + 5 * (reasons.index("Undecided") + 1) == WARM + 3 * 30 + 20

    run(scenario, Bench(candidate=flow(0.01), stable_error_share=0.01))


def test_without_stable_only_limits_count() -> None:
    async def scenario(bench: Bench) -> None:
        bench.edit(stable="")
        bench.tsdb.pods = [bench.candidate]
        states = await bench.states(seconds=600)

        assert states[-1].verdict is Verdict.ROLL_BACK
        assert states[-1].reason == "SloBreach"
        assert states[-1].observed_candidate_percent == 100.0

    run(scenario, Bench(metric(compare=None), candidate=flow(0.3)))


@pytest.mark.parametrize(("compare", "verdict"), [(None, "Advance"), (COMPARE, "Hold")])
def test_a_good_first_candidate_keeps_limits_and_cannot_be_compared(
    compare: model.Compare | None, verdict: str
) -> None:
    async def scenario(bench: Bench) -> None:
        bench.edit(stable="")
        bench.tsdb.pods = [bench.candidate]
        state = (await bench.states(seconds=900, every=15))[-1]

        assert state.verdict == verdict, state.message
        assert state.reason == ("NonInferior" if compare is None else "NoBaseline")
        assert state.only_proof_is_missing is (compare is not None)

    few = metric(compare=compare and replace(compare, tolerance_absolute=0.0001))
    run(scenario, Bench(few, candidate=flow(0.0)))


def test_only_proof_is_missing_says_that_time_alone_may_be_enough() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300)

        missing = {it.reason: it.only_proof_is_missing for it in states}
        assert missing == {"Warmup": False, "Insufficient": False, "Undecided": True}

    run(scenario, Bench(candidate=flow(0.012), stable_error_share=0.01))


def test_evidence_of_earlier_steps_counts_and_their_requests_do_not() -> None:
    async def scenario(bench: Bench) -> None:
        (*_, before) = await bench.states(seconds=600)
        bench.next_step(20.0)
        (*_, after) = await bench.states(seconds=120)

        assert before.verdict is Verdict.ADVANCE
        assert after.requests < before.requests
        assert after.results[0].candidate.total >= before.results[0].candidate.total
        assert {row["step"] for row in bench.rows()} == {0, 1}

    run(scenario)


# --- critical ------------------------------------------------------------------------------------


@pytest.mark.parametrize("critical", [False, True])
def test_a_critical_limit_does_not_wait_for_its_interval_to_close(critical: bool) -> None:  # noqa: FBT001
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300)
        first = [it.verdict for it in states].index(Verdict.ROLL_BACK)
        seconds = 5 * (first + 1)
        rows = bench.rows()

        assert seconds <= 90 if critical else seconds == 110  # the first interval: 60 to 90 s
        if critical:  # the row of the verdict is the last one, though its interval goes on
            assert rows[-1]["t1"] == START + seconds
            assert {it.digest for it in states[first:]} == {states[first].digest}
        report = replay.replay(bench.log())
        assert report.difference == ""
        assert report.looks[-1].judgement.verdict is Verdict.ROLL_BACK

    limited = metric(compare=None, critical=critical)
    run(scenario, Bench(limited, candidate=flow(0.9), stable_error_share=0.01))


def test_the_logged_evidence_replays_to_the_same_judgements() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=400)
        bench.tsdb.down.add("other")
        await bench.states(seconds=100)
        bench.tsdb.down.clear()
        await bench.states(seconds=100)
        found = replay.replay(bench.log())

        assert found.difference == ""
        assert found.skipped == 0
        assert len(found.looks) >= len(bench.rows())

    run(scenario, two_sources())


# --- edits and memory ----------------------------------------------------------------------------


def test_an_edited_analysis_starts_evidence_anew() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=600)
        again = _confirmed_again(bench)
        bench.edit(rollout=again, spec=_with_tolerance(bench.request.spec, 0.5))
        (*_, state) = await bench.states(seconds=120)

        assert state.results[0].intervals == 2
        assert bench.rows()[0]["t0"] == START + 630  # settled; it has been warm for long

    run(scenario)


def test_an_edited_template_is_counted_from_the_beginning_by_the_new_way() -> None:
    async def scenario(bench: Bench) -> None:
        (*_, before) = await bench.states(seconds=600)
        measure = replace(OTHER.measure, bad=Selector(metric="no_such_total"))  # type: ignore[type-var]
        bench.edit(
            templates={**bench.request.templates, "answers": replace(OTHER, measure=measure)}
        )
        (*_, after) = await bench.states(seconds=5)

        assert [it.candidate.bad > 0 for it in before.results] == [True, True]
        assert [it.candidate.bad > 0 for it in after.results] == [True, False]
        assert after.results[1].candidate.total >= before.results[1].candidate.total

    run(scenario, two_sources(candidate=flow(0.01)))


def _confirmed_again(bench: Bench) -> model.Rollout:
    now = bench.clock.now()
    step = replace(bench.rollout.plan[0], confirmed_at=now)
    return replace(bench.rollout, plan=(step,), evidence_since=now)


def _with_tolerance(spec: model.Spec, tolerance: float) -> model.Spec:
    (one,) = spec.analysis.metrics
    compared = replace(one, compare=replace(COMPARE, tolerance=tolerance))
    return replace(spec, analysis=replace(spec.analysis, metrics=(compared,)))


@pytest.mark.parametrize("change", [{"id": "iris-c0ffee0001-2"}, {"plan_seconds": 1.0}])
def test_another_rollout_or_plan_is_another_case(change: dict[str, object]) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=300)
        opened = len(bench.log())
        if "id" in change:
            bench.edit_rollout(id=change["id"])
        else:
            bench.edit_rollout(plan=(replace(bench.rollout.plan[0], hold_seconds=999.0),))
        await bench.state()

        events = [one["event"] for one in bench.recorder.evidence_documents[opened:]]
        assert events[0] == "evidence-opened"

    run(scenario)


def test_walking_on_is_no_other_case() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=300)
        ended = replace(bench.rollout.plan[0], state=model.StepState.PASSED, ended_at=START)
        bench.edit_rollout(plan=(ended,), observed_candidate_percent=9.0)
        await bench.states(seconds=60)

        events = [one["event"] for one in bench.recorder.evidence_documents]
        assert events.count("evidence-opened") == 1

    run(scenario)


def test_a_forgotten_object_starts_anew() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=80)
        asked = len(bench.tsdb.asked)
        bench.analyst.forget("uid-1")
        bench.analyst.forget("uid-2")
        await bench.state()

        assert len(bench.tsdb.asked) > asked or bench.recorder.evidence_documents

    run(scenario)


def test_the_number_of_remembered_cases_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyst, "MAX_CASES", 2)

    async def scenario(bench: Bench) -> None:
        await bench.clock.advance(80)
        for uid in ("a", "b", "a", "c"):
            await bench.state(uid=uid)

        documents = bench.recorder.evidence_documents
        opened = [one["event"] for one in documents].count("evidence-opened")
        await bench.state(uid="a")
        assert len(bench.recorder.evidence_documents) == len(documents)
        await bench.state(uid="b")
        again = [one["event"] for one in bench.recorder.evidence_documents]
        assert again.count("evidence-opened") == opened + 1

    run(scenario)


# --- plain numbers -------------------------------------------------------------------------------


def free(name: str, **more: object) -> model.Metric:
    fields: dict[str, object] = {"preset": "", "query": "load", "compare": None}
    limit = {"threshold": model.Threshold(max=0.5)}
    return metric(name, **{**fields, **limit, **more})


def test_a_plain_number_fails_at_three_of_five_checks_one_per_scrape() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {"load": "0.9"}
        states = await bench.states(seconds=150)

        first = [it.verdict for it in states].index(Verdict.ROLL_BACK)
        assert (first + 1) * 5 == 75 + 2 * 15  # checks at 75, 90 and 105 s
        (result,) = states[first].results
        assert (result.value, result.failures, result.reason) == (0.9, 3, "Limit")
        assert (result.evidence, result.proof) == (None, None)

    run(scenario, Bench(free("load")))


def test_one_failing_check_of_a_critical_number_is_enough() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {"load": "0.9"}
        states = await bench.states(seconds=75)

        assert states[-1].verdict is Verdict.ROLL_BACK

    run(scenario, Bench(free("load", critical=True)))


def test_a_kept_number_advances_after_five_checks_and_three_intervals() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {"load": "0.2"}
        (*_, early) = await bench.states(seconds=130)
        bench.tsdb.numbers = {"load": "0.4"}
        (*_, late) = await bench.states(seconds=60)

        assert early.verdict is Verdict.HOLD
        assert late.verdict is Verdict.ADVANCE
        assert late.requests > 100
        assert late.results[0].value == 0.4  # what is shown moves with the checks

    run(scenario, Bench(free("load")))


def test_a_number_that_is_none_holds() -> None:
    async def scenario(bench: Bench) -> None:
        bench.tsdb.numbers = {"load": "NaN"}
        (*_, state) = await bench.states(seconds=200)

        assert (state.verdict, state.reason) == (Verdict.HOLD, "NoData")
        assert state.without_data_since == port_fakes.EPOCH + timedelta(seconds=75)
        assert state.results[0].outcome is Outcome.NO_DATA

    run(scenario, Bench(free("load")))


def test_a_metric_that_cannot_be_asked_is_an_error() -> None:
    async def scenario(bench: Bench) -> None:
        known = bench.request.templates
        bench.edit(
            templates={
                **known,
                "broken": Template(name="x", measure=Query(promql="up{${name}}"), source="default"),
                "away": replace(known["away"], source="gone"),
            }
        )
        (*_, state) = await bench.states(seconds=200)

        results = {it.name: (it.outcome, it.message) for it in state.results}
        assert (state.verdict, state.reason) == (Verdict.HOLD, "Error")
        assert results["error-ratio"][0] is not Outcome.ERROR
        assert results["broken"][0] is Outcome.ERROR
        assert results["away"] == (Outcome.ERROR, "away: unknown metric source 'gone'")

    run(scenario, Bench(metric(), free("broken"), metric("away", preset="error-ratio")))
