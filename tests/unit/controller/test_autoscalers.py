"""Autoscalers in the store: whose revision they size, and what of them is news."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import ports
from tidegate.controller.dependencies import Ref
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key

KIND = ports.AUTOSCALER
TARGET = "iris-0123456789"


def body(version: int, *, target: str = TARGET, most: int = 9, **status: Any) -> ports.Object:
    """An autoscaler that somebody has put on a Deployment."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    metadata = {"name": "mine", "namespace": "ml", "uid": "h", "resourceVersion": str(version)}
    return {
        "metadata": metadata,
        "spec": {"scaleTargetRef": reference, "maxReplicas": most},
        "status": status,
    }


@pytest.mark.parametrize(
    ("target", "concerned"),
    [
        (TARGET, {Key("ml", "iris")}),
        ("fraud-model-0123456789", {Key("ml", "fraud-model")}),
        ("iris", set()),
        ("iris-01234", set()),
        ("iris-012345678z", set()),
    ],
)
def test_one_of_somebody_else_concerns_whose_revision_it_sizes(
    target: str, concerned: set[Key]
) -> None:
    assert Store().dependents(KIND, body(1, target=target)) == concerned


def test_it_is_found_by_the_deployment_that_it_sizes() -> None:
    store = Store()
    assert store.put(KIND, body(1))
    [found] = store.autoscalers_of(TARGET, namespace="ml")
    assert found.snapshot["metadata"]["name"] == "mine"
    assert store.autoscalers_of(TARGET, namespace="other") == []
    assert store.put(KIND, body(2, target="iris-9876543210"))
    assert store.autoscalers_of(TARGET, namespace="ml") == []
    assert store.remove(KIND, body(3, target="iris-9876543210"))
    assert store.autoscalers_of("iris-9876543210", namespace="ml") == []


def test_a_new_status_is_no_news_and_its_version_is_kept() -> None:
    store = Store()
    assert store.put(KIND, body(1, currentReplicas=2))
    assert not store.put(KIND, body(2, currentReplicas=3))
    known = store.entry(Ref(KIND, "ml", "mine"))
    assert known is not None
    assert known.resource_version == "2"
    assert "status" not in known.snapshot
    assert store.put(KIND, body(3, most=4))
