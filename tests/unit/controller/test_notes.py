"""A note on a Deployment leaves what others, or a later leader, wrote there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from cli_world import apply_patch
from rollout_world import World

from tidegate import ports
from tidegate.controller.actuator import Actuator, Surroundings
from tidegate.controller.config_maps import ConfigMaps
from tidegate.controller.isolations import Isolations
from tidegate.controller.smoke_tests import SmokeTests
from tidegate.controller.store import Store
from tidegate.model import actions, objects

SEEN = {"tidegate.dev/replicas": "1"}
NOTED = {objects.ANNOTATION_TEMPLATE_HASH: "t1"}


def deployment(annotations: dict[str, str], *, version: str = "1") -> ports.Object:
    metadata: dict[str, Any] = {"name": "iris-r1", "namespace": "models", "uid": "u"}
    metadata |= {"resourceVersion": version, "annotations": annotations}
    return {"metadata": metadata, "spec": {"template": {"spec": {}}}}


class Api:
    """Has one Deployment, newer than the one that was seen."""

    def __init__(self, live: ports.Object) -> None:
        self.live = live

    async def json_patch(
        self, kind: ports.Kind, *, operations: Sequence[ports.Object], **_: Any
    ) -> ports.Result[ports.Object]:
        assert kind is ports.DEPLOYMENT
        patched = apply_patch(self.live, operations)
        if patched is None:
            return ports.Conflict(message="the test failed")
        self.live = patched
        return ports.Ok(patched)

    async def get(self, kind: ports.Kind, **_: Any) -> ports.Result[ports.Object]:
        assert kind is ports.DEPLOYMENT
        return ports.Ok(self.live)


def note_late(seen: ports.Object, live: ports.Object) -> tuple[ports.Failure | None, Any]:
    """What the write says, and the annotations that the Deployment has after it."""
    around = Surroundings(
        seen=World().observe(),
        body={},
        deployments={"r1": seen},
        services={},
        controller_revisions={},
        targets={},
    )
    api = Api(live)
    actuator = Actuator(
        api=cast("ports.KubeApi", api),
        store=Store(),
        leading=lambda: True,
        smoke_tests=cast("SmokeTests", None),
        isolations=cast("Isolations", None),
        config_maps=cast("ConfigMaps", None),
    )
    note = actions.NoteTemplate(revision="r1", template_hash="t1")
    failure = asyncio.run(actuator.perform(note, around))
    return failure, api.live["metadata"]["annotations"]


@pytest.mark.parametrize(
    "since",
    [
        {"tidegate.dev/replicas": "0"},
        {"tidegate.dev/replicas": "1", "deployment.kubernetes.io/revision": "1"},
        {"tidegate.dev/replicas": "1", "team": "vision"},
    ],
    ids=["size-of-the-next-leader", "of-the-deployment-controller", "of-a-person"],
)
def test_a_late_note_takes_nothing_back(since: dict[str, str]) -> None:
    failure, annotations = note_late(deployment(SEEN), deployment(since, version="2"))
    assert failure is None
    assert annotations == since | NOTED


def test_the_first_annotation_replaces_none_that_came_meanwhile() -> None:
    failure, annotations = note_late(deployment({}), deployment({"team": "vision"}, version="2"))
    assert isinstance(failure, ports.Conflict)
    assert annotations == {"team": "vision"}


def test_the_first_annotation_is_written_where_there_is_none() -> None:
    failure, annotations = note_late(deployment({}), deployment({}))
    assert failure is None
    assert annotations == NOTED
