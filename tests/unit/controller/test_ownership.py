"""Two operators that watch the same object: one serves it, the other says so and waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import port_fakes
import pytest
from beside import play

from tidegate import ports
from tidegate.controller.line import Line
from tidegate.controller.observer import Gone
from tidegate.controller.ownership import Ownership
from tidegate.controller.reconciler import OTHER_OPERATOR_LOOK_SECONDS, Reconciler
from tidegate.controller.rollbacks import Rollbacks
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Done, Key, Outcome
from tidegate.rollout.conditions import OTHER_OPERATOR, OTHER_OPERATOR_SECONDS
from tidegate.settings import LeaderElectionSettings, Settings

KEY = Key(namespace="ml", name="iris")
OTHER = "teams/tidegate-controller"
OURS = Settings(leader_election=LeaderElectionSettings(namespace="platform"))


class Api:
    """Leases that are renewed or not, and a status that is written."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.lease: ports.Result[ports.Object | None] = ports.Ok(None)
        self.renewed = True
        self.reads = 0
        self.statuses: list[ports.Object] = []

    async def get_lease(self, *, namespace: str, name: str) -> ports.Result[ports.Object | None]:
        assert f"{namespace}/{name}" == OTHER
        self.reads += 1
        if isinstance(self.lease, ports.Ok) and self.lease.value is not None and self.renewed:
            metadata = {**self.lease.value["metadata"], "resourceVersion": str(self.reads)}
            self.lease = ports.Ok({**self.lease.value, "metadata": metadata})
        return self.lease

    async def apply_status(
        self, kind: ports.Kind, *, namespace: str, body: ports.Object
    ) -> ports.Result[ports.Object]:
        assert (kind, namespace) == (ports.MODEL_DEPLOYMENT, "ml")
        known = self._scene.body()
        version = known["metadata"]["resourceVersion"]
        if body["metadata"]["resourceVersion"] != version:
            return ports.Conflict(message="changed")
        self.statuses.append(body["status"])
        metadata = {**known["metadata"], "resourceVersion": str(int(version) + 1)}
        return ports.Ok({**known, "metadata": metadata, "status": body["status"]})


class Observer:
    """Counts who gets as far as a look."""

    def __init__(self) -> None:
        self.looks = 0

    async def look(self, key: Key, *, live: bool, blocked: object) -> Gone:
        del key, live, blocked
        self.looks += 1
        return Gone()

    def forget(self, key: Key) -> None:
        del key


class Scene:
    def __init__(self, *, owner: str = OTHER, settings: Settings = OURS) -> None:
        self.clock = port_fakes.ManualClock()
        self.store = Store()
        self.api = Api(self)
        self.observer = Observer()
        self.leads = True
        self.store.put(ports.MODEL_DEPLOYMENT, model_deployment(owner))
        anything: Any = None
        api: Any = self.api
        observer: Any = self.observer
        self.reconciler = Reconciler(
            api=api,
            store=self.store,
            observer=observer,
            smoke_tests=anything,
            isolations=anything,
            line=Line(store=self.store, reader=anything, wake=anything),
            rollbacks=Rollbacks(store=self.store),
            config_maps=anything,
            ownership=Ownership(api=api, store=self.store, clock=self.clock, settings=settings),
            events=anything,
            notifications=anything,
            clock=self.clock,
            recorder=port_fakes.MemoryRecorder(),
            leading=lambda: self.leads,
        )

    def body(self) -> ports.Object:
        found = self.store.get(ports.MODEL_DEPLOYMENT, namespace="ml", name="iris")
        assert found is not None
        return found

    async def passes(self, seconds: float) -> Outcome:
        """Passes as often as they are asked for, and the outcome of the last."""
        end = self.clock.monotonic() + seconds
        while True:
            outcome = await self.reconciler.reconcile(KEY)
            if self.clock.monotonic() >= end:
                return outcome
            await self.clock.advance(OTHER_OPERATOR_LOOK_SECONDS)


def model_deployment(owner: str) -> ports.Object:
    return {
        "metadata": {
            "namespace": "ml",
            "name": "iris",
            "uid": "u",
            "resourceVersion": "5",
            "generation": 3,
        },
        "status": {
            "phase": "Progressing",
            "fieldOfANewerRelease": 1,
            "controller": {"epoch": 7, "operator": owner},
            "conditions": [{"type": "Ready", "status": "False"}],
        },
    }


