"""Argo CD and the operator on one object, with self-heal: no fight, and health as promised."""

from __future__ import annotations

import json

import pytest
from tests.argocd.application import Look
from tests.argocd.stage import FILE, NAME, Stage, container, model_deployment
from tests.cluster.api import ControlPlane

from tidegate import ports

pytestmark = pytest.mark.argocd


def test_whole_rollout_stays_synced_and_keeps_its_children(stage: Stage) -> None:
    stage.settle(container())
    before = stage.model()
    kept = stage.children(ports.DEPLOYMENT)
    syncs = stage.application.look().syncs

    stage.application.commit({FILE: model_deployment(container(image="x:2"))})
    stage.wait_for(lambda it: it.get("rollout", {}).get("active"), what="has begun")
    stage.application.wait(
        lambda it: it.sync == "Synced" and it.syncs == syncs + 1, what="has brought the commit"
    )
    stage.press("promote-full")
    seen = _until_settled(stage, image="x:2")

    assert {look.sync for look in seen} == {"Synced"}
    assert seen[-1].syncs == syncs + 1  # nothing to heal, before and after
    healths = [look.health for look in seen]
    assert healths == sorted(healths, key=["Progressing", "Healthy"].index)
    after = stage.model()
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert set(kept.items()) <= set(stage.children(ports.DEPLOYMENT).items())
    assert list(seen[-1].resources) == [f"ModelDeployment/{NAME}"]  # children are not compared


def _until_settled(stage: Stage, *, image: str) -> list[Look]:
    """Every different look until the new version serves."""
    seen: list[Look] = []

    def settled(look: Look) -> bool:
        if not seen or look != seen[-1]:
            seen.append(look)
        model = stage.model()
        serves = stage.server()["image"] == image and model["status"]["phase"] == "Healthy"
        current = model["status"]["observedGeneration"] == model["metadata"]["generation"]
        return serves and current and look.health == "Healthy"

    stage.application.wait(settled, what=f"{image} serves")
    return seen


def test_health_of_a_rollout_that_people_hold_end_and_mend(stage: Stage) -> None:
    stage.settle(container())
    application = stage.application

    application.commit({FILE: model_deployment(container(image="x:2"))})
    stage.wait_for(lambda it: it.get("rollout", {}).get("active"), what="has begun")
    application.wait(lambda it: it.health == "Progressing", what="shows a rollout")
    stage.press("pause")
    application.wait(lambda it: it.health == "Suspended", what="shows who is waited for")
    stage.press("resume")
    application.wait(lambda it: it.health == "Progressing", what="goes on")
    stage.press("abort")
    stage.wait_for_phase("RolledBack")
    rejected = application.wait(lambda it: it.health == "Degraded", what="shows the rollback")
    assert rejected.sync == "Synced"
    assert stage.server()["image"] == "x:2"  # Git and spec agree; what serves is another matter

    # A revert is a commit like any other: nobody has to clear anything first.
    application.commit({FILE: model_deployment(container())})
    stage.wait_for_phase("Healthy")
    mended = application.wait(lambda it: it.health == "Healthy", what="is mended")
    assert (mended.sync, stage.server()["image"]) == ("Synced", "x:1")
    assert mended.complaints == []


def test_edit_by_hand_is_undone_and_a_request_is_not(stage: Stage) -> None:
    stage.settle(container())
    by_hand = {"spec": {"workload": {"replicas": 3}}}
    stage.client.merge(
        ports.MODEL_DEPLOYMENT, namespace=stage.application.namespace, name=NAME, body=by_hand
    )
    stage.press("pause")
    stage.application.wait(
        lambda it: it.sync == "Synced" and stage.model()["spec"]["workload"]["replicas"] == 1,
        what="is healed",
    )
    assert stage.model()["metadata"]["annotations"]["tidegate.dev/request"] == "pause"


def test_policy_that_is_tightened_leaves_git_as_it_is(stage: Stage, plane: ControlPlane) -> None:
    stage.settle(container())
    syncs = stage.application.look().syncs
    policy = {
        "apiVersion": ports.ROLLOUT_POLICY.api_version,
        "kind": ports.ROLLOUT_POLICY.kind,
        "metadata": {"name": "tight", "namespace": stage.application.namespace},
        "spec": {"constraints": {"minReplicas": 5}},
    }
    plane.kubectl("apply", "-f", "-", input=json.dumps(policy))
    stage.wait_for(lambda it: "tight" in json.dumps(it), what="knows the policy")
    stage.application.refresh()
    stage.application.wait(
        lambda it: it.sync == "Synced" and it.syncs == syncs, what="is left alone"
    )


def test_removed_from_git_all_of_it_goes(stage: Stage) -> None:
    stage.settle(container())
    other = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "stays"},
        "data": {"a": "b"},
    }
    stage.application.commit({FILE: None, "stays.yaml": other})
    kinds = (ports.DEPLOYMENT, ports.SERVICE, ports.HTTP_ROUTE, ports.CONTROLLER_REVISION)
    stage.application.wait(
        lambda it: (
            it.sync == "Synced"
            and not stage.model()
            and not any(stage.children(kind) for kind in kinds)
        ),
        what="everything is gone",
    )
    assert list(stage.application.look().resources) == ["ConfigMap/stays"]
