"""What is out of the ordinary is said by a condition while it lasts, and once by an Event."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import HOLD, V1, V2, World, made_once, serving

from tidegate import model
from tidegate.rollout import decide, notices

both = pytest.mark.parametrize("provider", model.Provider)


def types(status: model.Status) -> set[str]:
    return {one.type for one in status.conditions}


@both
def test_fields_that_nobody_knows_are_said_once_and_as_long_as_they_are_there(
    provider: model.Provider,
) -> None:
    world = serving(provider=provider)
    unknown = ("spec.canary", "spec.traffic.gatewayApi")
    seen = replace(world.observe(), unknown_fields=unknown)
    decision = decide.decide(seen)
    assert [one.reason for one in decision.events] == [notices.UNKNOWN]
    (told,) = [one for one in decision.status.conditions if one.type == notices.UNKNOWN]
    assert ", ".join(unknown) in told.message
    again = decide.decide(replace(seen, status=decision.status))
    assert again.events == ()
    assert notices.UNKNOWN in types(again.status)
    mended = decide.decide(replace(seen, status=decision.status, unknown_fields=()))
    assert notices.UNKNOWN not in types(mended.status)


def change_pods(world: World, revision: model.Revision, template_hash: str) -> None:
    """Somebody edits the Deployment, or takes that back."""
    state = world.revisions[revision.hash]
    world.revisions[revision.hash] = replace(state, template_hash=template_hash)


@made_once
def held(provider: model.Provider) -> World:
    """A candidate in a step."""
    world = serving(provider=provider)
    world.analysis = HOLD
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.settle()
    world.events.clear()
    return world


@both
@pytest.mark.parametrize("whose", [V1, V2])
def test_pods_that_somebody_changes_in_place_are_said_and_not_fought(
    provider: model.Provider, whose: model.Revision
) -> None:
    world = held(provider)
    weights = dict(world.traffic.weights)
    change_pods(world, whose, "edited")
    world.settle()
    assert world.reasons() == [notices.MODIFIED]
    assert whose.hash in world.condition(notices.MODIFIED).message
    assert world.revisions[whose.hash].template_hash == "edited"
    assert world.traffic.weights == weights
    change_pods(world, whose, whose.digest)
    world.settle()
    assert notices.MODIFIED not in types(world.status)


def test_how_changed_pods_were_made_is_written_to_what_outlives_their_service() -> None:
    world = held(model.Provider.GATEWAY_API)
    world.revisions[V2.hash] = replace(world.revisions[V2.hash], noted=False)
    world.writes.clear()
    world.settle()
    assert "NoteTemplate" not in world.writes, "the Service says so"
    change_pods(world, V2, "edited")
    world.settle()
    assert world.writes.count("NoteTemplate") == 1
    assert world.revisions[V2.hash].made_with == V2.digest


@both
def test_the_second_that_is_changed_is_said_beside_the_first(provider: model.Provider) -> None:
    world = held(provider)
    for whose in (V1, V2):
        change_pods(world, whose, "edited")
        world.settle()
    assert [V1.hash in one.message for one in world.events] == [True, False]
    assert [V2.hash in one.message for one in world.events] == [False, True]
    message = world.condition(notices.MODIFIED).message
    assert V1.hash in message
    assert V2.hash in message


def test_what_no_longer_serves_may_be_changed_by_anybody() -> None:
    world = serving()
    world.deploy(V2)
    world.run_until(model.Phase.HEALTHY)
    world.settle()
    world.events.clear()
    change_pods(world, V1, "edited")
    world.settle()
    assert world.events == []
    assert notices.MODIFIED not in types(world.status)


def failed(on_breach: model.OnBreach, **more: object) -> model.MetricResult:
    return model.MetricResult(
        name="inputs",
        outcome=model.Outcome.FAIL,
        reason="Drift",
        message="inputs: amount PSI 0.83",
        on_breach=on_breach,
        **more,  # type: ignore[arg-type]
    )


@both
@pytest.mark.parametrize("on_breach", [model.OnBreach.HOLD, model.OnBreach.ALERT])
def test_a_breach_that_rolls_nothing_back_is_said_once_with_its_numbers(
    provider: model.Provider, on_breach: model.OnBreach
) -> None:
    world = held(provider)
    world.analysis = replace(HOLD, judged=True, results=(failed(on_breach),))
    world.settle()
    told = [one for one in world.events if one.reason == notices.BREACHED]
    assert [one.message for one in told] == ["inputs: amount PSI 0.83"]
    condition = world.condition(notices.BREACHED)
    assert condition.reason == "Drift"
    assert f"inputs (onBreach {on_breach}): Drift" in condition.message
    world.analysis = HOLD
    world.status = replace(world.status, analysis=())
    world.settle()
    assert notices.BREACHED not in types(world.status)


@pytest.mark.parametrize(
    "result",
    [
        failed(model.OnBreach.ROLLBACK),
        failed(model.OnBreach.HOLD, dry_run=True),
        replace(failed(model.OnBreach.ALERT), outcome=model.Outcome.PASS),
    ],
)
def test_other_results_are_no_notice(result: model.MetricResult) -> None:
    world = held(model.Provider.GATEWAY_API)
    world.analysis = replace(HOLD, judged=True, results=(result,))
    world.settle()
    assert notices.BREACHED not in types(world.status)
