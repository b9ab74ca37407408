"""A candidate that has to answer a synthetic inference before any request reaches it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import ADVANCE, V1, V2, World, make_spec, serving

from tidegate import model
from tidegate.rollout import probing

P = model.Phase
PROBE = model.Probe(path="/v2/models/iris/infer", body="{}")
RIGHT = model.Probed()
WRONG = model.Probed(wrong="POST /infer of pod 10.0.0.1: answered 500 where 2xx is expected")
PENDING = model.Probed(pending="POST /infer: no pod has answered server.probe yet")
AWAY = model.Probed(unreachable="POST /infer of pod 10.0.0.1 cannot be reached from the operator")
PROVIDERS = pytest.mark.parametrize("provider", model.Provider)
MIRROR = model.Mirror(percent=20.0, seconds=60.0)
STRATEGIES: dict[str, dict[str, object]] = {
    "canary": {},
    "testers": {"steps": ()},
    "warm-up": {"warm_up": MIRROR},
    "shadow": {
        "shadow": model.Shadow(
            mirror=MIRROR, deadline_seconds=600.0, min_requests=10, then=model.Then.PROMOTE
        )
    },
    "blue-green": {"blue_green": model.BlueGreen(preview_service="iris-preview")},
}


def asked(
    *, probed: model.Probed | None = None, provider: model.Provider = model.Provider.GATEWAY_API
) -> World:
    """A second version whose pods are ready; the first one serves and was never asked."""
    world = serving(provider=provider)
    _edit(world, probe=PROBE)
    world.probed = probed
    world.deploy(V2)
    return world


def _edit(world: World, **changed: object) -> None:
    assert world.spec is not None
    world.spec = replace(world.spec, **changed)  # type: ignore[arg-type]
    world.generation += 1


def reached(world: World) -> bool:
    """Requests were sent to the candidate, whatever for."""
    rollout = world.status.rollout
    return rollout is not None and rollout.active and rollout.exposure.is_visited


def ticks(world: World, count: int = 20) -> None:
    for _ in range(count):
        world.tick()


@PROVIDERS
@pytest.mark.parametrize("probed", [None, PENDING, WRONG])
def test_without_the_right_answer_no_request_reaches_it(
    probed: model.Probed | None, provider: model.Provider
) -> None:
    world = asked(probed=probed, provider=provider)
    ticks(world)
    assert not reached(world)
    assert world.revisions[V2.hash].ready > 0

    world.probed = RIGHT
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


@pytest.mark.parametrize("name", STRATEGIES)
def test_neither_a_share_nor_copies_nor_a_preview_come_before_the_answer(name: str) -> None:
    world = serving()
    steps = model.Step(
        name="testers",
        weight_percent=0.0,
        hold_seconds=5.0,
        deadline_seconds=60.0,
        min_requests=1,
        routes=(model.HeaderRoute(name="t", headers=(model.Header(name="x", value="1"),)),),
    )
    strategy = dict(STRATEGIES[name])
    if "steps" in strategy:
        strategy["steps"] = (steps,)
    _edit(world, probe=PROBE, **strategy)
    world.probed = WRONG
    world.deploy(V2)
    ticks(world)
    assert not reached(world)
    waits = world.status.rollout and world.status.rollout.waiting_for
    assert waits
    assert waits.reason is model.Waiting.PROBE

    world.probed = RIGHT
    world.run_while(lambda: not reached(world))


@PROVIDERS
def test_a_wrong_answer_rejects_at_the_progress_deadline(provider: model.Provider) -> None:
    world = asked(probed=WRONG, provider=provider)
    world.run_until(P.ROLLED_BACK)
    (rejected,) = world.status.rejected
    assert (rejected.revision, rejected.by) == (V2.hash, "Deadline")
    assert f"{probing.FAILED}: {WRONG.wrong}" in rejected.reason
    assert world.reasons().count("ProbeFailed") == 1
    assert not any(V2.hash in weights for weights in world.weights_seen if weights.get(V2.hash))


@pytest.mark.parametrize("probed", [None, PENDING])
def test_an_answer_that_has_not_come_is_no_fault(probed: model.Probed | None) -> None:
    """Who asks may have begun a moment ago."""
    world = asked(probed=probed)
    world.run_until(P.PAUSED)
    ticks(world)
    assert not world.status.rejected
    assert "ProbeFailed" not in world.reasons()
    world.probed = RIGHT
    world.run_until(P.HEALTHY)


@PROVIDERS
def test_while_stable_has_no_pods_a_wrong_answer_blames_nobody(provider: model.Provider) -> None:
    world = asked(probed=WRONG, provider=provider)
    ticks(world, 5)
    world.broken = frozenset({V1.hash})
    world.run_until(P.PAUSED)
    assert not world.status.rejected


def test_pods_that_cannot_be_reached_are_told_and_block_nobody() -> None:
    world = asked(probed=AWAY)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert world.reasons().count("ProbeUnreachable") == 1


def test_a_candidate_that_answers_users_is_asked_no_more() -> None:
    world = asked(probed=RIGHT)
    world.run_while(lambda: not reached(world))
    world.probed = WRONG
    assert probing.probe_of(world.observe(), world.status.active_rollout) is None
    world.run_until(P.HEALTHY)


def test_before_the_switch_of_a_preview_it_is_asked_again() -> None:
    """Its pods may be others by then."""
    world = serving()
    _edit(world, probe=PROBE, blue_green=model.BlueGreen(preview_service="iris-preview"))
    world.probed = RIGHT
    world.deploy(V2)
    world.run_while(lambda: not reached(world))
    world.probed = WRONG
    world.run_until(P.ROLLED_BACK)
    assert probing.FAILED in world.status.rejected[0].reason
    assert not any(weights.get(V2.hash) for weights in world.weights_seen)


def test_a_withdrawn_candidate_is_asked_again() -> None:
    world = asked(probed=RIGHT)
    world.run_while(lambda: not reached(world))
    world.held[V2.hash] = 0
    world.run_while(lambda: reached(world))
    world.probed = WRONG
    del world.held[V2.hash]
    ticks(world, 10)
    assert not reached(world)
    world.probed = RIGHT
    world.run_until(P.HEALTHY)


def test_what_served_before_returns_without_an_answer() -> None:
    world = asked(probed=RIGHT)
    world.run_until(P.HEALTHY)
    world.probed = WRONG
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash


def test_a_person_can_do_without_the_answer() -> None:
    world = asked(probed=WRONG)
    ticks(world, 5)
    world.ask("promote-full", V2)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_where_no_pods_are_nobody_has_to_answer() -> None:
    world = asked()
    _edit(world, replicas=0)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_an_abort_does_not_wait_for_an_answer() -> None:
    world = asked()
    ticks(world, 5)
    world.ask("abort", V2)
    world.run_until(P.ROLLED_BACK)
    assert world.traffic.weights[V1.hash] == 100


def first(**spec: object) -> World:
    world = World(spec=replace(make_spec(), probe=PROBE, **spec))  # type: ignore[arg-type]
    world.analysis = ADVANCE
    return world


def test_the_first_version_of_all_serves_without_an_answer() -> None:
    world = first()
    world.probed = WRONG
    world.run_until(P.HEALTHY)


@pytest.mark.parametrize("probed", [None, PENDING, WRONG, AWAY])
def test_with_first_rollout_probe_it_has_to_answer(probed: model.Probed | None) -> None:
    world = first(first_rollout=model.FirstRollout.PROBE)
    world.probed = probed
    ticks(world)
    assert not world.traffic.exists
    assert world.status.phase is P.INITIALIZING
    world.probed = RIGHT
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V1.hash: 100.0}


def test_a_first_version_that_answers_wrong_fails() -> None:
    world = first(first_rollout=model.FirstRollout.PROBE)
    world.probed = WRONG
    world.run_until(P.FAILED)
    assert f"{probing.FAILED}: {WRONG.wrong}" in world.status.message
    world.settle()
    assert world.pods() == {}


def test_a_first_version_that_cannot_be_asked_waits_and_says_what_to_do() -> None:
    world = first(first_rollout=model.FirstRollout.PROBE)
    world.probed = AWAY
    world.run_until(P.PAUSED)
    assert not world.status.rejected
    assert "firstRollout: Probe" in world.status.message
    _edit(world, first_rollout=model.FirstRollout.DIRECT)
    world.run_until(P.HEALTHY)
