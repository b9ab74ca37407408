"""What starts evidence anew, and what is remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from analyst_bench import COMPARE, OTHER, START, Bench, flow, run, two_sources

from tidegate import model
from tidegate.evidence.terms import LabelMatch, Operator, Selector


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
        match = LabelMatch(label="status_code", operator=Operator.MATCHES, values=("4..",))
        bad = Selector(metric="other_requests_total", matches=(match,))
        measure = replace(OTHER.measure, bad=bad)  # type: ignore[type-var]
        bench.edit(
            templates={**bench.request.templates, "answers": replace(OTHER, measure=measure)}
        )
        (*_, after) = await bench.states(seconds=5)

        assert [it.candidate.bad > 0 for it in before.results[:2]] == [True, True]
        assert [it.candidate.bad > 0 for it in after.results[:2]] == [True, False]
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

        assert len(bench.tsdb.asked) > asked

    run(scenario)


def test_what_nobody_wants_judged_is_not_asked_for_and_not_forgotten() -> None:
    async def scenario(bench: Bench) -> None:
        (*_, before) = await bench.states(seconds=300)
        bench.analyst.rest("uid-1")
        asked = len(bench.tsdb.asked)
        await bench.clock.advance(600)
        opened = [one["event"] for one in bench.recorder.evidence_documents].count(
            "evidence-opened"
        )
        assert len(bench.tsdb.asked) == asked
        after = await bench.state()

        events = [one["event"] for one in bench.recorder.evidence_documents]
        assert events.count("evidence-opened") == opened
        assert after.results[0].intervals > before.results[0].intervals

    run(scenario)
