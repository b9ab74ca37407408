"""Who was rolled back lately, from the status of all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from api_examples import SMALLEST, place
from policy_examples import policy
from status_examples import NOON

from tidegate import model, ports
from tidegate.api import status
from tidegate.controller.rollbacks import Rollbacks
from tidegate.controller.store import Store

FUSE = {"circuitBreaker": {"rollbacks": 2, "within": "10m"}}
R = model.RolloutResult


class Scene:
    def __init__(self, spec: Any = FUSE) -> None:
        self.store = Store()
        self.rollbacks = Rollbacks(store=self.store)
        self._version = 0
        body = policy(spec, name="fuse", cluster=True, uid="fuse")
        self.store.put(ports.CLUSTER_ROLLOUT_POLICY, place(body, "metadata.resourceVersion", "1"))

    def put(self, name: str, result: model.RolloutResult | None, *sources: str) -> None:
        self._version += 1
        at = NOON + timedelta(minutes=self._version)
        last = model.LastRollout(id=name, result=result, finished_at=at) if result else None
        said = model.Status(last_rollout=last, policy=model.PolicyState(sources=sources))
        body = place(SMALLEST, "metadata.name", name)
        body["metadata"] |= {
            "namespace": "ml",
            "uid": name,
            "resourceVersion": str(self._version),
        }
        self.store.put(ports.MODEL_DEPLOYMENT, body | {"status": status.write_status(said)})

    @property
    def names(self) -> list[str]:
        return [it.name for it in self.rollbacks.known()]


def test_who_was_rolled_back_and_which_policies_count_it() -> None:
    scene = Scene()
    scene.put("never", None)
    scene.put("promoted", R.PROMOTED)
    scene.put("aborted", R.ABORTED)
    scene.put("first", R.FAILED)
    scene.put("back", R.ROLLED_BACK, "ClusterRolloutPolicy/fuse@3", "RolloutPolicy/own@1")
    (found,) = scene.rollbacks.known()
    assert (found.namespace, found.name, found.at) == ("ml", "back", NOON + timedelta(minutes=5))
    assert found.policies == {"ClusterRolloutPolicy/fuse", "RolloutPolicy/own"}


def test_a_newer_version_of_an_object_counts_and_a_deleted_one_does_not() -> None:
    scene = Scene()
    scene.put("a", R.ROLLED_BACK)
    scene.put("b", R.ROLLED_BACK)
    assert scene.names == ["a", "b"]
    scene.put("a", R.PROMOTED)
    assert scene.names == ["b"]
    (ref,) = (it for it in scene.store.entries(ports.MODEL_DEPLOYMENT) if it.name == "b")
    scene.store.remove(ports.MODEL_DEPLOYMENT, scene.store.entries(ref.kind)[ref].snapshot)
    assert scene.names == []


@pytest.mark.parametrize("spec", [{}, {"stopPolicy": "Hold"}])
def test_without_a_breaker_nobody_is_looked_at(spec: Any) -> None:
    scene = Scene(spec)
    scene.put("a", R.ROLLED_BACK)
    assert scene.names == []
