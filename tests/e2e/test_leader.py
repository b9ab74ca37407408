"""Two replicas: when the one that leads is gone, the other one goes on where it stopped."""

from __future__ import annotations

import time

import pytest
from cluster_checks import assert_nobody_failed
from cluster_client import Object
from cluster_history import Look, instant, version_of
from cluster_scene import Model, Scene, metric
from cluster_tidegate import Operator
from cluster_users import serve_first

from tidegate import ports

pytestmark = [pytest.mark.cluster, pytest.mark.replicas(2)]

# docs/how-to/operator-down.md says 17, and a busy machine comes on top.
TAKEOVER_SECONDS = 30.0
STEPS = [(20.0, "4s"), (60.0, "4s")]
COURSE = [20.0, 60.0, 100.0]
# Proven by what a step serves while nobody leads.
QUICK = {"metrics": [metric("error-ratio", excess=0.4, max=0.4)]}


def test_another_replica_goes_on_once_the_lease_of_a_crashed_leader_has_run_out(
    scene: Scene,
) -> None:
    """It stays in the name of the dead until then. Only taking it has a limit in time."""
    model = scene.model(steps=STEPS, analysis=QUICK)
    load = serve_first(model)
    leader, standby = _roles(scene.operator)
    epoch = scene.operator.epoch
    applied_at = model.apply("2")
    model.wait_for_weight(20.0, seconds=120, since=applied_at)
    assert not any(scene.operator.writes(standby).values())

    scene.operator.crash(leader)
    died_by = _wait_until_dead(scene.operator, leader)
    known = _newest_version(model)
    taken = _first_status_of(model, after_epoch=epoch)
    _assert_taken_in_time(scene, epoch=epoch, died_by=died_by)
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
    model.wait_for_weight(20.0, seconds=120, since=applied_at)

    asked_at = time.time()
    scene.client.delete(ports.POD, namespace=scene.namespace, name=leader)
    last, first = _around(scene, epoch)
    print(f"\nleader asked to end: another one leads {_renewed_at(first) - asked_at:.1f} s later")
    assert "holderIdentity" not in last["spec"], "it was given back, and did not run out"
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
    deadline = time.monotonic() + 90
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
        seconds=120,
        what="another replica writes",
    )


def _around(scene: Scene, epoch: int) -> tuple[Object, Object]:
    """The last Lease of this epoch and the first of the next, once there is one."""
    first = scene.history.wait_for(
        lambda: next((it for it in _leases(scene) if it["spec"]["leaseTransitions"] > epoch), None),
        seconds=120,
        explain=lambda: f"nobody leads\n{scene.operator.logs()}",
    )
    return [it for it in _leases(scene) if it["spec"]["leaseTransitions"] == epoch][-1], first


def _leases(scene: Scene) -> list[Object]:
    """All versions of the Lease so far."""
    return [seen.body for seen in scene.history.of_kind(ports.LEASE)]


def _renewed_at(lease: Object) -> float:
    """Unix seconds, by the clock of its holder."""
    renewed_at = instant(lease["spec"]["renewTime"])
    assert renewed_at is not None
    return renewed_at


def _assert_taken_in_time(scene: Scene, *, epoch: int, died_by: float) -> None:
    """Not before the Lease had run out, and not long after."""
    last, first = _around(scene, epoch)
    taken_at = _renewed_at(first)
    print(f"\ncrash of the leader: another one leads {taken_at - died_by:.1f} s later")
    assert taken_at - _renewed_at(last) >= last["spec"]["leaseDurationSeconds"]
    assert taken_at - died_by <= TAKEOVER_SECONDS


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
    promoted = model.wait_for_phase("Healthy", seconds=240, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    looks = model.looks(since=applied_at)
    weights = [look.intended_percent for look in looks if look.active and look.intended_percent]
    assert list(dict.fromkeys(weights)) == COURSE
    assert weights == sorted(weights)
    assert {look.rollout["attempt"] for look in looks if look.active} == {1}
    model.scene.history.wait_for(
        lambda: model.events().count("Promoted") == 2,  # versions 1 and 2; Events come last
        seconds=90,
        explain=model.tell,
    )
