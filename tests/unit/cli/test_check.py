"""ModelDeployments of files against the policies beside them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tidegate.api import documents
from tidegate.cli import check, outcome
from tidegate.cli.outcome import CliError

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OURS = "tidegate.dev/v1alpha1"
PODS = {"spec": {"containers": [{"name": "server", "image": "images.example.com/mlserver:1.7.1"}]}}


def deployment(name: str = "iris", *, namespace: str = "ml", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": OURS,
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"team": "risk"}},
        "spec": {
            "model": {"version": "1.4.0"},
            "workload": {"replicas": 4, "template": PODS},
            **spec,
        },
    }


def policy(name: str = "near", *, namespace: str = "ml", **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": OURS, "kind": "RolloutPolicy", "metadata": meta, "spec": spec}


def cluster(name: str = "far", **spec: Any) -> dict[str, Any]:
    meta = {"name": name}
    return {"apiVersion": OURS, "kind": "ClusterRolloutPolicy", "metadata": meta, "spec": spec}


def place(name: str = "ml", **labels: str) -> dict[str, Any]:
    meta = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


DIGESTS = {"images": {"requireDigest": True}}
PRODUCTION = {"matchLabels": {"environment": "production"}}


def run(folder: Path, *bodies: object, output: str = "table") -> tuple[int, list[str]]:
    (folder / "all.yaml").write_text("---\n".join(documents.dump(it) for it in bodies))
    lines: list[str] = []
    code = check.check([str(folder)], namespace="default", output=output, now=NOW, say=lines.append)
    return code, lines


def told(folder: Path, *bodies: object) -> dict[str, Any]:
    """What is said of the only ModelDeployment."""
    _, [text] = run(folder, *bodies, output="json")
    [one] = json.loads(text)["modelDeployments"]
    return dict(one)


def test_a_rule_that_is_not_kept_is_named_with_its_policy_and_its_fix(tmp_path: Path) -> None:
    code, lines = run(tmp_path, deployment(), policy(constraints=DIGESTS))
    assert code == outcome.NEGATIVE
    assert lines[1].split()[:4] == ["ml/iris", "Enforce", "RolloutPolicy/near", "images"]
    assert "has no digest: name it as image@sha256" in lines[1]
    assert lines[-1] == "checked 1 ModelDeployment(s), policies that apply: 1, forbidden: 1"


@pytest.mark.parametrize("action", ["Warn", "Audit"])
def test_what_is_only_told_forbids_nothing(tmp_path: Path, action: str) -> None:
    code, lines = run(tmp_path, deployment(), policy(constraints=DIGESTS, enforcementAction=action))
    assert code == outcome.DONE
    assert lines[1].split()[1] == action


def test_steps_are_judged_as_the_pods_give_them(tmp_path: Path) -> None:
    """Four pods give a quarter where 5 % are asked for."""
    steps = {"type": "Canary", "canary": {"steps": [{"name": "first", "weight": 5}]}}
    body = deployment(strategy=steps)
    found = told(tmp_path, body, policy(constraints={"maxInitialWeight": 10}))
    assert [it["rule"] for it in found["violations"]] == ["maxInitialWeight"]
    assert found["allowed"] is False


@pytest.mark.parametrize(
    ("bodies", "applied"),
    [
        ([policy()], ["RolloutPolicy/near"]),
        ([policy(namespace="other")], []),
        ([policy(selector={"matchLabels": {"team": "risk"}})], ["RolloutPolicy/near"]),
        ([policy(selector={"matchLabels": {"team": "ads"}})], []),
        ([cluster(), policy()], ["ClusterRolloutPolicy/far", "RolloutPolicy/near"]),
        ([cluster(selector={"matchLabels": {"team": "ads"}})], []),
        (
            [cluster(namespaceSelector=PRODUCTION), place(environment="production")],
            ["ClusterRolloutPolicy/far"],
        ),
        ([cluster(namespaceSelector=PRODUCTION), place(environment="test")], []),
        (
            [
                cluster(namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "ml"}}),
                place(),
            ],
            ["ClusterRolloutPolicy/far"],
        ),
    ],
)
def test_policies_apply_as_in_a_cluster(
    tmp_path: Path, bodies: list[dict[str, Any]], applied: list[str]
) -> None:
    assert told(tmp_path, deployment(), *bodies)["policies"] == applied


def test_a_policy_of_which_nobody_knows_whether_it_applies_forbids(tmp_path: Path) -> None:
    code, lines = run(tmp_path, deployment(), cluster(namespaceSelector=PRODUCTION))
    assert code == outcome.NEGATIVE
    assert "labels of namespace ml: add its Namespace to the files" in lines[1]


def test_objects_without_a_namespace_meet_in_the_one_that_is_named(tmp_path: Path) -> None:
    bodies = deployment(), policy(constraints=DIGESTS)
    for body in bodies:
        del body["metadata"]["namespace"]
    found = told(tmp_path, *bodies)
    assert (found["namespace"], found["policies"]) == ("default", ["RolloutPolicy/near"])


def test_a_closed_window_is_told_and_ends_by_itself(tmp_path: Path) -> None:
    window = {"name": "show", "from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
    code, lines = run(tmp_path, deployment(), policy(freezeWindows=[window]))
    assert code == outcome.DONE
    assert lines[0] == (
        "ml/iris: closed now until 2026-11-21T00:00:00Z by RolloutPolicy/near (show)"
    )


def test_policies_that_leave_no_choice_forbid(tmp_path: Path) -> None:
    one = policy("one", constraints={"allowedStrategies": ["Canary"]})
    other = policy("other", constraints={"allowedStrategies": ["BlueGreen"]})
    code, lines = run(tmp_path, deployment(), one, other)
    assert code == outcome.NEGATIVE
    assert any(
        "RolloutPolicy/one, RolloutPolicy/other together allow nothing" in it for it in lines
    )


def referring(image: str) -> list[dict[str, Any]]:
    body = deployment(workload={"replicas": 4, "workloadRef": {"name": "served"}})
    pods = {"spec": {"containers": [{"name": "server", "image": image}]}}
    source = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "served", "namespace": "ml"},
        "spec": {"template": pods, "selector": {"matchLabels": {"app": "served"}}},
    }
    return [body, source]


@pytest.mark.parametrize(
    ("image", "code"),
    [("a.example.com/x:1", outcome.NEGATIVE), (f"a.example.com/x@sha256:{'0' * 64}", outcome.DONE)],
)
def test_pods_of_a_deployment_that_is_referred_to_are_judged(
    tmp_path: Path, image: str, code: int
) -> None:
    assert run(tmp_path, *referring(image), policy(constraints=DIGESTS))[0] == code


def test_pods_that_nobody_knows_are_no_pass(tmp_path: Path) -> None:
    body, _ = referring("a.example.com/x:1")
    code, lines = run(tmp_path, body, policy(constraints=DIGESTS))
    assert code == outcome.NEGATIVE
    assert "spec.workload.workloadRef: add Deployment served to the files" in lines[0]
    assert run(tmp_path, body)[0] == outcome.DONE  # no policy asks


@pytest.mark.parametrize(
    "broken",
    [
        policy(freezeWindows=[{"name": "never", "schedule": "0 0 30 2 *", "duration": "1h"}]),
        {**deployment("fraud"), "spec": []},
    ],
)
def test_what_is_invalid_is_told_as_by_validate(tmp_path: Path, broken: dict[str, Any]) -> None:
    code, lines = run(tmp_path, deployment(), broken)
    assert code == outcome.NEGATIVE
    assert lines[0].startswith(f"{tmp_path / 'all.yaml'}: {broken['kind']}/")


def test_files_without_a_model_deployment_are_no_pass(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"no ModelDeployment in .*: nothing was checked"):
        run(tmp_path, policy())


def test_defaults_are_taken_and_named(tmp_path: Path) -> None:
    bake = {"strategy": {"postPromotion": {"bake": "2h"}}}
    asks = policy(constraints={"minBake": "1h"})
    code, lines = run(tmp_path, deployment(), asks, cluster(defaults=bake))
    assert code == outcome.DONE
    assert ["ml/iris", "strategy.postPromotion.bake", "2h", "ClusterRolloutPolicy/far"] in [
        it.split() for it in lines
    ]
    own = deployment(strategy={"postPromotion": {"bake": "5m"}})
    found = told(tmp_path, own, asks, cluster(defaults=bake))
    assert (found["defaults"], found["allowed"]) == ([], False)


@pytest.mark.parametrize(
    ("until", "allowed"), [("2026-11-20T12:00:01Z", True), ("2026-11-20T12:00:00Z", False)]
)
def test_an_exemption_counts_until_it_ends(tmp_path: Path, until: str, *, allowed: bool) -> None:
    one = {"name": "e", "namespace": "ml", "rules": ["images"], "until": until, "reason": "r"}
    strict = cluster(constraints=DIGESTS, exemptions=[one])
    found = told(tmp_path, deployment(), strict)
    assert found["allowed"] is allowed
    assert not allowed or found["violations"] == []
    assert allowed or "exemption e ended" in found["violations"][0]["message"]
