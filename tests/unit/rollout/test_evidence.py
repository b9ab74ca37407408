"""How the steps of a rollout use the evidence: what they keep, say beforehand and wait for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V2, World, serving

from tidegate import model
from tidegate.rollout import plan

P = model.Phase
PROMOTE = model.OnInconclusive.PROMOTE


def result(name: str, outcome: model.Outcome, *, dry_run: bool = False) -> model.MetricResult:
    return model.MetricResult(name=name, outcome=outcome, message="words", dry_run=dry_run)


def weight_of(world: World) -> float:
    return world.traffic.weights.get(V2.hash, 0.0)


def rollout_of(world: World) -> model.Rollout:
    assert world.status.rollout is not None
    return world.status.rollout


def deployed(**options: object) -> World:
    world = serving(**options)
    world.deploy(V2)
    return world


def test_a_step_keeps_the_judgements_with_which_it_ended() -> None:
    world = deployed()
    world.analysis = replace(ADVANCE, results=(result("errors", model.Outcome.PASS),))
    world.run_while(lambda: weight_of(world) < 50)
    first, second, _ = rollout_of(world).plan

    assert [(one.name, one.outcome) for one in first.evidence] == [("errors", model.Outcome.PASS)]
    assert first.evidence[0].message == ""
    assert first.ended_at is not None
    assert second.evidence == ()


def test_a_step_that_was_rolled_back_keeps_what_was_found() -> None:
    world = deployed()
    world.run_while(lambda: weight_of(world) < 10)
    world.analysis = replace(BREACH, results=(result("errors", model.Outcome.FAIL),))
    world.run_until(P.ROLLED_BACK)
    step = rollout_of(world).plan[0]

    assert step.state is model.StepState.FAILED
    assert [one.outcome for one in step.evidence] == [model.Outcome.FAIL]


def test_of_many_results_the_worst_that_count_are_kept() -> None:
    world = deployed()
    passed = tuple(result(f"m{n}", model.Outcome.PASS) for n in range(plan.KEPT_RESULTS))
    shown = result("shown", model.Outcome.FAIL, dry_run=True)
    unknown = result("unknown", model.Outcome.NO_DATA)
    world.analysis = replace(ADVANCE, results=(shown, *passed, unknown))
    world.run_while(lambda: weight_of(world) < 50)
    kept = [one.name for one in rollout_of(world).plan[0].evidence]

    assert len(kept) == plan.KEPT_RESULTS
    assert kept[0] == "unknown"
    assert "shown" not in kept


@pytest.mark.parametrize("later", [model.Outcome.INCONCLUSIVE, model.Outcome.NO_DATA])
def test_the_results_that_promoted_stay_after_the_last_step(later: model.Outcome) -> None:
    world = deployed()
    world.analysis = replace(ADVANCE, results=(result("errors", model.Outcome.PASS),))
    world.run_until(P.PROMOTING, seconds=1.0)
    world.analysis = replace(HOLD, results=(result("errors", later),))
    world.run_until(P.HEALTHY)

    assert [one.outcome for one in world.status.analysis] == [model.Outcome.PASS]


def test_what_fails_after_the_last_step_is_told() -> None:
    world = deployed()
    world.analysis = replace(ADVANCE, results=(result("errors", model.Outcome.PASS),))
    world.run_until(P.PROMOTING, seconds=1.0)
    world.analysis = replace(BREACH, results=(result("errors", model.Outcome.FAIL),))
    world.tick()

    assert [one.outcome for one in world.status.analysis] == [model.Outcome.FAIL]


@pytest.mark.parametrize("warning", ["", "hold it for 2h"])
def test_what_a_step_can_find_is_said_before_its_weight_moves(warning: str) -> None:
    world = serving()
    estimates = (
        model.Estimate(text="finds a doubling in about 5m", warning=warning),
        model.Estimate(text="finds a doubling in about 1m"),
    )
    world.analysis = replace(HOLD, judged=False, estimates=estimates)
    world.deploy(V2)
    world.run_while(lambda: weight_of(world) < 10)
    reasons = world.reasons()

    assert reasons.index("StepPlanned") < reasons.index("TrafficShifted")
    assert ("StepTooShort" in reasons) is bool(warning)
    step = rollout_of(world).step
    assert step is not None
    assert step.estimate == "finds a doubling in about 5m"


def test_without_estimates_nothing_is_claimed() -> None:
    world = deployed()
    world.run_while(lambda: weight_of(world) < 10)

    assert "StepPlanned" not in world.reasons()


@pytest.mark.parametrize(
    ("missing", "promoted"),
    [
        ({"only_proof_is_missing": True}, True),
        ({"only_proof_is_missing": False}, False),  # few requests, a wrong share, an incident
        ({"only_proof_is_missing": True, "consecutive_errors": 1}, False),
        ({"only_proof_is_missing": True, "judged": False}, False),
    ],
)
def test_time_alone_is_enough_only_where_nothing_but_proof_is_missing(
    missing: dict[str, bool],
    promoted: bool,  # noqa: FBT001
) -> None:
    world = deployed(on_inconclusive=PROMOTE)
    world.analysis = replace(HOLD, **missing)  # type: ignore[arg-type]
    world.run_until(P.HEALTHY if promoted else P.PAUSED, limit=2000)

    assert weight_of(world) == (100.0 if promoted else 10.0)


def test_evidence_of_all_steps_counts_from_the_first_weight_on() -> None:
    world = deployed()
    world.run_while(lambda: weight_of(world) < 10)
    world.tick()
    began = rollout_of(world).evidence_since
    world.run_while(lambda: weight_of(world) < 50)
    world.tick()

    assert began is not None
    assert rollout_of(world).evidence_since == began


def test_an_edited_analysis_starts_evidence_and_hold_again() -> None:
    world = deployed()
    world.analysis = HOLD
    world.run_while(lambda: weight_of(world) < 10)
    world.tick(30.0)
    before = rollout_of(world)
    assert world.spec is not None
    analysis = replace(world.spec.analysis, false_rollback=0.05, key="1-other")
    world.spec = replace(world.spec, analysis=analysis)
    world.tick(5.0)
    after = rollout_of(world)

    assert before.evidence_since is not None
    assert after.evidence_since == world.now > before.evidence_since
    assert after.plan[0].confirmed_at == after.evidence_since
    assert after.first_traffic_at == before.first_traffic_at  # it is warm already
    world.tick(5.0)
    assert rollout_of(world).evidence_since == after.evidence_since


def test_the_digest_of_the_rows_is_kept_when_the_weight_changes() -> None:
    world = deployed()
    world.analysis = replace(ADVANCE, digest="a" * 64)
    world.run_while(lambda: weight_of(world) < 50)
    world.tick()
    world.tick()

    assert rollout_of(world).evidence_digest == "a" * 64
