"""Where the entry Service sends requests, while revisions listen on different ports."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from traffic_examples import CANDIDATE, GATEWAY_SPEC, SPEC, STABLE, target

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import common_port, plane_of

NAMED_8080 = model.PodPort(number=8080, name=objects.PORT_NAME)
NAMED_9000 = model.PodPort(number=9000, name=objects.PORT_NAME)
OLD_8080, OLD_9000 = model.PodPort(number=8080), model.PodPort(number=9000)

SHARED, ALONE = 50.0, 0.0


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([NAMED_8080], objects.PORT_NAME),
        ([NAMED_8080, NAMED_9000], objects.PORT_NAME),
        ([OLD_8080], 8080),
        ([OLD_8080, OLD_8080], 8080),
        ([OLD_8080, NAMED_8080], 8080),
        ([OLD_8080, NAMED_9000], None),
        ([OLD_8080, OLD_9000], None),
        ([], None),
    ],
)
def test_one_service_reaches_all_by_a_shared_name_or_number(
    ports: list[model.PodPort], expected: str | int | None
) -> None:
    assert common_port(ports) == expected


@pytest.mark.parametrize(
    ("weight_percent", "ports", "expected"),
    [
        (SHARED, {STABLE: NAMED_8080, CANDIDATE: NAMED_9000}, objects.PORT_NAME),
        (SHARED, {STABLE: OLD_8080, CANDIDATE: NAMED_8080}, 8080),
        (ALONE, {STABLE: OLD_8080, CANDIDATE: NAMED_9000}, 8080),
        (ALONE, {STABLE: NAMED_8080, CANDIDATE: OLD_9000}, objects.PORT_NAME),
        # Never asked for: a link waits before. If it were, stable is not the one to suffer.
        (SHARED, {STABLE: OLD_8080, CANDIDATE: NAMED_9000}, 8080),
    ],
)
def test_with_pods_the_entry_service_reaches_everybody_it_selects(
    weight_percent: float, ports: Mapping[str, model.PodPort], expected: str | int
) -> None:
    spec = SPEC  # whose own word is 8080, whatever the revisions say
    assert _entry_target(spec, weight_percent, ports) == expected


@pytest.mark.parametrize("weight_percent", [ALONE, SHARED, 100.0])
def test_beside_a_route_the_entry_service_is_stables(weight_percent: float) -> None:
    ports = {STABLE: OLD_9000, CANDIDATE: NAMED_8080}
    assert _entry_target(GATEWAY_SPEC, weight_percent, ports) == 9000


def _entry_target(
    spec: model.Spec, weight_percent: float, ports: Mapping[str, model.PodPort]
) -> model.Json:
    plane = plane_of(spec.traffic)
    documents = plane.documents(target(spec, weight_percent=weight_percent, ports=ports))
    (entry,) = [one for one in documents if one.reference.kind == "Service"]
    (port,) = objects.items(objects.at(entry.body, "spec", "ports"))
    assert objects.at(port, "port") == spec.service.port
    return objects.at(port, "targetPort")
