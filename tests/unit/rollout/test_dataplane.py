"""Service and route follow the spec; others are taken back once, and not fought."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from rollout_world import HOLD, V1, V2, World, serving

from tidegate import model
from tidegate.model import actions
from tidegate.traffic.changes import target_of
from tidegate.traffic.plane import plane_of

D = model.Difference
PORT = "Service iris: spec.ports[0].port"


def with_documents(world: World) -> World:
    """The world's traffic objects as they would be written for its present split."""
    seen = world.observe()
    assert seen.spec is not None
    rollout = seen.status.rollout
    exposed = rollout is not None and rollout.active and rollout.exposure.live_percent > 0
    action = actions.SetTraffic(
        stable=V1.hash,
        candidate=V2.hash if exposed else "",
        exposure=rollout.exposure if rollout is not None and exposed else model.NO_TRAFFIC,
    )
    documents = plane_of(seen.spec.traffic).documents(target_of(action, seen))
    found = {(it.reference.kind, it.reference.name): it.body for it in documents}
    world.traffic = replace(world.traffic, documents=found)
    return world


def edit_port(world: World, port: int) -> None:
    """A person edits the spec."""
    assert world.spec is not None
    world.spec = replace(world.spec, service=replace(world.spec.service, port=port))
    world.generation += 1


def change_port(world: World, port: int) -> None:
    """Somebody else edits the Service."""
    service = dict(world.traffic.documents["Service", "iris"])
    spec = {**service["spec"], "ports": [{**service["spec"]["ports"][0], "port": port}]}
    changed = {**world.traffic.documents, ("Service", "iris"): {**service, "spec": spec}}
    world.traffic = replace(world.traffic, documents=changed)


def written(world: World) -> int:
    return world.writes.count("SetTraffic")


def passes(world: World, seconds: float) -> actions.Decision:
    """One pass, in which a write of traffic gets lost."""
    kept = world.traffic
    decision = world.tick(seconds)
    world.traffic = kept
    return decision


def state_of(world: World) -> model.Difference | None:
    found = world.status.traffic.difference
    return found.state if found is not None else None


@pytest.fixture(params=list(model.Provider))
def world(request: pytest.FixtureRequest) -> World:
    return with_documents(serving(provider=request.param))


def held(world: World) -> World:
    """The same in a held step."""
    world.deploy(V2)
    world.analysis = HOLD
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) == 0)
    world.settle()
    world.writes.clear()
    return with_documents(world)


def test_what_is_as_asked_writes_nothing(world: World) -> None:
    world.status_writes = 0
    world.tick()
    assert (written(world), world.status_writes) == (0, 0)
    assert world.status.traffic == model.TrafficSync(generation=1)


def test_an_edit_is_written_and_ready_waits_for_it(world: World) -> None:
    edit_port(world, 8000)
    passes(world, 1.0)
    assert written(world) == 1
    assert world.status.phase is model.Phase.HEALTHY
    ready = world.condition("Ready")
    assert (ready.status, ready.reason) == ("False", "Applying")
    assert PORT in ready.message
    with_documents(world).tick()
    assert world.condition("Ready").status == "True"
    assert world.status.traffic == model.TrafficSync(generation=2)
    assert world.reasons() == ["TrafficUpdated"]


def test_an_edit_in_a_held_step_keeps_the_weight(world: World) -> None:
    weights = dict(held(world).traffic.weights)
    edit_port(world, 8000)
    world.tick()
    assert written(world) == 1
    assert world.traffic.weights == weights


def test_an_edit_waits_where_traffic_is_elsewhere() -> None:
    """A document carries the weights, too: they move when stable can take them, not by an edit."""
    world = with_documents(serving())
    route = world.traffic.documents["HTTPRoute", "iris"]
    rules = [{**rule, "backendRefs": []} for rule in route["spec"]["rules"]]
    moved = {**route, "spec": {**route["spec"], "rules": rules}}
    world.traffic = replace(
        world.traffic, documents={**world.traffic.documents, ("HTTPRoute", "iris"): moved}
    )
    edit_port(world, 8000)
    passes(world, 1.0)
    assert written(world) == 0
    assert world.condition("Ready").reason == "Applying"


