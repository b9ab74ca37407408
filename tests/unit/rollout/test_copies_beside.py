"""Copies of requests beside a share of the users, and for a preview.

Source: issue 14, 1 to 3; api.md, 5.3 (`steps[].mirrorPercent`, `prePromotion.mirrorPercent`); ADR 0059.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout_world import ADVANCE, BREACH, HOLD, V1, V2, World, made_once, make_spec, serving

from tidegate import model
from tidegate.api.mirror_checks import violations
from tidegate.rollout import adoption, numbers
from tidegate.rollout.plan import counts_apart
from tidegate.rollout.strategy.compile import field_of, plan_of
from tidegate.rollout.turn import exposure_text
from tidegate.traffic.sizing import whole

P, K = model.Phase, model.StageKind
SAFE = {"metadata": {"annotations": {"tidegate.dev/shadow-safe": "true"}}}


def copied(spec: model.Spec, *percents: float) -> model.Spec:
    """The spec with copies in its steps."""
    steps = zip(spec.steps, percents, strict=True)
    return replace(
        spec, steps=tuple(replace(step, mirror_percent=percent) for step, percent in steps)
    )


@made_once
def mixing(*percents: float, **options: object) -> World:
    """A world in which the second version has its first share, and copies beside it."""
    world = serving(**options)  # type: ignore[arg-type]
    assert world.spec is not None
    world.spec = copied(world.spec, *(percents or (20.0, 0.0)))
    world.analysis = HOLD
    world.deploy(V2)
    world.run_until(P.PROGRESSING)
    world.run_while(lambda: confirmed(world) is None)
    return world


def rollout(world: World) -> model.Rollout:
    assert world.status.rollout is not None
    return world.status.rollout


def confirmed(world: World) -> object:
    step = rollout(world).step
    return step.confirmed_at if step is not None else None


def given_to(world: World, revision: model.Revision) -> tuple[float, float]:
    traffic = world.traffic
    return traffic.weights.get(revision.hash, 0.0), traffic.mirrors.get(revision.hash, 0.0)


# --- steps of a canary ---------------------------------------------------------------------------


def test_a_step_has_copies_beside_its_share_and_its_field_names_it() -> None:
    first, second, *_ = plan_of(copied(make_spec(), 20.0, 0.0))
    assert first.exposure == model.Exposure(live_percent=10.0, mirror_percent=20.0)
    assert (first.kind, first.control) == (K.LIVE, model.Control.CONCURRENT)
    assert field_of(first) == "spec.strategy.canary.steps[p10].mirrorPercent"
    assert field_of(second) == "spec.strategy"


def test_pods_are_there_for_both_and_both_are_told() -> None:
    world = mixing(30.0, 0.0)
    assert given_to(world, V2) == (10.0, 30.0)
    assert world.pods() == {V1.hash: 4, V2.hash: 2}
    assert "with 10 % and copies of 30 % of the requests" in world.status.message


def test_copies_end_with_their_step_and_what_they_showed_does_not_count_on() -> None:
    world = mixing()
    since = rollout(world).evidence_since
    world.analysis = ADVANCE
    world.tick(60.0)
    world.run_while(lambda: rollout(world).plan[1].confirmed_at is None)
    world.run_while(lambda: confirmed(world) is None)
    assert given_to(world, V2) == (50.0, 0.0)
    assert rollout(world).evidence_since != since
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_evidence_goes_on_while_copies_do() -> None:
    world = mixing(20.0, 30.0)
    since = rollout(world).evidence_since
    world.analysis = ADVANCE
    world.tick(60.0)
    world.run_while(lambda: given_to(world, V2) != (50.0, 30.0))
    world.run_while(lambda: confirmed(world) is None)
    assert rollout(world).evidence_since == since


def test_harm_takes_share_and_copies_at_once() -> None:
    world = mixing()
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    assert given_to(world, V2) == (0.0, 0.0)
    assert V2.hash in {one.revision for one in world.status.rejected}


def test_a_small_surge_gives_the_share_first_and_copies_once_there_is_room() -> None:
    seen: list[tuple[float, float]] = []
    world = serving(scaling=model.Scaling(max_surge_percent=25.0), weights=(25.0, 50.0))
    assert world.spec is not None
    world.spec = copied(world.spec, 25.0, 0.0)
    world.analysis = HOLD
    world.deploy(V2)
    for _ in range(60):
        world.tick()
        if not seen or seen[-1] != given_to(world, V2):
            seen.append(given_to(world, V2))
        assert sum(world.pods().values()) <= 5
    assert seen == [(0.0, 0.0), (25.0, 0.0), (25.0, 25.0)]
    assert world.pods() == {V1.hash: 3, V2.hash: 2}
    assert confirmed(world) is not None


def test_copies_that_are_made_go_on_while_the_next_share_waits_for_room() -> None:
    """The step before is judged until then: far fewer requests would pass for silence."""
    scaling = model.Scaling(max_surge_percent=50.0)
    world = serving(scaling=scaling, weights=(5.0, 10.0), replicas=10)
    assert world.spec is not None
    world.spec = copied(world.spec, 45.0, 45.0)
    world.deploy(V2)
    seen: list[tuple[float, float]] = []
    for _ in range(200):
        world.tick()
        if given_to(world, V2) not in seen[-1:]:
            seen.append(given_to(world, V2))
        if given_to(world, V2) == (10.0, 45.0):
            break
    assert seen[-1] == (10.0, 45.0)
    first = seen.index((5.0, 45.0))
    assert [mirror for _, mirror in seen[first:] if mirror < 40] == [], seen


def test_who_answers_for_a_lost_stable_gets_no_copies_beside_it() -> None:
    world = mixing()
    world.held[V1.hash] = 0
    world.run_while(lambda: given_to(world, V2)[0] < 100)
    assert given_to(world, V2) == (100.0, 0.0)
    del world.held[V1.hash]
    world.run_while(lambda: given_to(world, V2) != (10.0, 20.0))
    world.run_while(lambda: confirmed(world) is None)


@pytest.mark.parametrize(
    ("before", "after", "apart"),
    [
        ((K.LIVE, 20.0), (K.LIVE, 0.0), True),
        ((K.LIVE, 20.0), (K.LIVE, 5.0), False),
        ((K.LIVE, 0.0), (K.LIVE, 20.0), False),
        ((K.SHADOW, 20.0), (K.LIVE, 20.0), True),
        ((K.SHADOW, 20.0), (K.SHADOW, 5.0), False),
    ],
)
def test_what_counts_on(
    before: tuple[model.StageKind, float], after: tuple[model.StageKind, float], *, apart: bool
) -> None:
    def stage(kind: model.StageKind, percent: float) -> model.Stage:
        return model.Stage(
            name="x",
            kind=kind,
            weight_percent=0.0,
            effective_weight_percent=0.0,
            mirror_percent=percent,
        )

    assert counts_apart(stage(*before), stage(*after)) is apart


@pytest.mark.parametrize(
    ("live", "mirror", "percent", "told"),
    [
        (10.0, 20.0, 25.0, 20.0),  # 10 and 20 of 120 that both count
        (10.0, 20.0, 20.0, 12.5),
        (10.0, 20.0, 5.0, 0.0),  # fewer than the share alone
        (0.0, 20.0, 20.0, 25.0),
        (10.0, 20.0, 100.0, None),
    ],
)
def test_copies_are_measured_beside_the_share_that_was_written(
    live: float, mirror: float, percent: float, told: float | None
) -> None:
    exposure = model.Exposure(live_percent=live, mirror_percent=mirror)
    observed = numbers.observed(replace(rollout(mixing()), exposure=exposure), percent)
    assert observed.observed_mirror_percent == told
    assert observed.observed_candidate_percent is None


@given(
    replicas=st.integers(1, 12),
    surge=st.sampled_from((0.0, 10.0, 25.0, 50.0, 100.0)),
    weight=st.sampled_from((0.5, 10.0, 25.0, 50.0, 80.0)),
    percent=st.sampled_from((0.5, 20.0, 45.0)),
    policy=st.sampled_from(tuple(model.SurgePolicy)),
)
def test_what_is_not_refused_is_reached(
    replicas: int, surge: float, weight: float, percent: float, policy: model.SurgePolicy
) -> None:
    """Copies that the surge has no room for would be waited for without end."""
    added = 0.0 if policy is model.SurgePolicy.RECREATE else surge
    missing = 50.0 if policy is not model.SurgePolicy.SURGE else 0.0
    scaling = model.Scaling(
        max_surge_percent=added, max_unavailable_percent=missing, surge_policy=policy
    )
    percent = min(percent, 100.0 - weight)
    spec = replace(make_spec(weights=(weight,), replicas=replicas, scaling=scaling), template=SAFE)
    spec = copied(spec, percent)
    if list(violations(spec)):
        return
    world = serving(weights=(weight,), replicas=replicas, scaling=scaling)
    world.spec, world.analysis = spec, HOLD
    world.deploy(V2)
    for _ in range(40 + 4 * replicas):
        world.tick(5.0)
    stage = rollout(world).plan[0].exposure
    assert given_to(world, V2) == (stage.live_percent, percent)


@pytest.mark.parametrize(
    ("scaling", "said"),
    [
        (model.Scaling(max_surge_percent=25.0), ""),
        (
            model.Scaling(max_surge_percent=0.0),
            "45 % beside 50 % of the users need 7 pods, and scaling.maxSurgePercent of 0 gives room for 5",
        ),
        (
            model.Scaling(max_surge_percent=0.0, surge_policy=model.SurgePolicy.BORROW),
            "surgePolicy Borrow gives room for 5",
        ),
    ],
)
def test_copies_that_find_no_room_are_refused(scaling: model.Scaling, said: str) -> None:
    spec = replace(make_spec(weights=(25.0, 50.0), replicas=8, scaling=scaling), template=SAFE)
    percents = (0.0, 20.0 if not said else 45.0)
    found = list(violations(copied(spec, *percents)))
    assert [one.path for one in found] == ["spec.strategy.canary.steps[p50].mirrorPercent"] * bool(
        said
    )
    assert all(said in one.message for one in found)


def test_adopting_takes_copies_away_or_adds_them() -> None:
    world = mixing()
    for percent in (0.0, 35.0):
        spec = copied(make_spec(), percent, 0.0)
        adopted = adoption.adopted(rollout(world), spec)
        assert adopted.plan[0].exposure.mirror_percent == percent
        assert adopted.step is not None
        assert adopted.step.confirmed_at is None


def test_a_share_that_stays_leaves_room_for_fewer_copies() -> None:
    world = mixing(0.0, 0.0)
    spec = copied(make_spec(), 90.0, 0.0)
    lower = replace(spec.steps[0], weight_percent=5.0)
    adopted = adoption.adopted(rollout(world), replace(spec, steps=(lower, *spec.steps[1:])))
    stage = adopted.plan[0]
    assert stage.exposure.live_percent == 10.0
    assert stage.exposure.live_percent + stage.exposure.mirror_percent <= 100


# --- the preview of blue-green -------------------------------------------------------------------


@made_once
def previewing(percent: float, *, requests: int = 10) -> World:
    world = serving()
    assert world.spec is not None
    asked = model.BlueGreen(
        preview_service="iris-preview",
        preview_seconds=60.0,
        mirror_percent=percent,
        min_requests=requests,
    )
    world.spec = replace(
        world.spec,
        steps=(),
        blue_green=asked,
        traffic=replace(world.spec.traffic, exclusive=True),
        scaling=whole.SCALING,
        bake=model.Bake(seconds=60.0),
    )
    world.generation += 1
    world.settle()
    world.analysis = HOLD
    world.deploy(V2)
    world.tick()
    world.run_while(lambda: confirmed(world) is None)
    return world


def test_a_preview_with_copies_is_held_against_stable() -> None:
    world = previewing(20.0)
    stage = rollout(world).plan[0]
    assert (stage.kind, stage.control) == (K.PREVIEW, model.Control.CONCURRENT)
    assert stage.needs_proof
    assert field_of(stage) == "spec.strategy.blueGreen.prePromotion.mirrorPercent"
    assert given_to(world, V2) == (0.0, 20.0)
    assert "with its preview and copies of 20 % of the requests" in world.status.message


def test_the_switch_ends_copies_and_their_evidence() -> None:
    world = previewing(20.0)
    since = rollout(world).evidence_since
    world.analysis = ADVANCE
    world.tick(60.0)
    world.run_until(P.BAKING)
    world.run_while(lambda: confirmed(world) is None)
    assert given_to(world, V2) == (100.0, 0.0)
    assert rollout(world).evidence_since != since


def test_a_preview_that_is_worse_than_stable_is_rejected() -> None:
    world = previewing(20.0)
    world.analysis = BREACH
    world.run_until(P.ROLLED_BACK)
    assert given_to(world, V2) == (0.0, 0.0)
    assert set(world.weights_seen[-1]) >= {V1.hash}
    assert all(not seen.get(V2.hash) for seen in world.weights_seen)


def test_a_preview_whose_copies_are_adopted_is_compared_from_then_on() -> None:
    world = previewing(0.0)
    assert rollout(world).plan[0].control is model.Control.LIMITS_ONLY
    assert world.spec is not None
    assert world.spec.blue_green is not None
    wanted = replace(world.spec, blue_green=replace(world.spec.blue_green, mirror_percent=30.0))
    stage = adoption.adopted(rollout(world), wanted).plan[0]
    assert (stage.control, stage.mirror_percent) == (model.Control.CONCURRENT, 30.0)


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exposure", "text"),
    [
        (model.Exposure(live_percent=0.0, preview=True), "its preview"),
        (
            model.Exposure(live_percent=0.0, preview=True, mirror_percent=5.0),
            "its preview and copies of 5 % of the requests",
        ),
        (
            model.Exposure(live_percent=2.5, mirror_percent=5.0),
            "2.5 % and copies of 5 % of the requests",
        ),
    ],
)
def test_what_a_candidate_gets_in_words(exposure: model.Exposure, text: str) -> None:
    assert exposure_text(exposure) == text
