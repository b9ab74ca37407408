"""The Job of a smoke test on a real API server: the schema, and the Job as it is made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_client import ApiClient
from api_examples import SMALLEST, place
from tests.cluster.api import ControlPlane
from traffic_examples import CANDIDATE, META

from tidegate import model
from tidegate.api import smoke_test_types
from tidegate.controller.documents import plain
from tidegate.revisions import smoke_test

pytestmark = pytest.mark.apiserver

POD = {"containers": [{"name": "ask", "image": "ask:1", "args": ["$(TIDEGATE_PREVIEW_URL)"]}]}
JOB: dict[str, Any] = {
    "template": {"metadata": {"labels": {"team": "risk"}}, "spec": POD},
    "timeout": "90s",
    "backoffLimit": 1,
}


def strategy(job: dict[str, Any]) -> dict[str, Any]:
    return {"type": "BlueGreen", "blueGreen": {"prePromotion": {"job": job}}}


def test_the_schema_keeps_the_whole_template(kube_client: ApiClient) -> None:
    pod = POD | {"restartPolicy": "OnFailure", "volumes": [{"name": "v", "emptyDir": {}}]}
    job = JOB | {"template": {"spec": pod}}
    answer = kube_client.create(place(SMALLEST, "spec.strategy", strategy(job)))
    assert answer.code == 201, answer.body
    assert answer.body["spec"]["strategy"] == strategy(job)


@pytest.mark.parametrize(
    ("job", "blames"),
    [
        ({}, "template"),
        ({"template": {"spec": {}}}, "template.spec.containers"),
        (JOB | {"timeout": "0s"}, "timeout"),
        (JOB | {"backoffLimit": 11}, "backoffLimit"),
    ],
)
def test_what_is_no_job_is_refused(
    kube_client: ApiClient, job: dict[str, Any], blames: str
) -> None:
    answer = kube_client.create(place(SMALLEST, "spec.strategy", strategy(job)))
    assert answer.code == 422, answer.body
    assert f"{smoke_test_types.PATH}.{blames}" in [field for field, _ in answer.causes]


@pytest.mark.parametrize("policy", [{}, {"restartPolicy": "OnFailure"}])
def test_the_job_is_accepted_as_it_is_made(
    tidegate_plane: ControlPlane, policy: dict[str, str]
) -> None:
    given = JOB | {"template": {**JOB["template"], "spec": POD | policy}}
    asked = smoke_test_types.read({"strategy": strategy(given)})
    assert asked is not None
    revision = model.Revision(hash=CANDIDATE, digest="d", model_version="2")
    body = plain(smoke_test.render(META, name="iris-smoke", revision=revision, asked=asked))
    body["metadata"]["namespace"] = "default"
    strict = ("--dry-run=server", "--validate=strict", "-o", "json")
    made = json.loads(tidegate_plane.kubectl("create", *strict, "-f", "-", input=json.dumps(body)))
    assert made["spec"]["activeDeadlineSeconds"] == 90
    assert made["spec"]["backoffLimit"] == 1
    pod = made["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == policy.get("restartPolicy", "Never")
    assert smoke_test.seen(made, uid=META.uid).state is model.SmokeTestState.RUNNING
