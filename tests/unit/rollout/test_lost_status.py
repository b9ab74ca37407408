"""A status that was emptied, in every phase: what serves goes on to serve, and nothing is promoted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import BREACH, V1, V2, World, made_once, serving

from tidegate import model
from tidegate.rollout import decide

P = model.Phase
PROVIDERS = list(model.Provider)


def emptied(world: World) -> World:
    world.status = model.Status()
    world.events.clear()
    world.weights_seen.clear()
    return world


@made_once
def rejected_v2(provider: model.Provider) -> World:
    world = serving(provider=provider)
    world.analysis = BREACH
    world.deploy(V2)
    world.run_until(P.ROLLED_BACK)
    world.settle()
    return world


@pytest.mark.parametrize("provider", PROVIDERS)
def test_at_rest_it_is_healthy_again_and_traffic_stays(provider: model.Provider) -> None:
    world = emptied(serving(provider=provider))
    world.tick()
    assert world.status.phase is P.HEALTHY
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.reasons() == ["StatusRebuilt"]
    assert world.weights_seen == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_could_not_be_read_of_it_is_said_once(provider: model.Provider) -> None:
    world = serving(provider=provider)
    world.settle()
    world.events.clear()
    losses = tuple(f"status.rejectedRevisions[{index}].at: must be given" for index in range(7))
    seen = replace(world.observe(), status_losses=losses)
    decision = decide.decide(seen)
    assert [one.reason for one in decision.events] == ["StatusPartlyRead"]
    (told,) = [one for one in decision.status.conditions if one.type == "StatusPartlyRead"]
    assert told.message.endswith(f"{'; '.join(losses[:5])}; and 2 more")
    again = decide.decide(replace(seen, status=decision.status))
    assert again.events == ()
    read_whole = decide.decide(replace(seen, status=decision.status, status_losses=()))
    assert "StatusPartlyRead" not in {one.type for one in read_whole.status.conditions}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_was_rejected_stays_rejected(provider: model.Provider) -> None:
    world = rejected_v2(provider)
    (known,) = world.status.rejected
    emptied(world)
    world.settle()
    assert world.status.phase is P.ROLLED_BACK
    (found,) = world.status.rejected
    assert replace(found, at=known.at) == known


def test_without_its_record_the_mark_on_the_target_says_what_was_rejected() -> None:
    world = rejected_v2(model.Provider.GATEWAY_API)
    world.records.clear()
    emptied(world)
    world.tick()
    assert [one.revision for one in world.status.rejected] == [V2.hash]


def test_what_spec_itself_took_away_was_never_rejected() -> None:
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    emptied(world)
    world.deploy(V2)
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


@pytest.mark.parametrize("provider", PROVIDERS)
def test_in_a_step_the_rollout_starts_again_with_its_first_weight(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider)
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 50)
    emptied(world)
    world.tick()
    rollout = world.status.rollout
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert rollout is not None
    assert (rollout.revision, rollout.attempt) == (V2, 2)
    assert max(w.get(V2.hash, 0.0) for w in world.weights_seen) < 50


def test_with_stables_deployment_gone_too_what_was_frozen_says_who_it_is() -> None:
    world = serving(provider=model.Provider.REPLICA_RATIO)
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    del world.revisions[V1.hash]
    world.traffic = replace(world.traffic, entry_revision="")
    emptied(world)
    world.tick()
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert V1.hash in world.revisions


def test_only_stable_was_taken_out_of_status() -> None:
    """The rollout still says what served when it began."""
    world = serving()
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.status = replace(world.status, stable=None)
    world.tick()
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.status.rollout is not None
    assert world.status.rollout.active


def test_a_first_revision_on_its_way_is_no_stable_one() -> None:
    world = World()
    world.accept = False
    for _ in range(5):
        world.tick()
    assert world.traffic.entry_revision == V1.hash
    emptied(world)
    world.tick()
    assert world.status.stable is None
    assert "StatusRebuilt" not in world.reasons()


def test_what_was_given_to_the_object_later_is_found_all_the_same() -> None:
    """A first rollout began while the revisions of before belonged to nobody."""
    world = rejected_v2(model.Provider.GATEWAY_API)
    owned = (dict(world.revisions), world.traffic, dict(world.records))
    world.revisions, world.traffic, world.records = {}, model.TrafficState(exists=False), {}
    world.frozen.clear()
    world.broken = frozenset({V2.hash})
    emptied(world)
    world.tick()
    assert world.status.stable is None
    world.revisions |= owned[0]
    world.traffic, world.records = owned[1], owned[2]
    world.settle()
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.status.phase is P.ROLLED_BACK
