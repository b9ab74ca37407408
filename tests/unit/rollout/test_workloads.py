from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_examples import META, SPEC

from tidegate import model
from tidegate.model import objects
from tidegate.revisions import render
from tidegate.revisions.state import revision_state

REVISION = model.Revision(hash="aaaaaaaaaa", digest="a" * 64, model_version="1.4.0")
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


def deployment(
    template: model.Document = SPEC.template, *, role: model.Role = model.Role.CANDIDATE
) -> model.Document:
    frozen = render.freeze(META, replace(SPEC, template=template), REVISION)
    return render.render_deployment(
        META, frozen, replicas=3, role=role, progress_deadline_seconds=1800
    )


def rendered_service(
    spec: model.Spec = SPEC, *, role: model.Role = model.Role.CANDIDATE
) -> model.Document:
    frozen = render.freeze(META, spec, REVISION)
    return render.render_service(META, frozen, entry=spec.service, role=role)


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
    service = rendered_service(spec, role=model.Role.STABLE)
    assert objects.object_name(service) == "iris-aaaaaaaaaa"
    assert objects.label(service, "tidegate.dev/role") == "stable"
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


# --- reading -------------------------------------------------------------------------------------

CREATED_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def live(
    *, generation: int = 2, status: model.Json = None, **metadata: model.Json
) -> model.Document:
    """The rendered Deployment as the API server would hold it, with three ready pods."""
    rendered = deployment()
    healthy = {"observedGeneration": 2, "readyReplicas": 3, "availableReplicas": 2}
    return {
        **rendered,
        "metadata": {
            **objects.mapping(rendered["metadata"]),
            "creationTimestamp": "2026-11-20T12:00:00Z",
            "generation": generation,
            "resourceVersion": "77",
            **metadata,
        },
        "status": healthy if status is None else status,
    }


def state_of(
    document: model.Document,
    *,
    service: model.Document | None = None,
    endpoint_slices: list[model.Document] | None = None,
    pods: list[model.Document] | None = None,
) -> model.RevisionState:
    state = revision_state(
        document, service=service, endpoint_slices=endpoint_slices, pods=pods or []
    )
    assert state is not None
    return state


def test_a_rendered_revision_is_read_back() -> None:
    state = state_of(live(), service=rendered_service())
    assert state == model.RevisionState(
        revision=REVISION,
        wanted=3,
        ready=3,
        available=2,
        role=model.Role.CANDIDATE,
        created_at=CREATED_AT,
        has_service=True,
        current=True,
        resource_version="77",
        template_hash=state.template_hash,
    )
    assert len(state.template_hash) == 16


def test_a_status_of_an_older_generation_is_not_current() -> None:
    assert not state_of(live(generation=3)).current


def test_a_deployment_that_bears_no_revision_is_none_of_ours() -> None:
    nobody = revision_state({}, service=None, endpoint_slices=None, pods=[])
    assert nobody is None


def test_a_deployment_without_status_has_no_pods_yet() -> None:
    state = state_of(live(status={}))
    assert (state.ready, state.available, state.current) == (0, 0, False)


def test_an_unknown_role_is_no_role() -> None:
    labels = {objects.LABEL_REVISION: "aaaaaaaaaa", objects.LABEL_ROLE: "king"}
    assert state_of(live(labels=labels)).role is None


