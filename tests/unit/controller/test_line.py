"""Places as they follow from the store and from what was decided since."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from api_examples import SMALLEST, place
from policy_examples import policy
from status_examples import FULL_STATUS, NOON

from tidegate import model, ports
from tidegate.api import status
from tidegate.controller.line import Line
from tidegate.controller.reading import SpecReader
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key
from tidegate.settings import Settings

MD, OWN, CLUSTER = ports.MODEL_DEPLOYMENT, ports.ROLLOUT_POLICY, ports.CLUSTER_ROLLOUT_POLICY
ONE = {"constraints": {"maxConcurrentRollouts": {"perCluster": 1}}}
IN_PRODUCTION = {"namespaceSelector": {"matchLabels": {"environment": "production"}}}
assert FULL_STATUS.rollout is not None
BASE = dataclasses.replace(
    FULL_STATUS.rollout,
    exposure=model.NO_TRAFFIC,
    first_traffic_at=None,
    admitted_at=None,
    waiting_for=None,
    rollback_by="",
    rollback_reason="",
)


def waiting(
    reason: model.Waiting = model.Waiting.CONCURRENCY_QUOTA, minute: int = 0
) -> model.Rollout:
    waits = model.WaitingFor(reason=reason, since=NOON)
    begun = NOON + timedelta(minutes=minute)
    return dataclasses.replace(BASE, waiting_for=waits, started_at=begun)


RUNNING = dataclasses.replace(BASE, admitted_at=NOON)
BEGUN = dataclasses.replace(BASE, first_traffic_at=NOON)


def said(
    rollout: model.Rollout | None, *sources: str, phase: model.Phase = model.Phase.PENDING
) -> model.Status:
    state = model.PolicyState(sources=tuple(f"{it}@1" for it in sources))
    return model.Status(rollout=rollout, phase=phase, policy=state)


class Scene:
    def __init__(self, spec: Any = ONE, kind: ports.Kind = CLUSTER) -> None:
        self.store = Store()
        self.woken: list[str] = []
        reader = SpecReader(store=self.store, settings=Settings())
        self.line = Line(
            store=self.store, reader=reader, wake=lambda key: self.woken.append(key.name)
        )
        self._version = 0
        if spec is not None:
            where = {"namespace": "ml"} if kind is OWN else {}
            body = policy(spec, name="few", cluster=kind is CLUSTER, uid="few", **where)
            assert self.store.put(kind, place(body, "metadata.resourceVersion", "1"))

    def put(
        self,
        name: str,
        said: model.Status,
        *,
        namespace: str = "ml",
        replicas: int = 1,
        **metadata: Any,
    ) -> None:
        self._version += 1
        body = place(SMALLEST, "metadata.name", name)
        body = place(body, "spec.workload.replicas", replicas)
        body["metadata"] |= {
            "namespace": namespace,
            "uid": f"{namespace}/{name}",
            "resourceVersion": str(self._version),
            "generation": 1,
            **metadata,
        }
        body["status"] = status.write_status(said)
        self.store.put(MD, body)

    @property
    def names(self) -> tuple[list[str], list[str]]:
        """Who runs and who waits."""
        found = self.line.queue()
        return [it.name for it in found.running], [it.name for it in found.waiting]


def test_who_has_a_place_and_who_waits_by_age() -> None:
    scene = Scene()
    scene.put("b", said(waiting(minute=2)))
    scene.put("a", said(waiting(minute=3)))
    scene.put("c", said(waiting(minute=1)))
    scene.put("has-it", said(RUNNING))
    scene.put("has-traffic", said(BEGUN))
    scene.put("rests", said(None, phase=model.Phase.HEALTHY))
    assert scene.names == (["has-it", "has-traffic"], ["c", "b", "a"])


def test_without_a_limit_nobody_is_looked_at() -> None:
    scene = Scene({"stopPolicy": "Hold"})
    scene.put("a", said(RUNNING))
    assert scene.line.queue() == model.EMPTY_QUEUE


@pytest.mark.parametrize(
    "reason",
    [model.Waiting.MANUAL_STEP, model.Waiting.FREEZE, model.Waiting.REQUEST, model.Waiting.POLICY],
)
def test_who_waits_for_something_else_is_not_in_the_queue(reason: model.Waiting) -> None:
    scene = Scene()
    scene.put("a", said(waiting(reason)))
    assert scene.names == ([], [])


def test_neither_is_what_cannot_go_on() -> None:
    scene = Scene()
    scene.put("invalid", said(waiting(), phase=model.Phase.INVALID))
    scene.put("deleted", said(waiting()), deletionTimestamp="2026-11-20T12:00:00Z")
    scene.put("goes-back", said(dataclasses.replace(waiting(), rollback_by="User")))
    assert scene.names == ([], [])


def test_what_is_invalid_or_goes_back_keeps_its_place_until_it_is_over() -> None:
    scene = Scene()
    scene.put("invalid", said(BEGUN, phase=model.Phase.INVALID))
    scene.put("goes-back", said(dataclasses.replace(BEGUN, rollback_by="User")))
    assert scene.names == (["invalid", "goes-back"], [])


def test_a_place_counts_before_its_write_comes_back() -> None:
    """Also where the rollout began in the very pass that gave it the place."""
    scene = Scene()
    scene.put("a", said(waiting()))
    scene.put("b", said(None, phase=model.Phase.HEALTHY))
    scene.line.decided(Key("ml", "a"), said(dataclasses.replace(waiting(), admitted_at=NOON)))
    scene.line.decided(Key("ml", "b"), said(RUNNING))
    assert scene.names == (["a", "b"], [])
    scene.line.decided(Key("ml", "a"), said(waiting()))
    assert scene.names == (["b"], ["a"])
    scene.line.forget(Key("ml", "b"))
    assert scene.names == ([], ["a"])


def test_those_with_a_place_are_asked_to_look_when_somebody_leaves() -> None:
    scene = Scene()
    scene.put("first", said(RUNNING))
    scene.put("old", said(waiting(minute=1)))
    scene.put("new", said(waiting(minute=2)))
    over = said(None, phase=model.Phase.HEALTHY)
    scene.line.written(before=said(RUNNING), after=said(RUNNING))
    assert scene.woken == []
    scene.put("first", over)
    scene.line.written(before=said(RUNNING), after=over)
    assert scene.woken == ["old"]


def test_one_that_is_gone_leaves_its_place() -> None:
    scene = Scene()
    scene.put("waits", said(waiting()))
    scene.line.forget(Key("ml", "gone"))
    assert scene.woken == [], "it had none"
    scene.line.decided(Key("ml", "gone"), said(RUNNING))
    scene.line.forget(Key("ml", "gone"))
    assert scene.woken == ["waits"]


@pytest.mark.parametrize(
    ("spec", "kind", "counted"),
    [
        (ONE, CLUSTER, ["ours", "labelled", "elsewhere"]),
        (ONE, OWN, ["ours", "labelled"]),
        (ONE | {"selector": {"matchLabels": {"team": "risk"}}}, CLUSTER, ["labelled"]),
        (ONE | IN_PRODUCTION, CLUSTER, ["labelled"]),  # whose status says that it applies
        (ONE | {"freezeWindows": [{"name": "w"}]}, CLUSTER, []),  # unreadable: it holds otherwise
    ],
)
def test_whom_a_policy_counts(spec: Any, kind: ports.Kind, counted: list[str]) -> None:
    scene = Scene(spec, kind)
    scene.put("ours", said(BEGUN))
    scene.put("labelled", said(BEGUN, "ClusterRolloutPolicy/few"), labels={"team": "risk"})
    scene.put("elsewhere", said(BEGUN), namespace="lab")
    assert scene.names == (counted, [])


@pytest.mark.parametrize("spec", [{"selector": {"matchLabels": {"tier": "gold"}}}, IN_PRODUCTION])
def test_a_policy_that_a_rollout_began_with_counts_it_whatever_its_labels_are(spec: Any) -> None:
    scene = Scene(ONE | spec)
    began = dataclasses.replace(waiting(), policies=("ClusterRolloutPolicy/few@1",))
    scene.put("relabelled", said(began))
    scene.put("other", said(dataclasses.replace(began, policies=("RolloutPolicy/few@1",))))
    assert scene.names == ([], ["relabelled"])


def test_whose_status_has_no_room_for_all_policies_is_counted() -> None:
    scene = Scene(ONE | IN_PRODUCTION)
    scene.put("many", said(BEGUN, *(f"ClusterRolloutPolicy/p{at}" for at in range(64))))
    assert scene.names == (["many"], [])


def test_what_rests_stays_packed() -> None:
    scene = Scene()
    scene.put("rests", said(None, phase=model.Phase.HEALTHY))
    scene.names  # noqa: B018  (its first version is read once, as every pass does)
    scene.store.rest(Key("ml", "rests"))
    scene.put("other", said(BEGUN))
    assert scene.names == (["other"], [])
    rests, _ = scene.store.model_deployment_entries()
    assert rests.at_hand is None


def test_neither_is_one_that_has_no_pods() -> None:
    scene = Scene()
    scene.put("none", said(waiting()), replicas=0)
    scene.put("some", said(waiting()), replicas=1)
    assert scene.names == ([], ["some"])
