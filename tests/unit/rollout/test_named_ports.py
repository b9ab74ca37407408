"""The port that answers requests, by name in the pods of every revision."""

from __future__ import annotations

from dataclasses import replace

import pytest
from traffic_examples import META, SPEC

from tidegate import model
from tidegate.model import objects
from tidegate.revisions import render

REVISION = model.Revision(hash="aaaaaaaaaa", digest="a" * 64, model_version="1.4.0")
NAMED = {"name": objects.PORT_NAME, "containerPort": 8080, "protocol": "TCP"}
OWN = {"name": "http", "containerPort": 8080}
OTHER = {"name": "admin", "containerPort": 9999}


def frozen_of(*containers: model.Document, **pod: model.Json) -> model.FrozenRevision:
    template: model.Document = {"spec": {"containers": list(containers), **pod}}
    return render.freeze(META, replace(SPEC, template=template), REVISION)


def ports_of(frozen: model.FrozenRevision) -> list[list[model.Json]]:
    """The ports of each container, but for the one that is scraped."""
    containers = objects.items(objects.at(frozen.template, "spec", "containers"))
    scraped = objects.METRICS_PORT_NAME
    return [
        [it for it in objects.items(objects.at(one, "ports")) if objects.at(it, "name") != scraped]
        for one in containers
    ]


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([{}], [[NAMED]]),
        ([{"ports": [OWN]}], [[OWN, NAMED]]),
        ([{"ports": [OTHER]}, {"ports": [OWN]}], [[OTHER], [OWN, NAMED]]),
        ([{"ports": [OTHER]}, {}], [[OTHER, NAMED], []]),
        ([{"ports": [NAMED]}], [[NAMED]]),
    ],
)
def test_the_port_is_named_where_it_is_declared(
    containers: list[model.Document], expected: list[model.Json]
) -> None:
    frozen = frozen_of(*({"name": f"c{at}", **one} for at, one in enumerate(containers)))
    assert ports_of(frozen) == expected
    assert frozen.port == model.PodPort(number=8080, name=objects.PORT_NAME)


def test_a_sidecar_may_declare_it_but_the_name_stands_in_a_main_container() -> None:
    sidecar = {"name": "proxy", "restartPolicy": "Always", "ports": [OWN]}
    frozen = frozen_of({"name": "server"}, initContainers=[sidecar])
    assert ports_of(frozen) == [[NAMED]]


def test_pods_on_the_network_of_the_node_keep_their_number() -> None:
    """There each entry takes a port of the node, and the same one twice is refused."""
    frozen = frozen_of({"name": "server", "ports": [OWN]}, hostNetwork=True)
    assert ports_of(frozen) == [[OWN]]
    assert frozen.port == model.PodPort(number=8080)


# --- revisions of an older release ------------------------------------------------------------------


def deployed(frozen: model.FrozenRevision) -> model.Document:
    return render.render_deployment(
        META, frozen, replicas=1, role=model.Role.STABLE, progress_deadline_seconds=60
    )


def service(target: int | str) -> model.Document:
    return {"spec": {"ports": [{"port": 80, "targetPort": target}]}}


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (service(8080), model.PodPort(number=8080)),
        (service(7000), model.PodPort(number=7000)),
        (None, model.PodPort(number=9000)),
    ],
)
def test_a_revision_without_the_name_is_reached_as_its_service_says(
    live: model.Document | None, expected: model.PodPort
) -> None:
    newest = replace(SPEC.server, port=9000)
    made = frozen_of({"name": "server"}, hostNetwork=True)
    adopted = render.adopt(META, deployed(made), service=live, server=newest)
    assert adopted.port == expected
    assert adopted.revision == REVISION
    assert adopted.template == made.template
    assert not adopted.kept


def test_a_revision_that_only_lost_its_controller_revision_is_adopted_as_it_was() -> None:
    made = frozen_of({"name": "server", "ports": [OWN]})
    newest = replace(SPEC.server, port=9000)
    live = service(objects.PORT_NAME)
    adopted = render.adopt(META, deployed(made), service=live, server=newest)
    assert (adopted.port, adopted.template) == (made.port, made.template)
