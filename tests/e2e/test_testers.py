"""Testers by header, copies beside a share, and a person with a name before the last step; T49, T53."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster_checks import assert_nobody_failed, assert_shares, wait_for_copies
from cluster_client import Object
from cluster_people import approve, approver, group_of
from cluster_scene import Model, Scene, model_server
from cluster_users import REQUESTS_PER_SECOND, serve_first, start_load, told

pytestmark = pytest.mark.cluster

HEADER = "x-staff"
MIRROR_PERCENT = 40.0
TESTERS_SHARE = 0.4  # of as many requests as the users send


def _strategy(scene: Scene) -> Object:
    board = {"name": "board", "minApprovals": 1, "approverGroups": [group_of(scene)]}
    staff = {"name": "staff", "headers": [{"name": HEADER, "exact": "1"}]}
    steps: list[Object] = [
        {"name": "testers", "weight": 0, "hold": "4s", "minRequests": 20},
        {"name": "p20", "weight": 20, "hold": "8s", "mirrorPercent": MIRROR_PERCENT},
        {"name": "p60", "weight": 60, "hold": "4s", "approval": board},
    ]
    return {"canary": {"routes": [staff], "steps": steps}, "scaleDownDelay": "5s"}


def _workload() -> Object:
    template = model_server()
    template["metadata"] = {"annotations": {"tidegate.dev/shadow-safe": "true"}}
    return {"replicas": 2, "template": template}


def _rules(model: Model) -> int:
    """How many rules its newest route has."""
    return len(model.routes()[-1].body["spec"]["rules"])


def _wait_for_rules(model: Model, *, testers: bool) -> None:
    """Until the newest route told has a rule for testers, or only that of all users.

    It goes by a write of its own, once the one that closed it is in force.
    """
    model.scene.history.wait_for(
        lambda: (_rules(model) > 1) == testers,
        seconds=90,
        explain=lambda: f"rules for testers are not {testers}: {model.routes()[-1].body['spec']}",
    )


def test_testers_come_first_copies_go_beside_and_a_person_opens_the_gate(
    scene: Scene, tmp_path: Path
) -> None:
    anna = approver(scene, "anna", folder=tmp_path)
    model = scene.model(workload=_workload(), strategy=_strategy(scene))
    load = serve_first(model)
    rate = TESTERS_SHARE * REQUESTS_PER_SECOND
    testers = start_load(model, name="testers", header=f"{HEADER}: 1", requests_per_second=rate)
    _wait_for_rules(model, testers=False)
    applied_at = model.apply("2")
    shared = model.wait_for(
        lambda look: look.intended_percent == 20.0,
        seconds=180,
        since=applied_at,
        what="testers have proven the first step",
    )
    books = load.books()
    assert books.between(applied_at, shared.step_started_at).keys() == {"1"}, told(books)
    _wait_for_rules(model, testers=True)
    tested_at = testers.wait_until_only("2", since=applied_at)

    asked = model.wait_for_phase("AwaitingApproval", seconds=180, since=shared.at)
    assert asked.intended_percent == 20.0
    # Status counts what reaches the candidate beyond its share: copies, and what testers send.
    wait_for_copies(model, MIRROR_PERCENT + 100 * TESTERS_SHARE, since=shared.at)
    approve(model, kubeconfig=anna)
    promoted = model.wait_for_phase("Healthy", seconds=180, since=asked.at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    [gate] = promoted.rollout["plan"][-2]["gates"]
    assert gate["approvedBy"] == [f"system:serviceaccount:{scene.namespace}:anna"]
    model.wait_for_rest(since=promoted.at)
    _wait_for_rules(model, testers=False)

    books = load.books()
    assert_nobody_failed(books)
    assert_nobody_failed(testers.books())
    assert_shares(promoted, books, version="2", steps=3)
    assert testers.books().between(tested_at, promoted.at).keys() == {"2"}
