from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import deployment, rendered_service
from traffic_examples import META, SPEC

from tidegate import model
from tidegate.model import objects

SELECTOR = {"tidegate.dev/model-deployment": "iris", "tidegate.dev/revision": "aaaaaaaaaa"}
IDENTITY = [
    {"name": "TIDEGATE_MODEL_NAME", "value": "iris"},
    {"name": "TIDEGATE_MODEL_VERSION", "value": "1.4.0"},
    {"name": "TIDEGATE_MODEL_URI", "value": "s3://models/iris/1.4.0"},
    {"name": "TIDEGATE_REVISION", "value": "aaaaaaaaaa"},
]
NAMED = "tidegate-http"
PORT = {"name": NAMED, "containerPort": 8080, "protocol": "TCP"}
DRAIN = {"preStop": {"sleep": {"seconds": 10}}}
METRIC = {"name": "tidegate-metric", "containerPort": 8082, "protocol": "TCP"}


def pod_spec(**changed: model.Json) -> model.Document:
    """The rendered pod spec of a template with these members."""
    containers = [{"name": "server", "image": "mlserver:1"}]
    rendered = deployment({"spec": {"containers": containers, **changed}})
    return objects.mapping(objects.at(rendered, "spec", "template", "spec"))


def only_container(**changed: model.Json) -> model.Document:
    """The rendered container of a template whose only container has these members."""
    rendered = pod_spec(containers=[{"name": "server", **changed}])
    (container,) = objects.items(rendered["containers"])
    return objects.mapping(container)


# --- rendering -----------------------------------------------------------------------------------


def test_the_deployment_is_complete() -> None:
    assert deployment() == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "iris-aaaaaaaaaa",
            "namespace": "ml",
            "labels": {
                "tidegate.dev/model-deployment": "iris",
                "tidegate.dev/revision": "aaaaaaaaaa",
                "tidegate.dev/role": "candidate",
                "tidegate.dev/watch": "true",
                "app.kubernetes.io/name": "iris",
                "app.kubernetes.io/version": "1.4.0",
                "app.kubernetes.io/component": "model-server",
                "app.kubernetes.io/part-of": "iris",
                "app.kubernetes.io/managed-by": "tidegate",
            },
            "annotations": {
                "tidegate.dev/spec-hash": "a" * 64,
                "tidegate.dev/hash-version": "1",
                "tidegate.dev/replicas": "3",
                "tidegate.dev/model-version": "1.4.0",
            },
            "ownerReferences": [objects.owner_reference(META)],
        },
        "spec": {
            "replicas": 3,
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": 1800,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "selector": {"matchLabels": SELECTOR},
            "template": {
                "metadata": {
                    "labels": SELECTOR,
                    "annotations": {
                        "prometheus.io/scrape": "true",
                        "prometheus.io/port": "8082",
                        "prometheus.io/path": "/metrics",
                    },
                },
                "spec": {
                    "containers": [
                        {
                            "name": "server",
                            "image": "mlserver:1",
                            "env": IDENTITY,
                            "lifecycle": DRAIN,
                            "ports": [PORT, METRIC],
                        }
                    ],
                },
            },
        },
    }


def test_the_service_selects_one_revision_on_a_port_that_never_changes() -> None:
    spec = replace(SPEC, service=replace(SPEC.service, port=9999, target_port=8080))
    service = rendered_service(spec)
    assert objects.object_name(service) == "iris-aaaaaaaaaa"
    assert not objects.label(service, "tidegate.dev/role"), "a Service never changes"
    assert objects.is_controlled_by(service, uid=META.uid)
    assert service["spec"] == {
        "type": "ClusterIP",
        "selector": SELECTOR,
        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": NAMED}],
    }


def test_labels_and_annotations_of_the_template_are_kept() -> None:
    rendered = deployment(
        {
            "metadata": {
                "labels": {"team": "risk", "tidegate.dev/revision": "forged"},
                "annotations": {"prometheus.io/port": "9000", "note": "x"},
            },
            "spec": {"containers": [{"name": "server"}]},
        }
    )
    metadata = objects.mapping(objects.at(rendered, "spec", "template", "metadata"))
    assert metadata["labels"] == {"team": "risk", **SELECTOR}
    assert metadata["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9000",
        "prometheus.io/path": "/metrics",
        "note": "x",
    }


def _ports(template: model.Document) -> list[list[model.Json]]:
    """The ports of each main container."""
    rendered = deployment(template)
    containers = objects.items(objects.at(rendered, "spec", "template", "spec", "containers"))
    return [list(objects.items(objects.at(one, "ports"))) for one in containers]


OWN = {"name": "metrics", "containerPort": 8082}
METRIC_AT = [{**METRIC, "containerPort": number} for number in (9000, 8082)]


