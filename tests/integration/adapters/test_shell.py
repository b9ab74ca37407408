"""The controller as processes on a real API server: start, leadership, standby, shutdown.

The reconciler is a stand-in that marks each object once (tests/support/shell_program.py); all the
rest is what runs in production. The Lease is so long that it runs out only where a test waits for it.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import route_crds
from shell_replica import LEASE_SECONDS, Replica, until
from tests.cluster.api import ControlPlane, control_plane

from tidegate import ports

pytestmark = pytest.mark.apiserver

CRDS = Path(__file__).parents[3] / "crds"
READING_VERBS = {"get", "list", "list_metadata", "serves", "served_schemas", "get_lease"}
SHORT_LEASE_SECONDS = 4
LEASE = ("get", "lease", "tidegate-controller", "-n", "default")


@pytest.fixture(scope="module")
def plane(tidegate_plane: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001
    """An API server of its own, since these tests stop it and add kinds."""
    with control_plane(with_controllers=False) as plane:
        yield plane


@pytest.fixture
def start(plane: ControlPlane, tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """Start replicas; all are ended after the test, and the Lease is removed."""
    replicas: list[Replica] = []

    def started(*, ready: bool = True, **options: Any) -> Replica:
        replica = Replica(plane, tmp_path, **options)
        replicas.append(replica)
        if ready:
            until(lambda: replica.ready)
        return replica

    _install_crds(plane)
    yield started
    for replica in replicas:
        replica.end()
    plane.kubectl("delete", "lease,modeldeployments", "--all", "-n", "default")


def _install_crds(plane: ControlPlane) -> None:
    plane.kubectl("apply", "--server-side", "-f", str(CRDS))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")


def create(plane: ControlPlane, name: str) -> None:
    template = {
        "spec": {"containers": [{"name": "m", "image": "x", "ports": [{"containerPort": 8080}]}]}
    }
    manifest = {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "model": {"version": "1"},
            "workload": {"replicas": 1, "template": template},
            "service": {"name": name},
        },
    }
    plane.kubectl("apply", "-f", "-", input=json.dumps(manifest))


def marked_by(plane: ControlPlane, name: str) -> str:
    path = "jsonpath={.status.message}"
    return plane.kubectl("get", "modeldeployment", name, "-n", "default", "-o", path)


def holder(plane: ControlPlane) -> str:
    return plane.kubectl(*LEASE, "-o", "jsonpath={.spec.holderIdentity}")


def epoch(plane: ControlPlane) -> int:
    return int(plane.kubectl(*LEASE, "-o", "jsonpath={.spec.leaseTransitions}"))


def renewed_at(plane: ControlPlane) -> datetime:
    return datetime.fromisoformat(plane.kubectl(*LEASE, "-o", "jsonpath={.spec.renewTime}"))


def test_controller_without_its_kinds_ends_with_one_clear_sentence(
    plane: ControlPlane, tmp_path: Path
) -> None:
    plane.kubectl("delete", "--ignore-not-found", "-f", str(CRDS))
    replica = Replica(plane, tmp_path)
    assert replica.process.wait(120) == 1
    lines = replica.log.read_text().splitlines()
    assert len(lines) == 1
    said = json.loads(lines[0])
    assert said["event"] == "start_failed"
    assert "modeldeployments.tidegate.dev" in said["error"]
    assert "install" in said["error"]


def test_standby_is_ready_and_writes_nothing_while_the_leader_works(
    plane: ControlPlane, start: Callable[..., Replica]
) -> None:
    leader = start()
    standby = start()
    create(plane, "one")
    until(lambda: marked_by(plane, "one") == holder(plane))
    until(lambda: standby.requests["get_lease"] > 3)
    assert (leader.leads, standby.leads) == (True, False)
    assert set(standby.requests) <= READING_VERBS
    assert standby.get("/livez") == "ok"


def test_leader_that_is_told_to_stop_hands_over_at_once(
    plane: ControlPlane, start: Callable[..., Replica]
) -> None:
    leader = start()
    until(lambda: leader.leads)
    standby = start()
    before = epoch(plane)
    leader.process.send_signal(signal.SIGTERM)
    assert leader.process.wait(120) == 0
    assert until(lambda: standby.leads) < LEASE_SECONDS / 2, "long before the Lease would be over"
    assert epoch(plane) == before + 1
    create(plane, "two")
    until(lambda: marked_by(plane, "two") == holder(plane))
    assert leader.events()[-1] == "leadership"


def test_killed_leader_is_replaced_after_its_lease_ran_out(
    plane: ControlPlane, start: Callable[..., Replica]
) -> None:
    leader = start(lease_seconds=SHORT_LEASE_SECONDS)
    until(lambda: leader.leads)
    standby = start(lease_seconds=SHORT_LEASE_SECONDS)
    leader.end()
    renewed = renewed_at(plane)
    until(lambda: standby.leads)
    assert (renewed_at(plane) - renewed).total_seconds() >= SHORT_LEASE_SECONDS, "not before"
    create(plane, "three")
    until(lambda: marked_by(plane, "three") == holder(plane))


def test_paused_leader_ends_when_it_wakes_up_behind_another_one(
    plane: ControlPlane, start: Callable[..., Replica]
) -> None:
    leader = start(lease_seconds=SHORT_LEASE_SECONDS)
    until(lambda: leader.leads)
    standby = start(lease_seconds=SHORT_LEASE_SECONDS)
    leader.process.send_signal(signal.SIGSTOP)
    until(lambda: standby.leads)
    create(plane, "four")
    until(lambda: marked_by(plane, "four") == holder(plane))
    leader.process.send_signal(signal.SIGCONT)
    assert leader.process.wait(120) == 1
    assert "part_ended" in leader.events()
    assert standby.leads
    assert marked_by(plane, "four") == holder(plane)


def test_idle_leader_writes_nothing_but_its_lease(
    plane: ControlPlane, start: Callable[..., Replica]
) -> None:
    leader = start()
    for name in ("a", "b", "c"):
        create(plane, name)
    until(lambda: all(marked_by(plane, name) for name in ("a", "b", "c")))
    before = leader.requests
    until(lambda: leader.requests["put_lease"] > before["put_lease"] + 5)
    assert set(leader.requests - before) - {"serves"} == {"put_lease"}


def test_changes_arrive_after_the_api_server_was_down(
    plane: ControlPlane, start: Callable[..., Replica]
) -> None:
    replica = start()
    until(lambda: replica.leads)
    plane.stop_apiserver()
    plane.start_apiserver()
    create(plane, "five")
    if replica.process.poll() is not None:  # the outage may exceed the renew deadline
        assert "LeadershipLostError" in replica.log.read_text()
        replica = start()
    until(lambda: bool(marked_by(plane, "five")))


def test_kind_of_a_provider_that_appears_later_leads_to_a_restart(
    plane: ControlPlane, start: Callable[..., Replica]
) -> None:
    replica = start()
    route_crds.install(plane, ports.HTTP_ROUTE)
    try:
        assert replica.process.wait(120) == 1
        assert "httproutes" in replica.log.read_text()
        assert holder(plane) == "", "the Lease was released"
        start()
    finally:
        route_crds.remove(plane, ports.HTTP_ROUTE)


def test_kind_of_a_provider_that_is_removed_does_not_keep_the_operator_from_its_work(
    plane: ControlPlane, start: Callable[..., Replica]
) -> None:
    route_crds.install(plane, ports.HTTP_ROUTE)
    try:
        replica = start()
        until(lambda: replica.leads)
    finally:
        route_crds.remove(plane, ports.HTTP_ROUTE)
    create(plane, "six")
    until(lambda: bool(marked_by(plane, "six")))
    if replica.process.poll() is not None:  # Kopf may have ended with its watch
        start()
        create(plane, "seven")
        until(lambda: bool(marked_by(plane, "seven")))