def test_what_another_does_is_taken_back_once_and_then_left(world: World) -> None:
    change_port(world, 9999)
    passes(world, 1.0)
    assert (written(world), state_of(world)) == (1, D.RESTORING)
    assert world.condition("TrafficProgrammed").reason == "TrafficDrift"
    with_documents(world).tick()
    assert state_of(world) is D.RESTORED
    assert world.condition("Ready").status == "True"
    change_port(world, 9999)
    for _ in range(20):
        passes(world, 500.0)
    assert (written(world), state_of(world)) == (1, D.LEFT)
    assert (world.status.health_status, world.condition("Ready").reason) == (
        "Degraded",
        "TrafficDrift",
    )
    assert PORT in world.status.message
    assert world.reasons() == ["TrafficDrift", "TrafficDrift"]


def test_after_a_while_it_is_another_incident(world: World) -> None:
    for _ in range(3):
        change_port(world, 9999)
        passes(world, 1.0)
        with_documents(world).tick()
        world.tick(1200.0)
    assert written(world) == 3


def test_what_was_left_is_written_with_the_next_edit(world: World) -> None:
    change_port(world, 9999)
    passes(world, 1.0)
    with_documents(world).tick()
    change_port(world, 9999)
    passes(world, 1.0)
    assert state_of(world) is D.LEFT
    edit_port(world, 8000)
    passes(world, 1.0)
    assert (written(world), state_of(world)) == (2, D.APPLYING)


def pauses_of_an_hour(world: World) -> list[float]:
    """Seconds between its writes: to the second in the first minute, then to five seconds."""
    start, at = world.now, []
    while (since := (world.now - start).total_seconds()) < 3600:
        before = written(world)
        passes(world, 1.0 if since < 60 else 5.0)
        if written(world) > before:
            at.append((world.now - start).total_seconds())
    return [later - earlier for earlier, later in itertools.pairwise(at)]


def test_a_write_that_does_not_last_is_repeated_ever_more_rarely(world: World) -> None:
    edit_port(world, 8000)
    pauses = pauses_of_an_hour(world)
    assert pauses[0] <= 4
    assert pauses == sorted(pauses)
    assert 600 <= pauses[-1] <= 605
    assert state_of(world) is D.APPLYING


def test_taking_back_that_gets_lost_is_repeated_ever_more_rarely_and_no_quarrel(
    world: World,
) -> None:
    change_port(world, 9999)
    pauses = pauses_of_an_hour(world)
    assert pauses[0] <= 4
    assert pauses == sorted(pauses)
    assert 600 <= pauses[-1] <= 605
    assert state_of(world) is D.RESTORING
    world.run_while(lambda: with_documents(world) is world and state_of(world) is D.RESTORING)
    assert state_of(world) is D.RESTORED
    assert world.reasons() == ["TrafficDrift"]


def test_what_the_api_server_refuses_is_repeated_in_its_own_time(world: World) -> None:
    edit_port(world, 8000)
    passes(world, 1.0)
    world.blocked = model.Violation(path="", message="spec.rules", reason="FieldConflict")
    for _ in range(3):
        passes(world, 0.1)
    assert written(world) == 4
    assert world.condition("Stalled").reason == "FieldConflict"


def test_a_planned_write_that_would_only_fight_is_left_out(world: World) -> None:
    """Such as the repeated write of a weight that too few pods make."""
    held(world)
    change_port(world, 9999)
    passes(world, 1.0)
    with_documents(world).tick()
    change_port(world, 9999)
    world.traffic = replace(world.traffic, weights={V1.hash: 60.0, V2.hash: 40.0})
    world.writes.clear()
    passes(world, 1.0)
    assert (written(world), state_of(world)) == (0, D.LEFT)


def test_who_gets_requests_is_put_right_however_often(world: World) -> None:
    held(world)
    service = world.traffic.documents["Service", "iris"]
    stolen = {**service, "spec": {**service["spec"], "selector": {"app": "other"}}}
    for number in range(1, 4):
        documents = {**world.traffic.documents, ("Service", "iris"): stolen}
        world.traffic = replace(world.traffic, documents=documents)
        passes(world, 1.0)
        assert written(world) == number
        with_documents(world).tick()
