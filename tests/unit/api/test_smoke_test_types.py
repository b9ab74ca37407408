"""`blueGreen.prePromotion.job`: what is read of it, and the Job that is made of that."""

from __future__ import annotations

from typing import Any

import pytest
from api_examples import SMALLEST, place
from traffic_examples import CANDIDATE, META

from tidegate import model
from tidegate.api import convert, smoke_test_types
from tidegate.model import objects
from tidegate.revisions import smoke_test

POD: dict[str, Any] = {
    "serviceAccountName": "asker",
    "initContainers": [{"name": "wait", "image": "wait:1"}],
    "containers": [
        {"name": "ask", "image": "ask:1", "env": [{"name": "TIDEGATE_REVISION", "value": "mine"}]}
    ],
}
JOB: dict[str, Any] = {"template": {"spec": POD}}
REVISION = model.Revision(hash=CANDIDATE, digest="d", model_version="2")


def strategy(job: object) -> dict[str, Any]:
    return {"type": "BlueGreen", "blueGreen": {"prePromotion": {"job": job}}}


def refused(pod: dict[str, Any]) -> dict[str, str]:
    body = place(SMALLEST, "spec.strategy", strategy({"template": {"spec": pod}}))
    _, violations = convert.read_spec(body)
    return {one.path: one.message for one in violations}


@pytest.mark.parametrize(("job", "asks"), [(JOB, True), (None, False)])
def test_a_spec_says_whether_there_is_one(
    job: object,
    asks: bool,  # noqa: FBT001
) -> None:
    pre = {"job": job} if job else {}
    body = place(
        SMALLEST, "spec.strategy", {"type": "BlueGreen", "blueGreen": {"prePromotion": pre}}
    )
    spec, violations = convert.read_spec(body)
    assert not violations
    assert spec is not None
    assert spec.blue_green is not None
    assert spec.blue_green.smoke_test is asks
    assert spec.smoke_test == smoke_test_types.read(body["spec"])


@pytest.mark.parametrize(
    ("more", "seconds", "limit"),
    [({}, 600.0, 0), ({"timeout": "1h30m", "backoffLimit": 2}, 5400.0, 2)],
)
def test_time_and_retries(more: dict[str, Any], seconds: float, limit: int) -> None:
    found = smoke_test_types.read({"strategy": strategy(JOB | more)})
    assert found is not None
    assert (found.timeout_seconds, found.backoff_limit) == (seconds, limit)


@pytest.mark.parametrize(
    "spec",
    [{}, {"strategy": 5}, {"strategy": strategy(None)}, {"strategy": strategy({"template": 1})}],
)
def test_what_asks_for_none_reads_as_none(spec: dict[str, Any]) -> None:
    assert smoke_test_types.read(spec) is None


@pytest.mark.parametrize("policy", ["Always", "", 5])
def test_a_restart_policy_that_no_job_can_have_is_refused(policy: object) -> None:
    path = f"{smoke_test_types.PATH}.template.spec.restartPolicy"
    assert "set Never or OnFailure" in refused(POD | {"restartPolicy": policy})[path]


@pytest.mark.parametrize("policy", [{}, {"restartPolicy": "OnFailure"}, {"restartPolicy": "Never"}])
def test_others_are_kept(policy: dict[str, Any]) -> None:
    assert refused(POD | policy) == {}
    assert made(POD | policy)["spec"]["template"]["spec"]["restartPolicy"] == policy.get(
        "restartPolicy", "Never"
    )


def made(pod: dict[str, Any]) -> Any:
    asked = smoke_test_types.read(
        {"strategy": strategy({"template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}})}
    )
    assert asked is not None
    return smoke_test.render(META, name="job", revision=REVISION, asked=asked)


def test_its_pods_know_the_version_that_they_ask() -> None:
    template = made(POD)["spec"]["template"]
    [wait], [ask] = (template["spec"][member] for member in ("initContainers", "containers"))
    told = {one["name"]: one["value"] for one in wait["env"]}
    assert told == {
        "TIDEGATE_PREVIEW_URL": f"http://{META.name}-{CANDIDATE}.{META.namespace}.svc:80",
        "TIDEGATE_REVISION": CANDIDATE,
        "TIDEGATE_MODEL_VERSION": "2",
    }
    own = {one["name"]: one["value"] for one in ask["env"]}
    assert own == told | {"TIDEGATE_REVISION": "mine"}
    assert template["spec"]["serviceAccountName"] == "asker"


def test_no_service_of_ours_selects_its_pods() -> None:
    labels = made(POD)["spec"]["template"]["metadata"]["labels"]
    assert labels == {"a": "b", objects.LABEL_COMPONENT: "smoke-test"}


def test_it_goes_with_its_owner_and_a_day_after_its_end() -> None:
    job = made(POD)
    assert objects.is_controlled_by(job, uid=META.uid)
    assert job["spec"]["ttlSecondsAfterFinished"] == 86_400
    assert job["spec"]["activeDeadlineSeconds"] == 600
    assert job["spec"]["backoffLimit"] == 0


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ({"type": "Complete", "status": "True"}, model.SmokeTestState.PASSED),
        ({"type": "SuccessCriteriaMet", "status": "True"}, model.SmokeTestState.PASSED),
        ({"type": "Failed", "status": "True"}, model.SmokeTestState.FAILED),
        ({"type": "FailureTarget", "status": "True"}, model.SmokeTestState.FAILED),
        ({"type": "Failed", "status": "False"}, model.SmokeTestState.RUNNING),
        ({"type": "Suspended", "status": "True"}, model.SmokeTestState.RUNNING),
    ],
)
def test_what_its_conditions_mean(condition: dict[str, str], state: model.SmokeTestState) -> None:
    found = smoke_test.seen({**made(POD), "status": {"conditions": [condition]}}, uid=META.uid)
    assert found.state is state
    assert found.message == ("it failed" if state is model.SmokeTestState.FAILED else "")
