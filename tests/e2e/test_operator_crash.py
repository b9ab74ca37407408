"""The operator dies in the middle of everything; what was begun ends as if it had not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from cluster_checks import assert_nobody_failed, assert_only_failed_by
from cluster_client import Client
from cluster_history import weight_of
from cluster_played import NAME as PLAYED
from cluster_played import PlayedGateway
from cluster_scene import Model, Scene, gateway_traffic
from cluster_users import Load, serve_first, start_load

from tidegate import ports

pytestmark = pytest.mark.cluster

TAKEOVER_SECONDS = 20.0
MARKER = "tidegate.dev/rolled-back-revision"
# The phase in which the operator dies, and how it must end.
ENDS = {
    "initializing": ("Healthy", "1"),
    "pending": ("Healthy", "2"),
    "progressing": ("Healthy", "2"),
    "promoting": ("Healthy", "2"),
    "rollingback": ("RolledBack", "1"),
}


@pytest.fixture
def played(scene: Scene, client: Client) -> Iterator[PlayedGateway]:
    gateway = PlayedGateway(client, namespace=scene.namespace)
    yield gateway
    gateway.close()


@pytest.mark.replicas(2)
def test_standby_continues_within_20_seconds_when_the_leader_dies(scene: Scene) -> None:
    model = scene.model(steps=[(20.0, "4s"), (60.0, "4s")])
    load = serve_first(model)
    applied_at = model.apply("2")
    held = model.wait_for_weight(20.0, seconds=60, since=applied_at)
    leader, epoch = scene.operator.leader(), scene.operator.epoch
    died_at = scene.operator.crash(leader)
    taken = model.wait_for(
        lambda look: look.status["controller"]["epoch"] > epoch,
        seconds=TAKEOVER_SECONDS,
        since=held.at,
        what="another replica goes on",
    )
    assert taken.at - died_at <= TAKEOVER_SECONDS
    promoted = model.wait_for_phase("Healthy", seconds=60, since=taken.at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    model.wait_for_rest(since=promoted.at)
    assert_nobody_failed(load.books())


def test_operator_that_dies_in_every_phase_ends_what_it_began(
    scene: Scene, played: PlayedGateway
) -> None:
    """Each model is parked in another phase when the only replica dies."""
    models = {name: _model(scene, name) for name in (*ENDS, "deleted")}
    loads = _serve_first(models, played)
    _park(models, played)
    epoch, parked_at = scene.operator.epoch, time.time()
    scene.operator.crash(*(pod["metadata"]["name"] for pod in scene.operator.pods()))
    models["deleted"].delete()
    scene.history.wait_for(
        lambda: scene.operator.epoch > epoch,
        seconds=40,
        explain=lambda: f"nobody leads again\n{scene.operator.logs()}",
    )
    played.release()
    for name, (phase, version) in ENDS.items():
        end = models[name].wait_for_phase(phase, seconds=90, since=parked_at)
        assert end.stable_version == version, models[name].tell()
    scene.history.wait_for(
        lambda: scene.history.of(ports.MODEL_DEPLOYMENT, "deleted")[-1].gone,
        seconds=20,
        explain=lambda: f"the deleted object stays\n{models['deleted'].tell()}",
    )
    for name, load in loads.items():
        if name == "rollingback":
            assert_only_failed_by(load.books(), version="2")
        elif name != "deleted":
            assert_nobody_failed(load.books())


def _model(scene: Scene, name: str) -> Model:
    """A model behind the shared Gateway and the played one, with time to be parked in."""
    traffic = gateway_traffic(name, namespace=scene.namespace, gateway=scene.gateway)
    traffic["gatewayAPI"]["parentRefs"].append({"name": PLAYED})
    hold = "25s" if name in {"progressing", "deleted"} else "1s"
    model = scene.model(name, steps=[(50.0, hold)], progressDeadline="5m")
    model.options["traffic"] = traffic
    return model


def _serve_first(models: dict[str, Model], played: PlayedGateway) -> dict[str, Load]:
    """Version 1 of every model but one, whose route is not answered for."""
    played.hold("initializing", lambda _: True)
    for model in models.values():
        model.apply("1")
    others = {name: model for name, model in models.items() if name != "initializing"}
    for model in others.values():
        model.wait_for_phase("Healthy", seconds=60)
    return {name: start_load(model, requests_per_second=20) for name, model in others.items()}


def _park(models: dict[str, Model], played: PlayedGateway) -> None:
    """Version 2 of the others, each as far as its phase."""
    stable = {name: model.looks()[-1].stable_revision for name, model in models.items()}
    played.hold("promoting", lambda route: weight_of(route, stable["promoting"]) == 0)
    played.hold("rollingback", lambda route: MARKER in (route["metadata"].get("annotations") or {}))
    for name in ("progressing", "promoting", "deleted"):
        models[name].apply("2")
    models["rollingback"].apply("2", env={"FAIL_RATIO": "0.5"})
    for name in ("progressing", "deleted"):
        models[name].wait_for_weight(50.0, seconds=60)
    models["promoting"].wait_for_phase("Promoting", seconds=60)
    models["rollingback"].wait_for_phase("RollingBack", seconds=60)
    models["pending"].apply("2", env={"READY_DELAY_SECONDS": "25"})
    models["pending"].wait_for_phase("Pending", seconds=20)
    models["initializing"].wait_for_phase("Initializing", seconds=1)