@pytest.mark.parametrize(
    ("case", "containers", "annotations", "ports"),
    [
        ("none declared", [{"name": "a"}, {"name": "b"}], {}, [[METRIC], []]),
        (
            "by a name of the user's",
            [{"name": "a", "ports": [{"containerPort": 80}]}, {"name": "b", "ports": [OWN]}],
            {},
            [[{"containerPort": 80}], [OWN, METRIC]],
        ),
        (
            "our name is taken",
            [{"name": "a", "ports": [{**METRIC, "containerPort": 7}]}],
            {},
            [[{**METRIC, "containerPort": 7}]],
        ),
        (
            "another port by annotation",
            [{"name": "a", "ports": [OWN]}],
            {"prometheus.io/port": "9000"},
            [[OWN, METRIC_AT[0]]],
        ),
        (
            "an annotation that is no port",
            [{"name": "a"}],
            {"prometheus.io/port": "http"},
            [[METRIC_AT[1]]],
        ),
        (
            "a port that does not exist",
            [{"name": "a"}],
            {"prometheus.io/port": "65536"},
            [[METRIC_AT[1]]],
        ),
    ],
)
def test_the_port_of_the_metrics_has_a_name_in_every_pod(
    case: str,
    containers: list[model.Json],
    annotations: dict[str, str],
    ports: list[list[model.Json]],
) -> None:
    template: model.Document = {
        "metadata": {"annotations": annotations},
        "spec": {"containers": containers},
    }

    found = [[port for port in one if port != PORT] for one in _ports(template)]
    assert found == ports, case


def test_in_the_network_of_the_node_no_port_is_named() -> None:
    assert _ports({"spec": {"hostNetwork": True, "containers": [{"name": "a"}]}}) == [[]]


def test_pods_carry_no_role_so_that_promotion_touches_none() -> None:
    roles = [
        objects.at(deployment(role=role), "spec", "template")
        for role in (model.Role.STABLE, model.Role.CANDIDATE)
    ]
    assert roles[0] == roles[1]


def test_identity_stands_in_front_so_that_own_variables_may_refer_to_it() -> None:
    own = {"name": "MODEL_URI", "value": "$(TIDEGATE_MODEL_URI)"}
    assert only_container(env=[own])["env"] == [*IDENTITY, own]


def test_pods_are_told_who_acts_on_their_predictions_where_that_is_said() -> None:
    mode = model.Automation(decision_mode=model.DecisionMode.ASSIST)
    rendered = deployment(automation=mode)
    template = objects.mapping(objects.at(rendered, "spec", "template"))
    (container,) = objects.items(objects.at(template, "spec", "containers"))
    told = {"name": "TIDEGATE_DECISION_MODE", "value": "Assist"}
    assert objects.mapping(container)["env"] == [*IDENTITY, told]
    assert objects.at(template, "metadata", "labels", "tidegate.dev/decision-mode") == "Assist"
    unsaid = deployment()
    labels = objects.mapping(objects.at(unsaid, "spec", "template", "metadata", "labels"))
    assert "tidegate.dev/decision-mode" not in labels


def test_a_variable_that_the_container_sets_is_not_set_twice() -> None:
    own = {"name": "TIDEGATE_MODEL_URI", "value": "file:///models"}
    names = [objects.at(v, "name") for v in objects.items(only_container(env=[own])["env"])]
    assert sorted(objects.text(name) for name in names) == sorted(v["name"] for v in IDENTITY)
    assert names[-1] == "TIDEGATE_MODEL_URI"


def test_init_containers_get_the_identity_but_no_drain() -> None:
    rendered = pod_spec(initContainers=[{"name": "fetch"}])
    assert rendered["initContainers"] == [{"name": "fetch", "env": IDENTITY}]


@pytest.mark.parametrize(
    ("grace_seconds", "sleep_seconds"), [(None, 10), (60, 10), (20, 10), (8, 4), (2, 1)]
)
def test_pods_keep_answering_while_endpoints_forget_them(
    grace_seconds: int | None, sleep_seconds: int
) -> None:
    rendered = pod_spec(terminationGracePeriodSeconds=grace_seconds)
    (container,) = objects.items(rendered["containers"])
    pause = objects.at(container, "lifecycle", "preStop", "sleep", "seconds")
    assert pause == sleep_seconds


@pytest.mark.parametrize("grace_seconds", [0, 1])
def test_without_time_to_drain_no_pause_is_added(grace_seconds: int) -> None:
    rendered = pod_spec(terminationGracePeriodSeconds=grace_seconds)
    (container,) = objects.items(rendered["containers"])
    assert "lifecycle" not in objects.mapping(container)


def test_a_pre_stop_hook_of_the_user_is_left_alone() -> None:
    own = {"preStop": {"exec": {"command": ["/drain"]}}}
    assert only_container(lifecycle=own)["lifecycle"] == own


def test_other_lifecycle_hooks_are_kept_beside_the_drain() -> None:
    own = {"postStart": {"exec": {"command": ["/warm"]}}}
    assert only_container(lifecycle=own)["lifecycle"] == {**own, **DRAIN}


words = st.text(alphabet="abc", max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "metadata": json_values,
            "spec": json_values
            | st.fixed_dictionaries(
                {},
                optional={
                    "containers": st.lists(json_values, max_size=3),
                    "initContainers": json_values,
                    "terminationGracePeriodSeconds": json_values,
                },
            ),
        },
    )
)
def test_rendering_never_changes_its_input_and_never_raises(template: model.Document) -> None:
    before = copy.deepcopy(template)
    first, second = deployment(template), deployment(template)
    assert template == before
    assert first == second
