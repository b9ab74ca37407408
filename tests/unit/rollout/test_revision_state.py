from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from json_values import ANY_JSON
from rendered import REVISION, deployment, rendered_service

from tidegate import model
from tidegate.model import objects
from tidegate.revisions import note
from tidegate.revisions.state import revision_state, template_hash

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
        document,
        service=service,
        endpoint_slices=endpoint_slices,
        pods=pods or [],
        template_hash=template_hash(document),
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
        noted=False,
        asked=3,
    )
    assert len(state.template_hash) == 16


@pytest.mark.parametrize("written", ["", "many", "-1", "3.5"])
def test_a_note_of_the_replicas_that_is_no_number_says_nothing(written: str) -> None:
    state = state_of(live(annotations={objects.ANNOTATION_REPLICAS: written}))
    assert state.asked is None
    assert not state.sized_by_others


def test_a_status_of_an_older_generation_is_not_current() -> None:
    assert not state_of(live(generation=3)).current


def test_a_deployment_that_bears_no_revision_is_none_of_ours() -> None:
    nobody = revision_state({}, service=None, endpoint_slices=None, pods=[], template_hash="")
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
    *,
    restarts: int,
    ready: bool = False,
    exit_code: int = 137,
    member: str = "state",
    reason: str = "OOMKilled",
) -> model.Document:
    terminated: model.Document = {"reason": reason, "exitCode": exit_code}
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
    (pod(ended(restarts=9, exit_code=255, reason="Unknown", member="lastState")), ""),
    (pod(ended(restarts=2, reason="ContainerStatusUnknown")), ""),
    (
        pod(ended(restarts=2, exit_code=255, reason="Error")),
        "Error (exit code 255): container server restarted 2 times",
    ),
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


def condition(kind: str, **members: str) -> dict[str, model.Json]:
    """Members of a pod's status with one condition beside another."""
    return {"conditions": [{"type": "Initialized"}, {"type": kind, **members}]}


@pytest.mark.parametrize(
    ("status", "lost"),
    [
        (condition("DisruptionTarget", status="True", reason="PreemptionByScheduler"), True),
        (condition("DisruptionTarget", status="True"), True),
        (condition("DisruptionTarget", status="False", reason="EvictionByEvictionAPI"), False),
        ({"reason": "Evicted"}, True),
        ({"reason": "UnexpectedAdmissionError"}, True),
        ({"reason": "DeadlineExceeded"}, False),
        (condition("Ready", status="False", reason="NodeStatusUnknown"), True),
        (condition("Ready", status="False", reason="ContainersNotReady"), False),
    ],
)
def test_a_pod_that_the_cluster_takes_away_is_blamed_for_nothing(
    status: dict[str, model.Json],
    lost: bool,  # noqa: FBT001
) -> None:
    crashes = waiting("CrashLoopBackOff", last={"exitCode": 1})
    state = state_of(live(), pods=[pod(crashes, **status)])
    assert (bool(state.lost), bool(state.failure), bool(state.crash)) == (lost, not lost, not lost)


@pytest.mark.parametrize(
    ("document", "lost"),
    [
        (
            pod(**condition("DisruptionTarget", status="True", reason="PreemptionByScheduler")),
            "PreemptionByScheduler: pod p1",
        ),
        (pod(**condition("DisruptionTarget", status="True")), "DisruptionTarget: pod p1"),
        (pod(reason="Evicted"), "Evicted: pod p1"),
        (pod(**condition("Ready", reason="NodeStatusUnknown")), "NodeStatusUnknown: pod p1"),
        (pod(deleted=True), "Deleted: pod p1"),
        (pod(deleted=True, reason="NodeShutdown"), "NodeShutdown: pod p1"),
        (pod(), ""),
    ],
)
def test_what_takes_a_pod_away_is_told_with_its_name(document: model.Document, lost: str) -> None:
    assert state_of(live(), pods=[document]).lost == lost


@pytest.mark.parametrize(
    ("status", "message", "failure", "unschedulable"),
    [
        ("True", "violates PodSecurity", "FailedCreate: violates PodSecurity", ""),
        ("True", "exceeded quota: gpu", "", "FailedCreate: exceeded quota: gpu"),
        (
            "True",
            'Internal error occurred: failed calling webhook "inject.mesh.example.com"',
            "",
            'FailedCreate: Internal error occurred: failed calling webhook "inject.mesh.example.com"',
        ),
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
    assert state.crash == ""  # pods that run are not the worse for one that could not be made


@given(ANY_JSON, ANY_JSON, ANY_JSON)
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


def noted(deployment: model.Document, hash_: str = "made") -> model.Document:
    """The Service that was created after this Deployment."""
    notes = note.of_template(deployment, template_hash=hash_)
    return {"metadata": {"annotations": notes}}


def test_the_service_that_came_next_says_what_a_deployment_was_made_with() -> None:
    deployment = live(uid="d-1")
    made = state_of(deployment, service=noted(deployment, template_hash(deployment)))
    assert made.made_with == made.template_hash
    edited = state_of(deployment, service=noted(deployment, "made"))
    assert (edited.made_with, edited.modified) == ("made", True)


def test_a_service_says_nothing_of_a_deployment_that_was_made_again() -> None:
    service = noted(live(uid="d-1"))
    assert state_of(live(uid="d-2"), service=service).made_with == ""
    assert state_of(live(), service=service).made_with == ""
    assert state_of(live(uid="d-1"), service=rendered_service()).made_with == ""


def test_what_stands_on_the_deployment_itself_is_older_than_any_service() -> None:
    deployment = live(uid="d-1", annotations={objects.ANNOTATION_TEMPLATE_HASH: "first"})
    assert state_of(deployment, service=noted(live(uid="d-1"), "later")).made_with == "first"
    assert state_of(deployment, service=None).made_with == "first"
    assert state_of(deployment).noted
    assert not state_of(live(uid="d-1"), service=noted(live(uid="d-1"))).noted
    assert note.of_template(deployment, template_hash="later") == {
        objects.ANNOTATION_TEMPLATE_HASH: "first d-1"
    }
