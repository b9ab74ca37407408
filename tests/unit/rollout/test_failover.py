"""Stable has no ready pod: who answers for it, since when, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import BREACH, HOLD, V1, V2, V3, World, made_once, serving

from tidegate import model
from tidegate.rollout.failover import BEGIN_SECONDS, END_SECONDS

GATEWAY, RATIO = model.Provider.GATEWAY_API, model.Provider.REPLICA_RATIO
BOTH = pytest.mark.parametrize("provider", [GATEWAY, RATIO])
SPOILT = model.Violation(path="spec.strategy.canary.steps[0].weight", message="must be a number")


@made_once
def walking(percent: float = 25.0, **options: object) -> World:
    """A candidate with this weight and nothing proven yet."""
    world = serving(weights=(percent,), **options)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < percent)
    world.tick()
    return world


@made_once
def promoted(provider: model.Provider, **options: object) -> World:
    """The second version serves, and the pods of the first are still there."""
    world = serving(provider=provider, weights=(50.0,), **options)
    world.deploy(V2)
    world.run_until(model.Phase.HEALTHY, seconds=1.0)
    world.tick()
    assert world.revisions[V1.hash].ready > 0
    return world


def set_ready(world: World, revision: model.Revision, ready: int) -> None:
    """Pods that stay as they are whatever time passes."""
    world.held[revision.hash] = ready
    state = world.revisions[revision.hash]
    world.revisions[revision.hash] = replace(state, ready=ready, available=ready)


def wait(world: World, seconds: float) -> None:
    for _ in range(int(seconds)):
        world.tick()


@pytest.mark.parametrize("case", ["walking", "paused", "invalid", "promoting", "superseded"])
def test_the_candidate_answers_whatever_its_rollout_does(case: str) -> None:
    world = walking()
    match case:
        case "paused":
            world.ask("pause", V2)
        case "invalid":
            world.violations = (SPOILT,)
        case "promoting":
            world.ask("promote-full", V2)
            set_ready(world, V2, 1)
    world.tick()
    set_ready(world, V1, 0)
    if case == "superseded":
        world.deploy(V3)
    wait(world, BEGIN_SECONDS + 2)
    assert world.traffic.weights[V2.hash] == 100.0
    assert world.condition("FailedOver").status == "True"
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.reasons().count("FailedOver") == 1


@BOTH
@pytest.mark.parametrize("spoilt", [False, True])
def test_what_served_before_answers_at_rest(provider: model.Provider, *, spoilt: bool) -> None:
    world = promoted(provider)
    set_ready(world, V2, 0)
    world.violations = (SPOILT,) if spoilt else ()
    wait(world, BEGIN_SECONDS + 2)
    assert {r for r, share in world.traffic.weights.items() if share} == {V1.hash}
    wait(world, 300)
    assert world.revisions[V1.hash].wanted > 0, "it is needed"
    set_ready(world, V2, 4)
    wait(world, END_SECONDS - 2)
    assert world.traffic.weights[V1.hash] == 100.0
    wait(world, 5)
    assert {r for r, share in world.traffic.weights.items() if share} == {V2.hash}
    assert world.status.failover is None
    wait(world, 60)
    assert world.revisions[V1.hash].wanted == 0


@pytest.mark.parametrize(("ready", "back"), [(0, False), (1, False), (2, False), (3, True)])
def test_the_share_goes_back_to_as_many_pods_as_carry_it(ready: int, *, back: bool) -> None:
    """A quarter of four pods may always be missing."""
    world = walking(25.0)
    set_ready(world, V1, 0)
    wait(world, BEGIN_SECONDS + 2)
    set_ready(world, V1, ready)
    wait(world, END_SECONDS + 3)
    assert (world.traffic.weights[V2.hash] == 25.0) is back


def test_the_step_is_judged_anew_afterwards() -> None:
    world = walking()
    set_ready(world, V1, 0)
    wait(world, 20)
    set_ready(world, V1, 4)
    wait(world, END_SECONDS + 3)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.step is not None
    assert rollout.step.confirmed_at is not None
    assert (world.now - rollout.step.confirmed_at).total_seconds() <= 3
    assert rollout.evidence_since == rollout.step.confirmed_at


def test_a_rejected_revision_gets_no_more_and_gives_back_at_once() -> None:
    world = walking()
    set_ready(world, V1, 0)
    wait(world, 1)
    world.analysis = BREACH
    wait(world, 10)
    assert world.traffic.weights[V2.hash] == 25.0, "nobody else could take it"
    set_ready(world, V1, 1)
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}


def test_harm_of_what_answers_ends_it_with_the_first_ready_pod() -> None:
    world = walking()
    set_ready(world, V1, 0)
    wait(world, 10)
    world.analysis = BREACH
    wait(world, 5)
    assert world.traffic.weights[V2.hash] == 100.0
    set_ready(world, V1, 1)
    world.tick()
    assert world.traffic.weights == {V1.hash: 100.0}


def test_a_clock_that_goes_back_dates_no_step_while_another_answers() -> None:
    """What was confirmed in the future has to be seen again, and not at all of the traffic."""
    world = walking()
    set_ready(world, V1, 0)
    wait(world, BEGIN_SECONDS + 2)
    world.now -= timedelta(hours=1)
    wait(world, 5)
    assert world.traffic.weights[V2.hash] == 100.0
    assert world.status.rollout is not None
    assert world.status.rollout.plan[0].confirmed_at is None
    set_ready(world, V1, 4)
    wait(world, END_SECONDS + 3)
    assert world.traffic.weights[V2.hash] == 25.0
    assert world.status.rollout.plan[0].confirmed_at is not None


@BOTH
@pytest.mark.parametrize("back", [V1, V2])
def test_once_nobody_has_pods_whoever_is_back_first_serves_at_once(
    provider: model.Provider, back: model.Revision
) -> None:
    """Every request fails meanwhile, so nothing is waited for, and traffic is not moved in vain."""
    world = promoted(provider)
    set_ready(world, V2, 0)
    wait(world, BEGIN_SECONDS + 2)
    set_ready(world, V1, 0)
    wait(world, 5)
    assert world.traffic.weights[V1.hash] == 100.0
    set_ready(world, back, 1)
    wait(world, 2)
    assert {r for r, share in world.traffic.weights.items() if share} == {back.hash}
    assert (world.status.failover is None) is (back is V2)


def without_the_last_pods_of_what_answers(provider: model.Provider) -> World:
    """A third version is asked for while the first answers for the second.

    Where pods are the weight it waits until the first has none, as nobody else can take them.
    """
    world = promoted(provider)
    set_ready(world, V2, 0)
    wait(world, BEGIN_SECONDS + 2)
    world.analysis = HOLD
    world.deploy(V3)
    if provider is RATIO:
        gone = replace(world.revisions[V1.hash], wanted=0, ready=0, available=0, asked=0)
        world.revisions[V1.hash], world.held[V1.hash] = gone, 0
    world.run_while(lambda: world.traffic.weights.get(V3.hash, 0.0) == 0)
    return world


def test_a_candidate_takes_over_with_its_first_weight() -> None:
    world = without_the_last_pods_of_what_answers(GATEWAY)
    assert world.traffic.weights[V3.hash] == 100.0
    assert world.traffic.weights.get(V1.hash, 0.0) == 0.0
    assert V3.hash in world.condition("FailedOver").message
    set_ready(world, V2, 4)
    wait(world, END_SECONDS + 3)
    assert world.traffic.weights == {V2.hash: 50.0, V3.hash: 50.0}


def test_where_pods_are_the_weight_endpoints_do_it_once_both_are_selected() -> None:
    world = without_the_last_pods_of_what_answers(RATIO)
    assert world.traffic.weights == {V2.hash: 50.0, V3.hash: 50.0}
    assert world.status.failover is None


def test_where_pods_are_the_weight_a_third_version_says_how_to_go_on() -> None:
    """Its advice is followed: what answers for stable is asked for, serves, and the rest goes on."""
    world = promoted(RATIO)
    set_ready(world, V2, 0)
    wait(world, BEGIN_SECONDS + 2)
    world.deploy(V3)
    wait(world, 5)
    rollout = world.status.rollout
    assert rollout is not None
    assert rollout.waiting_for is not None
    assert rollout.waiting_for.reason is model.Waiting.DRAIN
    assert f"revision {V1.hash} answers for stable" in rollout.waiting_for.message
    assert "deploy that version again" in rollout.waiting_for.message
    world.deploy(V1)
    world.run_until(model.Phase.HEALTHY)
    assert {r for r, share in world.traffic.weights.items() if share} == {V1.hash}
    world.deploy(V3)
    world.run_until(model.Phase.HEALTHY)
    assert world.traffic.weights == {V3.hash: 100.0}


@pytest.mark.parametrize("act", ["aborted", "back", "newer"])
def test_one_that_leaves_gives_all_back_to_the_pods_of_stable(act: str) -> None:
    """Not first to its old share: nobody wants it to have one."""
    world = walking()
    set_ready(world, V1, 0)
    wait(world, BEGIN_SECONDS + 2)
    if act == "aborted":
        world.ask("abort", V2)
    else:
        world.deploy(V1 if act == "back" else V3)
    wait(world, 10)
    assert world.traffic.weights[V2.hash] == 100.0
    world.weights_seen.clear()
    set_ready(world, V1, 4)
    wait(world, END_SECONDS - 2)
    assert world.traffic.weights[V2.hash] == 100.0
    wait(world, 5)
    assert world.weights_seen[0] == {V1.hash: 100.0}
    assert not any(weights.get(V2.hash) for weights in world.weights_seen)


def promoting_on_few_pods() -> World:
    """A person has promoted a candidate that has the pods for its step only."""
    world = walking()
    set_ready(world, V2, 1)
    world.ask("promote-full", V2)
    world.tick()
    set_ready(world, V1, 0)
    wait(world, BEGIN_SECONDS + 2)
    assert world.traffic.weights[V2.hash] == 100.0
    return world


def test_what_a_person_promoted_has_nothing_to_prove_anew() -> None:
    world = promoting_on_few_pods()
    assert world.status.rollout is not None
    before = world.status.rollout.evidence_since
    set_ready(world, V1, 4)
    wait(world, END_SECONDS + 3)
    assert world.traffic.weights[V2.hash] == 25.0
    assert world.status.rollout.evidence_since == before
    set_ready(world, V2, 4)
    world.run_until(model.Phase.HEALTHY)
    assert world.traffic.weights == {V2.hash: 100.0}


def test_one_that_is_promoted_while_it_answers_is_stable_and_stands_in_for_nobody() -> None:
    world = promoting_on_few_pods()
    set_ready(world, V2, 4)
    world.run_until(model.Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert world.status.failover is None
    assert all(one.type != "FailedOver" for one in world.status.conditions)
    assert {r for r, share in world.traffic.weights.items() if share} == {V2.hash}


def test_a_candidate_without_traffic_is_not_asked() -> None:
    world = serving(weights=(25.0,))
    world.deploy(V2)
    world.tick()
    world.ask("pause", V2)
    world.tick()
    set_ready(world, V1, 0)
    wait(world, 30)
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.status.failover is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from((0, 1, 4)), st.integers(1, 40)), min_size=1, max_size=20),
    st.sampled_from(("walking", "rest")),
)
def test_weights_do_not_swing_with_pods(outages: list[tuple[int, int]], case: str) -> None:
    """Two moves of the same kind are never nearer than the delays of both together."""
    world = walking() if case == "walking" else promoted(GATEWAY)
    stable, other = (V1, V2) if case == "walking" else (V2, V1)
    moved: list[float] = []
    share, began = world.traffic.weights.get(other.hash, 0.0), world.now
    for ready, seconds in outages:
        set_ready(world, stable, ready)
        for _ in range(seconds):
            world.tick()
            now = world.traffic.weights.get(other.hash, 0.0)
            if now > share:
                moved.append((world.now - began).total_seconds())
            share = now
    gaps = [later - earlier for earlier, later in pairwise(moved)]
    assert all(gap >= BEGIN_SECONDS + END_SECONDS for gap in gaps), moved


@BOTH
def test_the_history_never_takes_what_answers_for_stable(provider: model.Provider) -> None:
    world = promoted(provider, revision_history_limit=0)
    set_ready(world, V2, 0)
    wait(world, BEGIN_SECONDS + 2)
    assert world.status.failover is not None
    gone = replace(world.revisions[V1.hash], wanted=0, ready=0, available=0)
    world.revisions[V1.hash] = gone
    world.held[V1.hash] = 0
    wait(world, 5)
    assert V1.hash in world.revisions
    set_ready(world, V2, 10)
    wait(world, END_SECONDS + 60)
    assert V1.hash not in world.revisions, "without traffic it goes"


def test_the_history_never_takes_what_copies_go_to() -> None:
    world = serving(revision_history_limit=0)
    world.deploy(V2)
    world.run_until(model.Phase.HEALTHY)
    world.revisions[V1.hash] = replace(world.revisions[V1.hash], wanted=0, ready=0, available=0)
    world.traffic = replace(world.traffic, mirrors={V1.hash: 10.0}, conflict="somebody's route")
    world.tick()
    assert V1.hash in world.revisions


TESTERS = (model.HeaderRoute(name="qa", headers=(model.Header(name="x-qa", value="1"),)),)


@pytest.mark.parametrize("provider", [GATEWAY, model.Provider.CONTOUR])
@pytest.mark.parametrize("case", ["breach", "crash", "lost"])
def test_while_another_stands_in_for_stable_testers_leave_what_harms_them_or_is_gone(
    provider: model.Provider, case: str
) -> None:
    """They go where everybody else is: to what served before, whose pods are there."""
    world = promoted(provider)
    assert world.spec is not None
    first = replace(world.spec.steps[0], routes=TESTERS, weight_percent=0.0)
    world.spec = replace(
        world.spec, steps=(first, *world.spec.steps), scale_down_delay_seconds=900.0
    )
    world.analysis = HOLD
    world.deploy(V3)
    world.run_while(lambda: not world.traffic.by_header)
    wait(world, 2)
    set_ready(world, V2, 0)
    wait(world, BEGIN_SECONDS + 3)
    assert world.traffic.weights == {V1.hash: 100.0, V3.hash: 0.0}
    assert list(world.traffic.by_header) == [V3.hash]
    match case:
        case "breach":
            world.analysis = BREACH
        case "crash":
            world.broken = frozenset({V3.hash})
        case "lost":
            set_ready(world, V3, 0)
    wait(world, 5)
    assert not world.traffic.by_header
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.status.rejects(V3.hash) is (case != "lost")
    world.held.pop(V2.hash)
    wait(world, END_SECONDS + 10)
    assert world.traffic.weights == {V2.hash: 100.0}


# --- what answers for stable is deployed again ----------------------------------------------------


def deployed_again(provider: model.Provider = GATEWAY) -> World:
    """v1 answers for v2, which has no pods, and is asked for without `rollback.window`."""
    world = promoted(provider, scaling=model.Scaling())
    assert world.spec is not None
    world.spec = replace(world.spec, rollback=model.Rollback(window_revisions=0))
    world.analysis = HOLD
    set_ready(world, V2, 0)
    wait(world, BEGIN_SECONDS + 2)
    assert world.traffic.weights.get(V1.hash) == 100.0
    world.weights_seen.clear()
    world.deploy(V1)
    wait(world, 10)
    return world


@pytest.mark.parametrize("provider", [GATEWAY, model.Provider.CONTOUR])
def test_what_answers_for_stable_goes_on_to_as_a_candidate(provider: model.Provider) -> None:
    world = deployed_again(provider)
    assert all(it.get(V1.hash) == 100.0 for it in world.weights_seen), world.weights_seen
    assert world.pods()[V1.hash] == 4
    known, rollout = world.status.failover, world.status.active_rollout
    assert known is not None
    assert rollout is not None
    assert (known.revision, known.percent_before) == (V1.hash, 0.0)
    assert rollout.exposure.live_percent == 100.0
    assert rollout.step is not None
    assert rollout.step.confirmed_at is None, "nothing is compared with a stable that is down"
    set_ready(world, V2, 4)
    wait(world, END_SECONDS + 20)
    assert world.traffic.weights == {V1.hash: 50.0, V2.hash: 50.0}
    assert world.status.failover is None
    assert world.status.active_rollout is not None
    assert world.status.active_rollout.step is not None
    assert world.status.active_rollout.step.confirmed_at is not None


def test_its_first_weight_is_asked_for_as_any_other_once_stable_is_back() -> None:
    world = deployed_again()
    assert world.spec is not None
    world.spec = replace(world.spec, paused=True)
    set_ready(world, V2, 4)
    wait(world, END_SECONDS + 60)
    assert world.traffic.weights.get(V1.hash, 0.0) == 0.0
    assert world.traffic.weights[V2.hash] == 100.0
    assert world.status.phase is model.Phase.PAUSED


def test_a_person_may_promote_it_while_stable_is_down() -> None:
    world = deployed_again()
    world.ask("promote-full", V1)
    world.run_until(model.Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.traffic.weights.get(V1.hash) == 100.0


def test_where_pods_are_the_weight_it_keeps_its_pods() -> None:
    world = deployed_again(RATIO)
    assert world.revisions[V1.hash].ready == 2, "as many as it had when it began to stand in"


def test_one_whose_pods_are_gone_as_well_takes_nothing_along() -> None:
    world = promoted(GATEWAY)
    assert world.spec is not None
    world.spec = replace(world.spec, rollback=model.Rollback(window_revisions=0))
    world.analysis = HOLD
    set_ready(world, V2, 0)
    wait(world, BEGIN_SECONDS + 2)
    set_ready(world, V1, 0)
    world.deploy(V1)
    world.tick()
    assert world.status.active_rollout is not None
    assert world.status.active_rollout.exposure.live_percent == 0.0


@BOTH
def test_parked_pods_of_what_answered_go_as_well(provider: model.Provider) -> None:
    """With `replicas: 0` nobody is to have pods, so nobody answers for those that are gone."""
    world = promoted(provider)
    world.analysis = HOLD
    set_ready(world, V2, 0)
    wait(world, BEGIN_SECONDS + 2)
    assert world.traffic.weights.get(V1.hash) == 100.0
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=0)
    world.generation += 1
    world.settle()
    assert world.pods() == {}
    assert world.traffic.weights.get(V2.hash) == 100.0
    del world.held[V2.hash]
    world.spec = replace(world.spec, replicas=4)
    world.settle()
    assert world.pods() == {V2.hash: 4}
