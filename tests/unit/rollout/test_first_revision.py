"""The first revision of all, which serves without a step."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import V1, V2, World, make_spec

from tidegate import model

P = model.Phase


def test_first_revision_serves_directly_once_ready() -> None:
    world = World()
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash
    assert world.pods() == {V1.hash: 4}
    assert world.reasons() == ["RolloutStarted", "Promoted"]


def test_first_revision_that_never_gets_ready_fails_with_the_pods_reason() -> None:
    world = World(broken=frozenset({V1.hash}))
    world.run_until(P.FAILED)
    assert "CrashLoopBackOff" in world.status.message
    assert world.condition("Stalled").reason == "FirstRevisionFailed"
    world.settle()
    assert world.pods() == {}


def test_retry_starts_a_failed_first_revision_again() -> None:
    world = World(broken=frozenset({V1.hash}))
    world.run_until(P.FAILED)
    world.settle()
    world.broken = frozenset()
    world.ask("retry", V1)
    world.run_until(P.HEALTHY)
    assert world.status.rollout is not None
    assert world.status.rollout.attempt == 2


@pytest.mark.parametrize("provider", model.Provider)
def test_promote_full_does_not_make_a_first_revision_without_pods_stable(
    provider: model.Provider,
) -> None:
    """It skips what has to be proven; that it can serve at all is no such thing."""
    world = World(spec=make_spec(provider=provider), broken=frozenset({V1.hash}))
    world.tick()
    world.ask("promote-full", V1)
    for _ in range(5):
        world.tick()
    assert world.status.stable is None
    assert world.status.phase is P.INITIALIZING
    assert not world.traffic.exists
    world.broken = frozenset()
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V1.hash: 100.0}


def test_first_revision_waits_for_the_ready_url() -> None:
    world = World(ready_url_failure="503")
    for _ in range(10):
        world.tick()
    assert world.status.phase is P.INITIALIZING
    assert not world.traffic.exists
    world.ready_url_failure = ""
    world.run_until(P.HEALTHY)


def test_a_ready_url_that_cannot_be_reached_is_told_once_and_blocks_nobody() -> None:
    world = World(ready_url_warning="cannot be reached from the operator")
    world.run_until(P.HEALTHY)
    world.deploy(V2)
    world.run_until(P.HEALTHY)

    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert world.reasons().count("ReadyUrlUnreachable") == 2  # once for each rollout


EVIDENCE = (
    model.Violation(
        path="spec.analysis.source", message="no such source", reason="ReferenceNotFound"
    ),
    model.Violation(
        path="spec.analysis.metrics[0].templateRef", message="missing", reason="ReferenceNotFound"
    ),
    model.Violation(
        path="spec.analysis.metrics[1].preset",
        message="not exported",
        reason="UnsupportedByProvider",
    ),
)


@pytest.mark.parametrize("violation", EVIDENCE, ids=lambda it: it.path)
def test_without_evidence_the_first_revision_serves_and_the_second_waits(
    violation: model.Violation,
) -> None:
    world = World(violations=(violation,))
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V1.hash: 100.0}
    assert violation.message in world.status.message

    world.deploy(V2)
    for _ in range(30):
        world.tick()
    assert world.status.phase is P.INVALID
    assert world.traffic.weights == {V1.hash: 100.0}
    assert world.condition("Stalled").reason == violation.reason

    world.violations = ()
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert world.status.message == "serving 2.0"


def test_a_violation_beside_the_evidence_still_stops_the_first_revision() -> None:
    world = World(
        violations=(
            model.Violation(path="spec.traffic", message="cannot be carried out"),
            *EVIDENCE,
        )
    )
    for _ in range(10):
        world.tick()
    assert world.status.phase is P.INVALID
    assert not world.traffic.exists


def test_evidence_that_is_lost_at_rest_lets_the_spec_return_to_stable() -> None:
    world = World()
    world.run_until(P.HEALTHY)
    world.deploy(V2)
    world.run_while(lambda: world.traffic.weights.get(V2.hash, 0.0) < 10)
    world.violations = EVIDENCE
    world.deploy(V1)
    world.run_until(P.HEALTHY)
    assert world.traffic.weights == {V1.hash: 100.0}


def test_what_cannot_be_judged_is_said_before_the_first_step_and_only_then() -> None:
    world = World()
    world.run_until(P.HEALTHY)
    assert world.spec is not None
    world.spec = replace(
        world.spec, analysis=replace(world.spec.analysis, left_out=("latency-p95",))
    )
    world.deploy(V2)
    world.run_until(P.HEALTHY)

    reasons = world.reasons()
    assert reasons.count("NotJudged") == 1
    assert reasons.index("NotJudged") < reasons.index("TrafficShifted")
    told = next(it.message for it in world.events if it.reason == "NotJudged")
    assert told.startswith("latency-p95 is not judged: ")


def test_one_that_is_paused_answers_nobody_until_it_goes_on() -> None:
    world = World(spec=make_spec(paused=True), desired=V1)
    for _ in range(60):
        world.tick(60.0)  # a pause runs down no deadline
    assert world.status.phase is model.Phase.PAUSED
    assert not world.traffic.weights
    assert world.spec is not None
    world.spec = replace(world.spec, paused=False)
    world.generation += 1
    world.run_until(model.Phase.HEALTHY)


def test_one_that_is_paused_by_a_request_goes_on_when_asked() -> None:
    world = World(spec=make_spec(), desired=V1)
    world.held[V1.hash] = 0
    world.tick()
    world.ask("pause", V1)
    del world.held[V1.hash]
    world.settle()
    assert world.status.phase is model.Phase.PAUSED
    world.ask("resume", V1)
    world.run_until(model.Phase.HEALTHY)
