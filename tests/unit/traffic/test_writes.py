from __future__ import annotations

from dataclasses import replace

import pytest
from traffic_examples import CANDIDATE, GATEWAY, GATEWAY_SPEC, SPEC, STABLE, stored, target

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import (
    Target,
    WantedDocument,
    is_current,
    patch_operations,
    plane_of,
)

MARKER_PATH = "/metadata/annotations/tidegate.dev~1rolled-back-revision"


def entry_of(wanted: Target) -> WantedDocument:
    (entry,) = plane_of(model.Traffic(provider=model.Provider.REPLICA_RATIO)).documents(wanted)
    return entry


def route_of(wanted: Target) -> WantedDocument:
    return plane_of(model.Traffic(provider=model.Provider.GATEWAY_API)).documents(wanted)[0]


def with_spec(document: model.Document, **changed: model.Json) -> model.Document:
    return {**document, "spec": {**objects.mapping(document["spec"]), **changed}}


def operations(live: Target, wanted: Target) -> dict[str, model.Json]:
    """Path to value of the patch that leads from one target to the other."""
    patch = patch_operations(stored(entry_of(live)), entry_of(wanted))
    return {objects.text(step["path"]): step.get("value", step["op"]) for step in patch}


@pytest.mark.parametrize("wanted", [target(), target(weight_percent=50.0), target(marker=STABLE)])
def test_an_equal_entry_service_is_not_written(wanted: Target) -> None:
    live = with_spec(stored(entry_of(wanted)), clusterIP="10.0.0.1", sessionAffinity="None")
    assert patch_operations(live, entry_of(wanted)) == ()


def test_a_moved_selector_is_guarded_by_the_version_that_was_seen() -> None:
    patch = patch_operations(stored(entry_of(target())), entry_of(target(weight_percent=50.0)))
    assert patch[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "200"}
    assert {"tidegate.dev/model-deployment": "iris"} in [step.get("value") for step in patch]


def test_a_label_left_in_the_selector_counts_as_different() -> None:
    wanted = entry_of(target(weight_percent=50.0))
    assert not is_current(stored(entry_of(target())), wanted)


def test_ports_follow_the_spec() -> None:
    moved = replace(SPEC, service=replace(SPEC.service, port=8000))
    ports = objects.items(operations(target(), target(moved))["/spec/ports"])
    assert objects.at(ports[0], "port") == 8000


def test_a_port_without_a_name_stays_without_one() -> None:
    """Such a Service was taken over; a new name would leave it without pods for a moment."""
    live = stored(entry_of(target()))
    [named] = map(objects.mapping, objects.items(objects.at(live, "spec", "ports")))
    unnamed = {key: value for key, value in named.items() if key != "name"}
    live = with_spec(live, ports=[unnamed])
    assert is_current(live, entry_of(target()))

    moved = {
        str(it["path"]): it for it in patch_operations(live, entry_of(target(weight_percent=50.0)))
    }
    assert moved["/spec/ports"]["value"] == [unnamed]
    other = with_spec(live, ports=[{**unnamed, "name": "web"}])
    assert not is_current(other, entry_of(target())), "a name that nobody took over is mended"


def test_labels_that_a_patch_would_not_touch_do_not_count() -> None:
    live = stored(entry_of(target()))
    stripped = {**live, "metadata": {**objects.mapping(live["metadata"]), "labels": {}}}
    assert is_current(stripped, entry_of(target()))


def test_the_first_annotation_of_an_object_brings_the_member_with_it() -> None:
    patch = operations(target(), target(marker=CANDIDATE))
    assert patch["/metadata/annotations"] == {"tidegate.dev/rolled-back-revision": CANDIDATE}


def test_a_marker_is_replaced_and_removed() -> None:
    assert operations(target(marker="x"), target(marker="y"))[MARKER_PATH] == "y"
    assert operations(target(marker="x"), target())[MARKER_PATH] == "remove"


def test_an_unchanged_marker_is_left_alone() -> None:
    patch = operations(target(marker="x"), target(marker="x", weight_percent=50.0))
    assert list(patch) == ["/metadata/resourceVersion", "/spec/selector", "/spec/ports"]


ROUTE = route_of(target(GATEWAY_SPEC, weight_percent=25.0))


def test_an_equal_route_is_not_written_though_the_server_added_fields() -> None:
    live = with_spec(stored(ROUTE), addedByANewerServer={"x": 1})
    assert is_current({**live, "status": {"parents": []}}, ROUTE)


def through(gateway: model.GatewayRoute) -> model.Spec:
    return replace(GATEWAY_SPEC, traffic=replace(GATEWAY_SPEC.traffic, gateway=gateway))


@pytest.mark.parametrize(
    "wanted",
    [
        target(GATEWAY_SPEC, weight_percent=26.0),
        target(GATEWAY_SPEC, weight_percent=25.0, marker=CANDIDATE),
        target(GATEWAY_SPEC, candidate=""),
        target(through(replace(GATEWAY, hostnames=())), weight_percent=25.0),
        target(through(replace(GATEWAY, path_prefixes=("/v2",))), weight_percent=25.0),
        target(
            through(replace(GATEWAY, parents=(model.ParentRef(name="other"),))), weight_percent=25.0
        ),
    ],
)
def test_a_route_that_acts_differently_is_written(wanted: Target) -> None:
    assert not is_current(stored(ROUTE), route_of(wanted))


@pytest.mark.parametrize("spec", ["garbage", {}, {"rules": "garbage"}])
def test_an_unreadable_route_is_written(spec: model.Json) -> None:
    assert not is_current({**stored(ROUTE), "spec": spec}, ROUTE)


def test_a_route_without_the_marker_that_lost_a_label_is_written() -> None:
    live = stored(ROUTE)
    metadata = {**objects.mapping(live["metadata"]), "labels": "garbage"}
    assert not is_current({**live, "metadata": metadata}, ROUTE)
