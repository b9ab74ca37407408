"""The bake: promoted and watched, with stable as the way back. Source: api.md, 5.3; house.md, H5."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, V3, World, made_once, serving

from tidegate import model

P = model.Phase
PROVIDERS = list(model.Provider)


@made_once
def baking(
    provider: model.Provider = model.Provider.GATEWAY_API, *, kept_percent: float = 100.0
) -> World:
    world = serving(provider=provider)
    assert world.spec is not None
    world.spec = replace(world.spec, bake=model.Bake(seconds=600.0, kept_percent=kept_percent))
    world.deploy(V2)
    world.run_until(P.BAKING)
    return world


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_is_promoted_at_once_and_stable_when_the_bake_has_passed(
    provider: model.Provider,
) -> None:
    world = baking(provider)
    assert world.condition("Promoted").status == "True"
    assert world.condition("Ready").status == "False"
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.reasons().count("Promoted") == 1
    assert world.status.message.startswith("serving 2.0; 2.0 is watched")
    since = world.now
    world.run_until(P.HEALTHY)
    assert (world.now - since).total_seconds() >= 590
    assert world.status.stable.revision == V2.hash
    assert world.reasons()[-1] == "BakeCompleted"
    assert world.reasons().count("Promoted") == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_bake_is_asked_for_and_none_is_made(provider: model.Provider) -> None:
    world = serving(provider=provider)
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    assert world.status.rollout is not None
    assert [stage.kind for stage in world.status.rollout.plan][-1] is model.StageKind.SWITCH


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ((), "nothing was measured in the bake"),
        ((("a", "Inconclusive"),), "nothing broke a limit in the bake"),
        ((("a", "NoData"), ("b", "Pass")), "in the bake there were no data of a"),
        ((("a", "Error"), ("b", "NoData")), "in the bake there were no data of a, b"),
    ],
)
def test_it_ends_on_time_and_names_what_nobody_saw(
    results: tuple[tuple[str, str], ...], told: str
) -> None:
    world = baking()
    found = tuple(model.MetricResult(name=n, outcome=model.Outcome(o)) for n, o in results)
    world.analysis = replace(HOLD, results=found, consecutive_errors=99)
    world.run_until(P.HEALTHY)
    assert world.status.last_rollout is not None
    assert world.status.last_rollout.reason == f"all steps passed; {told}"


def test_what_judges_is_said_in_status() -> None:
    world = baking()
    assert world.status.rollout is not None
    assert world.status.rollout.step is not None
    assert world.status.rollout.step.estimate == (
        "nothing was recorded of stable; judged by absolute limits: error-ratio"
    )


@pytest.mark.parametrize(
    ("limited", "told"),
    [
        (
            True,
            "nothing was recorded of stable; judged by absolute limits: error-ratio; not judged without stable beside it: p95",
        ),
        (
            False,
            "nothing was recorded of stable; nothing has a limit; not judged without stable beside it: error-ratio, p95",
        ),
    ],
)
def test_what_cannot_be_judged_without_stable_beside_it_is_said(
    limited: bool,  # noqa: FBT001
    told: str,
) -> None:
    world = serving()
    assert world.spec is not None
    (known,) = world.spec.analysis.metrics
    known = known if limited else replace(known, threshold=model.NO_THRESHOLD)
    compared = replace(known, name="p95", threshold=model.NO_THRESHOLD)
    shown = replace(compared, name="shown", dry_run=True)
    analysis = replace(world.spec.analysis, metrics=(known, compared, shown))
    world.spec = replace(world.spec, analysis=analysis, bake=model.Bake(seconds=600.0))
    world.deploy(V2)
    world.run_until(P.BAKING)
    assert world.status.rollout is not None
    assert world.status.rollout.step is not None
    assert world.status.rollout.step.estimate == told


def test_a_breach_gives_everything_back_at_once_where_stable_kept_its_pods() -> None:
    world = baking()
    world.analysis = BREACH
    world.weights_seen.clear()
    world.run_until(P.ROLLED_BACK)
    assert world.weights_seen[0] == {V1.hash: 100.0}
    assert [one.revision for one in world.status.rejected] == [V2.hash]


def test_a_breach_waits_for_pods_of_stable_where_it_was_shrunk() -> None:
    world = baking(kept_percent=25.0)
    world.run_while(lambda: world.pods()[V1.hash] == 4)
    assert world.pods() == {V1.hash: 1, V2.hash: 4}
    world.analysis = BREACH
    world.weights_seen.clear()
    world.run_until(P.ROLLED_BACK)
    assert world.weights_seen[0] == {V1.hash: 25.0, V2.hash: 75.0}
    assert world.weights_seen[-1] == {V1.hash: 100.0}
    assert world.pods()[V1.hash] == 4


def test_stable_shrinks_only_when_its_last_requests_are_answered() -> None:
    world = baking(kept_percent=25.0)
    world.run_while(lambda: world.pods()[V1.hash] == 4)
    bake = world.status.active_rollout
    assert bake is not None
    assert bake.step is not None
    assert bake.step.confirmed_at is not None
    assert (world.now - bake.step.confirmed_at).total_seconds() >= 30


def test_stable_keeps_one_pod_at_least() -> None:
    world = baking(kept_percent=0.0)
    world.run_while(lambda: world.pods()[V1.hash] == 4)
    assert world.pods() == {V1.hash: 1, V2.hash: 4}


def test_one_that_was_withdrawn_in_the_bake_comes_back_and_bakes_anew() -> None:
    world = baking()
    state = world.revisions[V2.hash]
    world.revisions[V2.hash] = replace(state, ready=0, lost="evicted")
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.status.message.startswith("serving 1.0")
    world.run_while(lambda: world.traffic.weights.get(V2.hash) != 100.0)
    assert world.status.phase is P.BAKING
    world.run_until(P.HEALTHY)
    assert not world.status.rejected


def test_replicas_of_nothing_bake_until_their_time() -> None:
    world = baking()
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=0)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_promote_full_skips_the_bake_and_says_so() -> None:
    world = baking()
    world.ask("promote-full", V2)
    world.run_until(P.HEALTHY)
    last, rollout = world.status.last_rollout, world.status.rollout
    assert last is not None
    assert rollout is not None
    assert (last.result, last.reason) == (
        model.RolloutResult.FAST_PROMOTED,
        "promoted by request",
    )
    assert rollout.plan[-1].state is model.StepState.SKIPPED


def test_a_pause_holds_the_bake() -> None:
    world = baking()
    world.ask("pause", V2)
    world.tick()
    world.tick(1000.0)
    assert world.status.phase is P.PAUSED
    world.ask("resume", V2)
    world.run_until(P.HEALTHY)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_newer_version_replaces_one_that_bakes(provider: model.Provider) -> None:
    world = baking(provider)
    world.analysis = ADVANCE
    world.deploy(V3)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V3.hash
    assert not world.status.rejected


def test_the_finalizer_is_held_through_the_bake() -> None:
    world = baking()
    assert world.finalizers
    world.run_until(P.HEALTHY)
    world.settle()
    assert not world.finalizers


# --- stable's pods are the way back, and go only while the promoted version has its own -----------


BY_WEIGHT = pytest.mark.parametrize(
    "provider", [model.Provider.GATEWAY_API, model.Provider.CONTOUR]
)


def _short_in_the_bake(provider: model.Provider, *, ready: int) -> World:
    world = baking(provider, kept_percent=25.0)
    world.held[V2.hash] = ready
    for _ in range(20):
        world.tick(5.0)
    return world


@BY_WEIGHT
@pytest.mark.parametrize(("ready", "kept"), [(1, 4), (2, 4), (3, 1)])
def test_stable_keeps_its_pods_while_the_promoted_version_lacks_some(
    provider: model.Provider, ready: int, kept: int
) -> None:
    world = _short_in_the_bake(provider, ready=ready)
    assert world.pods()[V1.hash] == kept
    assert world.traffic.weights.get(V2.hash) == 100.0


@BY_WEIGHT
def test_the_delay_begins_when_the_promoted_version_has_its_pods(provider: model.Provider) -> None:
    world = _short_in_the_bake(provider, ready=1)
    del world.held[V2.hash]
    world.tick(1.0)
    since = world.now
    world.run_while(lambda: world.pods()[V1.hash] == 4)
    assert (world.now - since).total_seconds() >= 30
    assert world.pods()[V1.hash] == 1


@BY_WEIGHT
def test_pods_that_went_already_do_not_come_for_pods_that_flap(provider: model.Provider) -> None:
    world = baking(provider, kept_percent=25.0)
    world.run_while(lambda: world.pods()[V1.hash] == 4)
    for ready in (1, 4, 1):
        world.held[V2.hash] = ready
        for _ in range(3):
            world.tick(5.0)
            assert world.pods()[V1.hash] == 1


def test_the_delay_starts_again_where_the_clock_went_back() -> None:
    world = baking(kept_percent=25.0)
    world.now -= timedelta(hours=1)
    world.tick(1.0)
    world.run_while(lambda: world.pods()[V1.hash] == 4, limit=20)


def test_an_invalid_spec_takes_no_pods_either() -> None:
    world = baking(kept_percent=25.0)
    world.held[V2.hash] = 1
    world.violations = (model.Violation(path="spec.server.port", message="must be a number"),)
    for _ in range(20):
        world.tick(5.0)
    assert world.status.phase is P.INVALID
    assert world.pods()[V1.hash] == 4