@pytest.mark.parametrize(
    ("written", "created_at"),
    [
        ("2026-11-20T12:00:00Z", CREATED_AT),
        ("2026-11-20T12:00:00", CREATED_AT),
        ("yesterday", datetime(1970, 1, 1, tzinfo=UTC)),
        (None, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_time_of_creation_is_read(written: model.Json, created_at: datetime) -> None:
    assert state_of(live(creationTimestamp=written)).created_at == created_at


def endpoint(pod: str, *, ready: bool | None = True) -> model.Document:
    conditions: model.Document = {} if ready is None else {"ready": ready}
    reference: model.Document = {"targetRef": {"kind": "Pod", "name": pod}} if pod else {}
    return {"addresses": ["10.0.0.1"], "conditions": conditions, **reference}


def endpoint_slice(*endpoints: model.Document, service: str = "iris-aaaaaaaaaa") -> model.Document:
    labels = {"kubernetes.io/service-name": service}
    return {"metadata": {"labels": labels}, "endpoints": list(endpoints)}


@pytest.mark.parametrize(
    ("endpoint_slices", "ready"),
    [
        (None, 3),
        ([], 0),
        ([endpoint_slice()], 0),
        ([endpoint_slice(endpoint("p1"), endpoint("p2", ready=False))], 1),
        ([endpoint_slice(endpoint("p1"), endpoint("p2"), endpoint("p3"), endpoint("p4"))], 3),
        ([endpoint_slice(endpoint("p1")), endpoint_slice(endpoint("p1"))], 1),  # dual stack
        ([endpoint_slice(endpoint("p1", ready=None))], 1),  # unknown counts as ready
        ([endpoint_slice(endpoint("p1"), service="iris")], 0),  # the entry Service's
        ([endpoint_slice(endpoint(""), endpoint(""))], 1),  # without a pod: by address
    ],
)
def test_a_pod_is_ready_when_its_endpoint_is(
    endpoint_slices: list[model.Document] | None, ready: int
) -> None:
    assert state_of(live(), endpoint_slices=endpoint_slices).ready == ready


def pod(
    *statuses: model.Document,
    name: str = "p1",
    revision: str = "aaaaaaaaaa",
    deleted: bool = False,
    **status: model.Json,
) -> model.Document:
    gone = {"deletionTimestamp": "2026-11-20T12:00:00Z"} if deleted else {}
    return {
        "metadata": {"name": name, "labels": {objects.LABEL_REVISION: revision}, **gone},
        "status": {"containerStatuses": list(statuses), **status},
    }


def waiting(reason: str, *, message: str = "", last: model.Json = None) -> model.Document:
    state = {"waiting": {"reason": reason, "message": message}}
    ended = {"terminated": last} if last else {}
    return {"name": "server", "ready": False, "state": state, "lastState": ended}


def ended(
    *, restarts: int, ready: bool = False, exit_code: int = 137, member: str = "state"
) -> model.Document:
    terminated: model.Document = {"reason": "OOMKilled", "exitCode": exit_code}
    return {
        "name": "server",
        "ready": ready,
        "restartCount": restarts,
        member: {"terminated": terminated},
    }


FAILURES: list[tuple[model.Document, str]] = [
    (pod(), ""),
    (pod(waiting("ContainerCreating")), ""),
    (pod(waiting("ErrImagePull", message="timeout")), ""),  # the first failed pull may pass
    (
        pod(waiting("ImagePullBackOff", message='Back-off pulling "x"')),
        'ImagePullBackOff: container server: Back-off pulling "x"',
    ),
    (
        pod(waiting("CrashLoopBackOff", last={"reason": "OOMKilled", "exitCode": 137})),
        "CrashLoopBackOff: container server: OOMKilled (exit code 137)",
    ),
    (
        pod(waiting("CrashLoopBackOff", last={"exitCode": 1, "message": "no\nmodel"})),
        "CrashLoopBackOff: container server: Error (exit code 1): no model",
    ),
    (
        pod(waiting("CrashLoopBackOff", message="back-off", last={"exitCode": 0})),
        "CrashLoopBackOff: container server: back-off",
    ),
    (pod(waiting("RunContainerError")), "RunContainerError: container server"),
    (pod(ended(restarts=1)), ""),
    (
        pod(ended(restarts=2)),
        "OOMKilled (exit code 137): container server restarted 2 times",
    ),
    (
        pod(ended(restarts=3, member="lastState")),
        "OOMKilled (exit code 137): container server restarted 3 times",
    ),
    (pod(ended(restarts=9, ready=True, member="lastState")), ""),  # it serves again
    (pod(ended(restarts=9, exit_code=0)), ""),
    (pod(waiting("CrashLoopBackOff"), deleted=True), ""),
    (pod(waiting("CrashLoopBackOff"), revision="bbbbbbbbbb"), ""),
    (
        pod(initContainerStatuses=[waiting("CreateContainerConfigError", message="no secret")]),
        "CreateContainerConfigError: container server: no secret",
    ),
    (pod(containerStatuses="garbage"), ""),
]


@pytest.mark.parametrize(("document", "failure"), FAILURES)
def test_the_pods_own_reason_is_told(document: model.Document, failure: str) -> None:
    assert state_of(live(), pods=[document]).failure == failure


def test_the_first_pod_by_name_speaks() -> None:
    pods = [
        pod(waiting("CrashLoopBackOff"), name="p2"),
        pod(waiting("ImagePullBackOff"), name="p1"),
    ]
    assert state_of(live(), pods=pods).failure.startswith("ImagePullBackOff")


def test_a_long_message_is_shortened() -> None:
    long = pod(waiting("ImagePullBackOff", message="x" * 500))
    failure = state_of(live(), pods=[long]).failure
    assert len(failure) == 200
    assert failure.endswith("…")


def scheduled(**condition: str) -> model.Document:
    return pod(conditions=[{"type": "Ready"}, {"type": "PodScheduled", **condition}])


@pytest.mark.parametrize(
    ("document", "unschedulable"),
    [
        (scheduled(status="True"), ""),
        (scheduled(status="False", reason="SchedulingGated"), ""),
        (
            scheduled(status="False", reason="Unschedulable", message="0/3 nodes: no GPU"),
            "Unschedulable: 0/3 nodes: no GPU",
        ),
        (pod(), ""),
    ],
)
def test_lack_of_nodes_is_told_apart_from_failure(
    document: model.Document, unschedulable: str
) -> None:
    state = state_of(live(), pods=[document])
    assert state.unschedulable == unschedulable
    assert state.failure == ""


@pytest.mark.parametrize(
    ("status", "message", "failure", "unschedulable"),
    [
        ("True", "violates PodSecurity", "FailedCreate: violates PodSecurity", ""),
        ("True", "exceeded quota: gpu", "", "FailedCreate: exceeded quota: gpu"),
        ("False", "violates PodSecurity", "", ""),
    ],
)
def test_pods_that_cannot_be_created_are_told(
    status: str, message: str, failure: str, unschedulable: str
) -> None:
    condition = {
        "type": "ReplicaFailure",
        "status": status,
        "reason": "FailedCreate",
        "message": message,
    }
    state = state_of(live(status={"conditions": [condition]}))
    assert (state.failure, state.unschedulable) == (failure, unschedulable)


@given(json_values, json_values, json_values)
def test_reading_never_raises(
    status: model.Json, slice_parts: model.Json, pod_parts: model.Json
) -> None:
    garbage = {"metadata": {"labels": {objects.LABEL_REVISION: "aaaaaaaaaa"}}}
    state = state_of(
        {**garbage, "status": status},
        endpoint_slices=[{**garbage, "endpoints": slice_parts}],
        pods=[{**garbage, "status": pod_parts}],
    )
    assert state.wanted == 1
