"""`kubectl scale` of a ModelDeployment on a real API server: its subresource `scale`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_client import ApiClient
from api_examples import SMALLEST, place
from tests.cluster.api import ControlPlane
from tests.cluster.shell import CommandError

from tidegate import model
from tidegate.api import revision, status
from tidegate.model import objects

pytestmark = pytest.mark.apiserver

NAME = SMALLEST["metadata"]["name"]
OF = ("mdep", NAME, "-n", "default")


@pytest.fixture(params=["without a number", "with one"])
def stored(kube_client: ApiClient, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A ModelDeployment, with and without a number of pods of its own."""
    body = SMALLEST
    if request.param == "with one":
        body = place(SMALLEST, "spec.workload.replicas", 4)
    answer = kube_client.create(body, dry_run=False)
    assert answer.code == 201, answer
    yield answer.body
    kube_client.delete(SMALLEST)


def scale(plane: ControlPlane, *arguments: str) -> str:
    return plane.kubectl("scale", *OF, *arguments)


def read(plane: ControlPlane, *, subresource: str = "") -> dict[str, Any]:
    part = (f"--subresource={subresource}",) if subresource else ()
    found: dict[str, Any] = json.loads(plane.kubectl("get", *OF, *part, "-o", "json"))
    return found


def test_scale_sets_the_number_of_pods_and_nothing_else(
    tidegate_plane: ControlPlane, stored: dict[str, Any]
) -> None:
    scale(tidegate_plane, "--replicas=7")
    scaled = read(tidegate_plane)
    assert scaled["spec"]["workload"]["replicas"] == 7
    assert scaled["metadata"]["generation"] == stored["metadata"]["generation"] + 1
    assert revision.revision_of(scaled) == revision.revision_of(stored)
    assert (
        place(scaled, "spec.workload.replicas", 1)["spec"]
        == (place(stored, "spec.workload.replicas", 1)["spec"])
    )


def test_scale_shows_what_is_asked_for_and_what_there_is(
    tidegate_plane: ControlPlane, stored: dict[str, Any], kube_client: ApiClient
) -> None:
    asked = stored["spec"]["workload"]["replicas"]
    assert read(tidegate_plane, subresource="scale")["spec"]["replicas"] == asked
    selector = objects.selector_text(objects.model_selector(NAME))
    written = status.write_status(model.Status(replicas=9, selector=selector))
    body = {**stored, "metadata": {"name": NAME, "namespace": "default"}, "status": written}
    del body["spec"]
    answer = kube_client.apply(body, subresource="/status", force="true")
    assert answer.code == 200, answer
    seen = read(tidegate_plane, subresource="scale")["status"]
    assert seen == {"replicas": 9, "selector": selector}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--replicas=5001",), "should be less than or equal to 5000"),
        (("--replicas=2", "--current-replicas=3"), "Expected replicas to be 3"),
    ],
)
def test_a_scale_that_cannot_be_is_refused(
    tidegate_plane: ControlPlane, stored: dict[str, Any], arguments: tuple[str, ...], says: str
) -> None:
    with pytest.raises(CommandError) as refused:
        scale(tidegate_plane, *arguments)
    assert says in str(refused.value)
    assert read(tidegate_plane)["spec"] == stored["spec"]
