"""A shadow: copies for a candidate that answers nobody, and what follows its verdict.

Source: issue 14, 1; api.md, 5.3; house.md, H5.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, V3, World, made_once, make_spec, serving

from tidegate import model
from tidegate.rollout import completion, numbers
from tidegate.rollout.strategy.compile import field_of, plan_of
from tidegate.rollout.turn import Turn, exposure_text

P, K, T = model.Phase, model.StageKind, model.Then
COPIES = model.Exposure(live_percent=0.0, mirror_percent=20.0)


def shadow(then: model.Then, *, percent: float = 20.0) -> model.Shadow:
    return model.Shadow(
        mirror=model.Mirror(percent=percent, seconds=60.0),
        deadline_seconds=600.0,
        min_requests=10,
        then=then,
    )


@made_once
def shadowing(then: model.Then = T.PROMOTE, **options: object) -> World:
    """A world in which copies for the second version are in force."""
    world = serving(**options)  # type: ignore[arg-type]
    assert world.spec is not None
    world.spec = replace(world.spec, shadow=shadow(then))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.SHADOWING)
    world.tick()
    assert world.traffic.mirrors == {V2.hash: 20.0}
    assert world.traffic.weights[V1.hash] == 100.0
    return world


def rollout(world: World) -> model.Rollout:
    assert world.status.rollout is not None
    return world.status.rollout


# --- the plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "kinds"),
    [
        (T.HOLD, [K.SHADOW, K.SWITCH]),
        (T.PROMOTE, [K.SHADOW, K.SWITCH]),
        (T.CANARY, [K.SHADOW, K.LIVE, K.LIVE, K.SWITCH]),
        (T.STOP, [K.SHADOW]),
    ],
)
def test_a_shadow_compiles_to_its_stage_and_what_follows(
    then: model.Then, kinds: list[model.StageKind]
) -> None:
    plan = plan_of(replace(make_spec(), shadow=shadow(then)))
    assert [stage.kind for stage in plan] == kinds
    assert plan[0].exposure == COPIES
    assert plan[0].needs_proof
    assert plan[0].awaits_request is (then is T.HOLD)
    assert field_of(plan[0]) == "spec.strategy.shadow.mirrorPercent"


def test_a_warm_up_is_the_same_stage_without_a_verdict() -> None:
    mirror = model.Mirror(percent=50.0, seconds=20.0)
    first, *rest = plan_of(replace(make_spec(), warm_up=mirror))
    assert (first.kind, first.control) == (K.SHADOW, model.Control.NONE)
    assert not first.needs_proof
    assert [stage.kind for stage in rest] == [K.LIVE, K.LIVE, K.SWITCH]
    assert field_of(first) == "spec.strategy.canary.warmup.mirrorPercent"
    assert field_of(rest[0]) == "spec.strategy"


@pytest.mark.parametrize(
    ("live", "mirror", "load", "share"),
    [(10, 0, 10, 0.1), (0, 20, 20, 1 / 6), (0, 100, 100, 0.5), (50, 100, 100, 0.75), (0, 0, 0, 0)],
)
def test_what_a_candidate_carries_and_counts(
    live: float, mirror: float, load: float, share: float
) -> None:
    exposure = model.Exposure(live_percent=live, mirror_percent=mirror)
    assert exposure.load_percent == load
    assert exposure.counted_share == pytest.approx(share)


# --- its walk ------------------------------------------------------------------------------------


def test_pods_come_before_copies_and_stable_keeps_all_of_its_own() -> None:
    world = shadowing()
    assert world.pods() == {V1.hash: 4, V2.hash: 1}
    assert world.status.message == (
        "serving 1.0; 2.0 with copies of 20 % of the requests (step shadow)"
    )
    assert world.condition("Ready").reason == "Shadowing"
    assert "tidegate.dev/traffic-restore" in world.finalizers


@pytest.mark.parametrize("then", [T.PROMOTE, T.CANARY])
def test_a_proven_shadow_goes_on_and_its_evidence_does_not(then: model.Then) -> None:
    world = shadowing(then)
    since = rollout(world).evidence_since
    world.tick(30.0)
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert rollout(world).plan[0].state is model.StepState.PASSED
    assert not world.traffic.mirrors
    kept = rollout(world).evidence_since
    assert (kept != since) is (then is T.CANARY)
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.reason == "all steps passed"


def test_no_user_is_given_to_a_shadow_before_its_verdict() -> None:
    world = shadowing()
    for _ in range(30):
        world.tick(10.0)
    assert world.traffic.weights[V1.hash] == 100.0
    assert all(set(seen) == {V1.hash, V2.hash} and not seen[V2.hash] for seen in world.weights_seen)


@pytest.mark.parametrize("then", list(T))
def test_harm_takes_the_copies_away_and_rejects(then: model.Then) -> None:
    world = shadowing(then)
    world.analysis = BREACH
    world.tick()
    assert not world.traffic.mirrors
    world.run_until(P.ROLLED_BACK)
    assert [one.revision for one in world.status.rejected] == [V2.hash]
    assert world.traffic.rolled_back_revision == V2.hash
    assert not world.finalizers


def test_a_crash_takes_the_copies_away() -> None:
    world = shadowing()
    world.broken = frozenset({V2.hash})
    world.tick()
    world.run_until(P.ROLLED_BACK)
    assert not world.traffic.mirrors


def test_lost_pods_end_the_copies_until_they_are_back() -> None:
    world = shadowing()
    world.revisions[V2.hash] = replace(world.revisions[V2.hash], ready=0, lost="evicted")
    world.tick()
    assert not world.traffic.mirrors
    assert rollout(world).withdrawn
    world.run_while(lambda: not world.traffic.mirrors)
    assert not world.status.rejected


@pytest.mark.parametrize(("wanted", "result"), [(V1, "Aborted"), (V3, "Superseded")])
def test_another_spec_ends_the_copies_first(wanted: model.Revision, result: str) -> None:
    world = shadowing()
    world.deploy(wanted)
    world.tick()
    assert not world.traffic.mirrors
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)
    assert not world.status.rejected
    results = [one.last.result for one in world.records.values()]
    assert result in results


def test_deletion_ends_the_copies() -> None:
    world = shadowing()
    world.deleting = True
    world.run_while(lambda: bool(world.finalizers))
    assert not world.traffic.mirrors


def test_copies_that_somebody_else_took_away_are_written_again() -> None:
    world = shadowing()
    world.traffic = replace(world.traffic, mirrors={})
    world.tick()
    assert world.traffic.mirrors == {V2.hash: 20.0}


def test_copies_that_nobody_asked_for_are_taken_away_at_rest() -> None:
    world = serving()
    world.traffic = replace(world.traffic, mirrors={"audit": 100.0})
    world.tick()
    assert not world.traffic.mirrors


def test_replicas_of_nothing_prove_nothing() -> None:
    world = shadowing()
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=0)
    world.tick()
    world.settle()
    assert world.status.phase is P.PAUSED
    assert not world.traffic.mirrors


def test_a_shadow_answers_nobody_while_stable_has_no_pods() -> None:
    world = shadowing()
    world.held[V1.hash] = 0
    for _ in range(20):
        world.tick(5.0)
    assert world.status.failover is None
    assert world.traffic.weights[V1.hash] == 100.0


# --- Hold ----------------------------------------------------------------------------------------


@made_once
def held() -> World:
    world = shadowing(T.HOLD)
    world.tick(61.0)
    world.analysis = ADVANCE
    world.run_until(P.PAUSED)
    return world


def test_hold_waits_for_a_person_and_says_so_once() -> None:
    world = held()
    waits = rollout(world).waiting_for
    assert waits is not None
    assert waits.reason is model.Waiting.MANUAL_STEP
    assert "request promote" in waits.message
    writes = world.status_writes
    for _ in range(20):
        world.tick(60.0)
    assert world.status_writes == writes
    assert world.traffic.mirrors == {V2.hash: 20.0}


def test_what_is_missing_later_does_not_end_the_wait() -> None:
    world = held()
    world.analysis = replace(HOLD, consecutive_errors=99)
    world.tick(60.0)
    waits = rollout(world).waiting_for
    assert waits is not None
    assert waits.reason is model.Waiting.MANUAL_STEP


@pytest.mark.parametrize(
    ("asked", "phase", "serves"),
    [("promote", P.HEALTHY, V2), ("promote-full", P.HEALTHY, V2), ("abort", P.ROLLED_BACK, V1)],
)
def test_a_request_ends_the_wait(asked: str, phase: model.Phase, serves: model.Revision) -> None:
    world = held()
    world.ask(asked, V2)
    world.run_until(phase)
    assert world.status.stable is not None
    assert world.status.stable.revision == serves.hash
    assert not world.traffic.mirrors


# --- Stop ----------------------------------------------------------------------------------------


@made_once
def stopped() -> World:
    world = shadowing(T.STOP)
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)
    return world


def test_stop_ends_with_neither_promotion_nor_rejection() -> None:
    world = stopped()
    last = world.status.last_rollout
    assert last is not None
    assert (last.result, last.by) == (model.RolloutResult.COMPLETED, "Strategy")
    assert not world.status.rejected
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.condition("Promoted").reason == "Completed"
    assert world.condition("Ready").status == "True"
    assert "2.0 is not promoted" in world.status.message
    assert not world.traffic.rolled_back_revision


def test_what_was_stopped_is_not_begun_again_unasked_and_loses_its_pods() -> None:
    world = stopped()
    world.settle()
    assert world.pods() == {V1.hash: 4}
    assert not rollout(world).active


def test_a_retry_begins_it_again() -> None:
    world = stopped()
    world.analysis = HOLD
    world.tick()
    world.ask("retry", V2)
    world.run_until(P.SHADOWING)
    assert rollout(world).attempt == 2


def test_a_strategy_that_promotes_takes_it_up() -> None:
    world = stopped()
    assert world.spec is not None
    world.spec = replace(world.spec, shadow=shadow(T.PROMOTE))
    world.generation += 1
    world.run_until(P.HEALTHY)
    world.settle()
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_the_next_version_has_a_shadow_of_its_own() -> None:
    world = stopped()
    world.deploy(V3)
    world.run_until(P.SHADOWING)
    assert rollout(world).revision == V3


def test_promote_full_gives_a_stopping_one_the_users() -> None:
    world = shadowing(T.STOP)
    world.ask("promote-full", V2)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.result is model.RolloutResult.FAST_PROMOTED


def test_harm_seen_while_it_leaves_rejects_it() -> None:
    world = shadowing(T.STOP)
    world.tick(61.0)
    world.analysis, world.accept = ADVANCE, False
    world.tick()
    assert rollout(world).rollback_by == "Strategy"
    world.traffic = replace(world.traffic, mirrors={V2.hash: 20.0})
    world.analysis = BREACH
    world.tick()
    world.traffic = replace(world.traffic, accepted=True)
    world.run_until(P.ROLLED_BACK)
    assert [one.revision for one in world.status.rejected] == [V2.hash]


@pytest.mark.parametrize(
    "changed",
    [
        {"request": "abort"},
        {"outcome": "Refused"},
        {"revision": V3.hash},
    ],
)
def test_only_an_accepted_retry_of_it_begins_it_again(changed: dict[str, str]) -> None:
    world = stopped()
    last = world.status.last_rollout
    assert last is not None
    asked = model.HandledRequest(
        request="retry",
        revision=V2.hash,
        requested_at="",
        handled_at=last.finished_at,
        outcome="Accepted",
    )
    retried = replace(world.status, last_handled_request=asked)
    other = replace(world.status, last_handled_request=replace(asked, **changed))  # type: ignore[arg-type]
    seen = world.observe()
    assert not completion.is_completed(Turn(seen=seen, status=retried))
    assert completion.is_completed(Turn(seen=seen, status=other))


# --- warm-up -------------------------------------------------------------------------------------


def test_a_warm_up_ends_on_time_and_what_follows_is_judged() -> None:
    world = serving()
    assert world.spec is not None
    world.spec = replace(world.spec, warm_up=model.Mirror(percent=50.0, seconds=20.0))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.SHADOWING)
    world.run_until(P.PROGRESSING)
    assert not world.traffic.mirrors
    world.analysis = ADVANCE
    world.run_until(P.HEALTHY)
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.result is model.RolloutResult.PROMOTED


def test_evidence_must_be_in_reach_before_users_although_copies_came_first() -> None:
    world = serving()
    assert world.spec is not None
    world.spec = replace(world.spec, warm_up=model.Mirror(percent=50.0, seconds=20.0))
    world.preflight = (
        model.Preflight(
            metric="error-ratio",
            source="default",
            reason=model.PreflightReason.METRIC_MISSING,
            ready=False,
        ),
    )
    world.deploy(V2)
    world.run_until(P.PAUSED)
    waits = rollout(world).waiting_for
    assert waits is not None
    assert waits.reason is model.Waiting.EVIDENCE
    assert world.traffic.weights[V1.hash] == 100.0


# --- what was measured ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exposure", "percent", "told"),
    [
        (model.Exposure(live_percent=10.0), 9.876, (9.88, None)),
        (COPIES, 100 / 6, (None, 20.0)),
        (COPIES, 100.0, (None, None)),
        (model.Exposure(live_percent=50.0, mirror_percent=20.0), 7000 / 120, (None, 20.0)),
    ],
)
def test_what_was_counted_is_told_as_answers_or_as_copies(
    exposure: model.Exposure, percent: float, told: tuple[float | None, float | None]
) -> None:
    observed = numbers.observed(replace(rollout(shadowing()), exposure=exposure), percent)
    assert (observed.observed_candidate_percent, observed.observed_mirror_percent) == told


def test_a_weight_forgets_what_was_measured_of_copies() -> None:
    before = replace(rollout(shadowing()), observed_mirror_percent=19.0)
    live = replace(before, exposure=model.Exposure(live_percent=10.0))
    assert numbers.observed(live, 10.0).observed_mirror_percent is None


@pytest.mark.parametrize(
    ("live", "mirror", "text"),
    [
        (10, 0, "10 %"),
        (0, 0, "0 %"),
        (0, 0.5, "copies of 0.5 % of the requests"),
        (5, 20, "5 % and copies of 20 % of the requests"),
    ],
)
def test_exposures_in_words(live: float, mirror: float, text: str) -> None:
    assert exposure_text(model.Exposure(live_percent=live, mirror_percent=mirror)) == text