def lease(*, holder: str = "pod_1", namespaces: str = "") -> ports.Ok[ports.Object | None]:
    annotations = {"tidegate.dev/namespaces": namespaces} if namespaces else {}
    spec: ports.Object = {"leaseDurationSeconds": 15}
    if holder:
        spec["holderIdentity"] = holder
    return ports.Ok(
        {"metadata": {"annotations": annotations, "resourceVersion": "1"}, "spec": spec}
    )


def test_a_live_operator_keeps_its_objects_and_the_other_one_says_so_once() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.lease = lease()
        assert await scene.passes(300) == Done(requeue_after_seconds=OTHER_OPERATOR_LOOK_SECONDS)
        assert scene.observer.looks == 0
        (status,) = scene.api.statuses
        old = model_deployment(OTHER)["status"]
        assert {**status, "conditions": old["conditions"]} == old, "the rest stays as it is"
        told = status["conditions"][-1]
        assert (told["type"], told["status"]) == (OTHER_OPERATOR, "True")
        assert OTHER in told["message"]
        await scene.passes(OTHER_OPERATOR_SECONDS)
        assert len(scene.api.statuses) == 2, "again before the owner takes it away for old age"

    play(scenario, Scene())


@pytest.mark.parametrize("owner", ["", OURS.operator, "nonsense"])
def test_what_is_ours_or_nobodys_is_worked_on_and_no_lease_is_read(owner: str) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.passes(0)
        assert scene.observer.looks == 1
        assert scene.api.reads == 0

    play(scenario, Scene(owner=owner))


@pytest.mark.parametrize(
    "found", [ports.Ok(None), lease(holder=""), lease(namespaces="other,more")]
)
def test_an_operator_that_is_gone_or_serves_other_namespaces_is_followed_at_once(
    found: ports.Ok[ports.Object | None],
) -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.lease = found
        await scene.passes(0)
        assert scene.observer.looks == 1
        assert scene.api.statuses == []

    play(scenario, Scene())


def test_one_that_names_this_namespace_is_not_followed() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.lease = lease(namespaces="other,ml")
        await scene.passes(60)
        assert scene.observer.looks == 0

    play(scenario, Scene())


def test_one_whose_lease_is_no_longer_renewed_is_followed_after_its_time() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.lease, scene.api.renewed = lease(), False
        await scene.passes(0)
        assert scene.observer.looks == 0, "its clock starts when we see it first"
        await scene.passes(40)
        assert scene.observer.looks > 0

    play(scenario, Scene())


@pytest.mark.parametrize(
    "failure",
    [ports.Fatal(reason="Forbidden", message="no right"), ports.Retryable(message="later")],
)
def test_what_cannot_be_read_counts_as_alive(failure: ports.Failure) -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.lease = failure
        await scene.passes(300)
        assert scene.observer.looks == 0
        assert len(scene.api.statuses) == 1

    play(scenario, Scene())


def test_a_standby_writes_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        scene.api.lease, scene.leads = lease(), False
        await scene.passes(60)
        assert scene.api.statuses == []

    play(scenario, Scene())


def test_a_namespace_without_the_label_is_let_go_and_taken_back() -> None:
    namespace = {"metadata": {"name": "ml", "uid": "n", "resourceVersion": "1"}}

    async def scenario(scene: Scene) -> None:
        await scene.passes(60)
        assert scene.observer.looks == 0
        (status,) = scene.api.statuses
        assert status["controller"] == {"epoch": 7}
        assert scene.store.put(ports.NAMESPACE, namespace)
        await scene.passes(0)
        assert scene.observer.looks == 1

    play(scenario, Scene(owner=OURS.operator, settings=replace(OURS, namespace_selector="team=ml")))


def test_the_objects_of_another_operator_in_a_namespace_that_we_do_not_serve_are_not_touched() -> (
    None
):
    async def scenario(scene: Scene) -> None:
        await scene.passes(60)
        assert (scene.observer.looks, scene.api.reads, scene.api.statuses) == (0, 0, [])

    play(scenario, Scene(settings=replace(OURS, namespace_selector="team=ml")))
