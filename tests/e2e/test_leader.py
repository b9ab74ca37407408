"""Two replicas: when the one that leads is gone, the other one goes on where it stopped."""

from __future__ import annotations

import time

import pytest
from cluster_checks import assert_nobody_failed
from cluster_history import Look, instant, version_of
from cluster_scene import Model, Scene, metric
from cluster_tidegate import Operator
from cluster_users import serve_first

from tidegate import ports

pytestmark = [pytest.mark.cluster, pytest.mark.replicas(2)]

TAKEOVER_SECONDS = 20.0
# The Lease is released and the standby asks for it every two seconds: long before it would run out.
HANDOVER_SECONDS = 10.0
STEPS = [(20.0, "4s"), (60.0, "4s")]
COURSE = [20.0, 60.0, 100.0]
# Proven by what a step serves while nobody leads.
QUICK = {"metrics": [metric("error-ratio", excess=0.4, max=0.4)]}


def test_another_replica_goes_on_within_20_seconds_after_a_crash_of_the_leader(
    scene: Scene,
) -> None:
    """The Lease stays in the name of the dead: the others must wait until it has run out.

    Only the first write has a limit: the weight after it also waits for the step's own evidence.
    """
    model = scene.model(steps=STEPS, analysis=QUICK)
    load = serve_first(model)
    leader, standby = _roles(scene.operator)
    epoch = scene.operator.epoch
    applied_at = model.apply("2")
    model.wait_for_weight(20.0, seconds=60, since=applied_at)
    assert not any(scene.operator.writes(standby).values())

    scene.operator.crash(leader)
    died_by = _wait_until_dead(scene.operator, leader)
    known = _newest_version(model)
    taken = _first_status_of(model, after_epoch=epoch)
    print(f"\ncrash of the leader: status {taken.at - died_by:.1f} s later")
    assert taken.at - died_by <= TAKEOVER_SECONDS
    _assert_nothing_between(model, known, taken.version)
    _assert_promoted_once(model, applied_at)
    assert scene.operator.epoch == epoch + 1
    # Often the standby, but the process that the kubelet started anew waits for the Lease as well.
    assert any(scene.operator.writes(scene.operator.leader()).values())
    assert_nobody_failed(load.books())


def test_leader_that_is_asked_to_end_hands_over_at_once(scene: Scene) -> None:
    """As in every update of Tidegate itself, and in every drain of a node."""
    model = scene.model(steps=STEPS, analysis=QUICK)
    load = serve_first(model)
    leader, _ = _roles(scene.operator)
    epoch = scene.operator.epoch
    applied_at = model.apply("2")
    model.wait_for_weight(20.0, seconds=60, since=applied_at)

    asked_at = time.time()
    scene.client.delete(ports.POD, namespace=scene.namespace, name=leader)
    led_at = _wait_for_epoch(scene.operator, epoch + 1)
    print(f"\nleader asked to end: another one leads {led_at - asked_at:.1f} s later")
    assert led_at - asked_at <= HANDOVER_SECONDS
    _assert_promoted_once(model, applied_at)
    assert scene.operator.epoch == epoch + 1
    assert_nobody_failed(load.books())


def _roles(operator: Operator) -> tuple[str, str]:
    """Names of the pod that leads and of the one that waits."""
    leader = operator.leader()
    (standby,) = {pod["metadata"]["name"] for pod in operator.pods()} - {leader}
    return leader, standby


def _wait_until_dead(operator: Operator, name: str) -> float:
    """Unix seconds by which the process had ended: the end of the second that the kubelet names."""
    deadline = time.monotonic() + TAKEOVER_SECONDS
    while True:
        pod = operator.client.get(ports.POD, namespace=operator.namespace, name=name)
        assert pod is not None
        (status,) = pod["status"]["containerStatuses"]
        ended = status["state"].get("terminated") or status["lastState"].get("terminated")
        if ended:
            died_at = instant(ended["finishedAt"])
            assert died_at is not None
            return died_at + 1.0
        assert time.monotonic() < deadline, f"{name} lives on"
        time.sleep(0.1)


def _first_status_of(model: Model, *, after_epoch: int) -> Look:
    return model.wait_for(
        lambda look: look.status.get("controller", {}).get("epoch", 0) > after_epoch,
        seconds=2 * TAKEOVER_SECONDS,
        what="another replica writes",
    )


def _wait_for_epoch(operator: Operator, epoch: int) -> float:
    """Unix seconds at which somebody had taken the Lease for the given time."""
    deadline = time.monotonic() + 2 * TAKEOVER_SECONDS
    while operator.epoch < epoch:
        assert time.monotonic() < deadline, f"nobody leads\n{operator.logs()}"
        time.sleep(0.1)
    return time.time()


def _newest_version(model: Model) -> int:
    """The version of the newest write to the object or its route; watches may tell of it later."""
    scene = model.scene
    bodies = (
        scene.client.get(kind, namespace=scene.namespace, name=model.name)
        for kind in (ports.MODEL_DEPLOYMENT, ports.HTTP_ROUTE)
    )
    return max(version_of(body) for body in bodies if body is not None)


def _assert_nothing_between(model: Model, start: int, end: int) -> None:
    """While nobody led, nobody wrote: after version `start` and before version `end`."""
    routes = [(seen.version, seen.body["metadata"]["generation"]) for seen in model.routes()]
    specs = {generation for version, generation in routes if version <= start}
    assert {generation for version, generation in routes if start < version < end} <= specs
    assert not [look for look in model.looks() if start < look.version < end]


def _assert_promoted_once(model: Model, applied_at: float) -> None:
    """Version 2 went through every step in order, in one attempt."""
    promoted = model.wait_for_phase("Healthy", seconds=120, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    looks = model.looks(since=applied_at)
    weights = [look.intended_percent for look in looks if look.active and look.intended_percent]
    assert list(dict.fromkeys(weights)) == COURSE
    assert weights == sorted(weights)
    assert {look.rollout["attempt"] for look in looks if look.active} == {1}
    model.scene.history.wait_for(
        lambda: model.events().count("Promoted") == 2,  # versions 1 and 2; Events come last
        seconds=30,
        explain=model.tell,
    )
