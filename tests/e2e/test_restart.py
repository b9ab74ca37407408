"""The only replica dies, in every phase and in both halves of every step: the end is the same.

A started rollout is parked where it shall be by a gateway that does not answer for its route, by users
that stay away, or by pods that may not be scheduled yet: never by a time that a busy machine might
need. One crash then meets all of them at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest
from cluster_checks import assert_nobody_failed, assert_only_failed_by
from cluster_client import Client, Object
from cluster_history import Look, weight_of
from cluster_played import PlayedGateway
from cluster_scene import Model, Scene, gateway_traffic, metric, model_server
from cluster_users import Load, start_load

from tidegate import ports

pytestmark = pytest.mark.cluster

MARKER = "tidegate.dev/rolled-back-revision"
BAD = {"FAIL_RATIO": "0.5"}
SHORT = [(40.0, "1s"), (60.0, "1s")]
HOLD = "20s"
FORWARD = {
    "initializing": SHORT,
    "pending": SHORT,
    "first-unconfirmed": SHORT,
    "first-held": [(40.0, HOLD), (60.0, "1s")],
    "second-unconfirmed": SHORT,
    "promoting": SHORT,
}
# The weight of stable for which the played gateway does not answer.
UNANSWERED = {"first-unconfirmed": 60.0, "second-unconfirmed": 40.0, "promoting": 0.0}
HELD = {"first-held": 40.0, "second-held": 60.0}
# More requests than the users of the first step send until they are gone.
HOLDS: Object = {
    "canary": {
        "steps": [
            {"name": "p40", "weight": 40, "hold": "1s"},
            {"name": "p60", "weight": 60, "hold": HOLD, "minRequests": 600},
        ]
    },
    "scaleDownDelay": "5s",
}
MANY_REQUESTS_PER_SECOND = 60.0
GATE = {"name": "tidegate.dev/e2e"}
# What an undisturbed rollout does; two of the phases have several weights.
COURSE = ["Pending/0", "Progressing/40", "Progressing/60", "Promoting/60", "Promoting/100"]
EVENTS = ["RolloutStarted", "StepStarted", "StepPassed", "StepStarted", "StepPassed", "Promoted"]


@pytest.fixture
def played(scene: Scene, client: Client) -> Iterator[PlayedGateway]:
    gateway = PlayedGateway(client, namespace=scene.namespace)
    yield gateway
    gateway.close()


def test_promotion_goes_on_from_wherever_the_operator_died(
    scene: Scene, played: PlayedGateway
) -> None:
    models = {name: _model(scene, played, name, steps) for name, steps in FORWARD.items()}
    models["second-held"] = _model(scene, played, "second-held", (), strategy=HOLDS)
    played.hold("initializing", lambda _: True)
    models["initializing"].apply("1")
    loads = _serve([model for name, model in models.items() if name != "initializing"])
    parked = _park(models, played, loads)
    epoch = _crash(scene)
    for name, look in parked.items():
        _assert_still_parked(models[name], look)
    _restart(scene, played, epoch)
    for name in HELD:
        loads[name] = start_load(
            models[name], name="late", requests_per_second=MANY_REQUESTS_PER_SECOND
        )

    first = models["initializing"].wait_for_phase("Healthy", seconds=240)
    assert (first.stable_version, first.last_result) == ("1", "Promoted")
    for name, look in parked.items():
        _assert_went_on(models[name], look)
    for load in loads.values():
        assert_nobody_failed(load.books())


def test_rejected_version_stays_out_wherever_the_operator_died(
    scene: Scene, played: PlayedGateway
) -> None:
    """One rollback is on its way, one is long over, when the operator dies."""
    going, over = (_model(scene, played, name, SHORT) for name in ("going", "over"))
    loads = _serve([going, over])
    played.hold("going", lambda route: MARKER in (route["metadata"].get("annotations") or {}))
    for model in (going, over):
        model.apply("2", env=BAD)
    over.wait_for_phase("RolledBack", seconds=240)
    over.wait_for_rest()
    going.wait_for_phase("RollingBack", seconds=240)
    epoch = _crash(scene)
    restarted_at = _restart(scene, played, epoch)

    asked_at = over.apply("2", env=BAD, revisionHistoryLimit=4)
    same = over.wait_for(lambda look: look.current, seconds=90, since=asked_at, what="an answer")
    ended = going.wait_for_phase("RolledBack", seconds=240, since=restarted_at)
    going.wait_for_rest(since=restarted_at)
    for model, look in ((going, ended), (over, same)):
        assert (look.phase, look.stable_version) == ("RolledBack", "1")
        assert (look.last_result, look.rejected_versions) == ("RolledBack", ["2"])
        assert not look.active
        assert look.rollout["attempt"] == 1
        revision = look.rollout["revision"]
        after = [seen.body for seen in model.routes() if seen.at >= restarted_at]
        assert {weight_of(route, revision) for route in after} <= {0.0}
        _wait_for_events(model, "RolledBack", 1)
        assert model.events().count("RolledBack") == 1
    for load in loads.values():
        assert_only_failed_by(load.books(), version="2")


def _model(
    scene: Scene,
    played: PlayedGateway,
    name: str,
    steps: Sequence[tuple[float, str]],
    **more: Object,
) -> Model:
    """A model behind the shared Gateway and the played one; few requests are enough to judge."""
    traffic = gateway_traffic(name, namespace=scene.namespace, gateway=scene.gateway)
    traffic["gatewayAPI"]["parentRefs"].append(played.parent)
    few = {"minRequests": 10, "noDataTimeout": "1h"}
    lenient = {**few, "metrics": [metric("error-ratio", excess=0.4, max=0.4)]}
    options = {"traffic": traffic, "steps": steps, "analysis": lenient}
    return Model(scene=scene, name=name, options={**options, **more})


def _serve(models: Sequence[Model]) -> dict[str, Load]:
    """Version 1 of every model, and its users."""
    for model in models:
        model.apply("1")
    for model in models:
        model.wait_for_phase("Healthy", seconds=240)
    visited = [model for model in models if model.name != "first-held"]
    return {model.name: start_load(model, requests_per_second=20) for model in visited}


def _park(
    models: dict[str, Model], played: PlayedGateway, loads: dict[str, Load]
) -> dict[str, Look]:
    """Version 2 of every model but the first one, each as far as its name says.

    Users of the second step go once it has begun, and take nothing with them.
    """
    for name, percent in UNANSWERED.items():
        _hold_at(models[name], played, stable_percent=percent)
        models[name].apply("2")
    for name in HELD:
        models[name].apply("2")
    models["pending"].apply("2", workload=_gated())
    models["second-held"].wait_for_weight(HELD["second-held"], seconds=240)
    leaving = loads.pop("second-held")
    assert_nobody_failed(leaving.books())
    leaving.stop()
    looks = {}
    for name, phase in (
        ("first-unconfirmed", "Progressing/40"),
        ("second-unconfirmed", "Progressing/60"),
        ("promoting", "Promoting/100"),
    ):
        looks[name] = _wait_for_course(models[name], phase)
    for started, (name, percent) in enumerate(HELD.items(), start=1):
        looks[name] = models[name].wait_for_weight(percent, seconds=240)
        _wait_for_events(models[name], "StepStarted", started)
    looks["pending"] = _wait_for_course(models["pending"], "Pending/0")
    models["initializing"].wait_for_phase("Initializing", seconds=60)
    return looks


def _gated() -> Object:
    """A pod that no scheduler looks at until `_open_gates`."""
    template = model_server()
    template["spec"]["schedulingGates"] = [GATE]
    return {"replicas": 1, "template": template}


def _open_gates(scene: Scene) -> None:
    for pod in scene.client.list(ports.POD, namespace=scene.namespace):
        if GATE in pod["spec"].get("schedulingGates", ()):
            scene.client.merge(
                ports.POD,
                namespace=scene.namespace,
                name=pod["metadata"]["name"],
                body={"spec": {"schedulingGates": None}},
            )


def _wait_for_events(model: Model, reason: str, number: int) -> None:
    """Events come after the status that they tell of, and a crash between the two loses them."""
    model.scene.history.wait_for(
        lambda: model.events().count(reason) >= number, seconds=90, explain=model.tell
    )


def _hold_at(model: Model, played: PlayedGateway, *, stable_percent: float) -> None:
    stable = model.looks()[-1].stable_revision
    played.hold(model.name, lambda route: weight_of(route, stable) == stable_percent)


def _wait_for_course(model: Model, told: str) -> Look:
    return model.wait_for(
        lambda look: look.current and _told(look) == told, seconds=240, what=f"{model.name}: {told}"
    )


def _told(look: Look) -> str:
    return f"{look.phase}/{look.intended_percent:g}"


def _crash(scene: Scene) -> int:
    """End the only replica as a crash would; the epoch in which it led."""
    epoch = scene.operator.epoch
    (pod,) = scene.operator.pods()
    scene.operator.crash(pod["metadata"]["name"])
    _wait_until_dead(scene, pod["metadata"]["name"])
    return epoch


def _restart(scene: Scene, played: PlayedGateway, epoch: int) -> float:
    """Let all go on while nobody leads; unix seconds at which a new process does."""
    played.release()
    _open_gates(scene)
    scene.history.wait_for(
        lambda: scene.operator.epoch > epoch,
        seconds=180,
        explain=lambda: f"nobody leads again\n{scene.operator.logs()}",
    )
    return time.time()


def _wait_until_dead(scene: Scene, pod: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        found = scene.client.get(ports.POD, namespace=scene.namespace, name=pod)
        assert found is not None
        if any(it["restartCount"] for it in found["status"]["containerStatuses"]):
            return
        assert time.monotonic() < deadline, f"{pod} lives on"
        time.sleep(0.1)


def _assert_still_parked(model: Model, parked: Look) -> None:
    """The crash came before the rollout went on: otherwise the Events of its last step are lost."""
    scene = model.scene
    body = scene.client.get(ports.MODEL_DEPLOYMENT, namespace=scene.namespace, name=model.name)
    assert body is not None
    assert _place(Look(at=time.time(), body=body)) == _place(parked), f"{model.name} went on"


def _place(look: Look) -> tuple[str, ...]:
    """Where a rollout is, and since when."""
    return _told(look), look.step.get("name", ""), look.step.get("confirmedAt", "")


def _assert_went_on(model: Model, parked: Look) -> None:
    """The rollout that was parked has ended as one that nobody disturbed."""
    promoted = model.wait_for_phase("Healthy", seconds=300, since=parked.at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    assert not promoted.rejected_versions
    looks = [look for look in model.looks() if look.active and look.stable_version]
    course = list(dict.fromkeys(_told(look) for look in looks))
    assert course == [told for told in COURSE if told in course], course
    assert {"Progressing/40", "Progressing/60", "Promoting/100"} <= set(course)
    assert {look.rollout["attempt"] for look in looks} == {1}
    confirmed = {(look.step["name"], look.step.get("confirmedAt")) for look in looks if look.step}
    assert len([name for name, at in confirmed if at]) == 2, "a step starts once"
    model.scene.history.wait_for(
        lambda: [it for it in model.events() if it in EVENTS][-len(EVENTS) :] == EVENTS,
        seconds=90,
        explain=model.tell,
    )
