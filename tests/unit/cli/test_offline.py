from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from api_examples import place
from hypothesis import given, settings
from hypothesis import strategies as st
from notification_examples import PROVIDER
from policy_examples import CLUSTER_POLICY, POLICY

from tidegate.api import crdgen, documents
from tidegate.cli import offline, outcome
from tidegate.cli.main import main
from tidegate.cli.outcome import CliError

CONTAINER = {"name": "server", "image": "images.example.com/mlserver:1.7.1", "futureField": 1}
GOOD: dict[str, Any] = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "iris", "labels": {"team": "risk"}},
    "spec": {
        "model": {"version": "1.4.0"},
        "workload": {"template": {"spec": {"containers": [CONTAINER], "futureField": {}}}},
    },
}
TEMPLATE: dict[str, Any] = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "ClusterMetricTemplate",
    "metadata": {"name": "infer-errors"},
    "spec": {
        "type": "Ratio",
        "ratio": {
            "bad": {"metric": "failed_total", "matchLabels": {"method": "POST"}},
            "total": {"metric": "requests_total"},
        },
    },
}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}


def text_of(*bodies: object) -> str:
    return "---\n".join(documents.dump(body) for body in bodies)


def findings(*bodies: object) -> list[str]:
    text = text_of(*bodies).encode()
    return [it.line for it in offline.check_text("f.yaml", text).findings]


def changed(path: str, value: object, *, base: dict[str, Any] = GOOD) -> dict[str, Any]:
    """The object with one member set, along a path such as `spec.model.version`."""
    body: dict[str, Any] = documents.load(documents.dump(base))
    *parents, last = path.split(".")
    node = body
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    return body


def test_good_objects_have_no_findings() -> None:
    assert findings(GOOD, TEMPLATE) == []


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (
            changed("spec.model.version", "no label!"),
            "ModelDeployment/iris: spec.model.version: must match",
        ),
        (
            changed("spec.workload.replicas", 5001),
            "ModelDeployment/iris: spec.workload.replicas: must be at most 5000",
        ),
        (
            changed("spec.progressDeadline", "2d"),
            "ModelDeployment/iris: spec.progressDeadline: must be a duration from 1m to 24h",
        ),
        (
            changed("spec.strategy.canary.steps", [{"name": "b", "weight": 5}] * 2),
            "ModelDeployment/iris: spec.strategy.canary.steps[1].name: b is used twice",
        ),
        (
            changed("metadata.name", "Iris"),
            "ModelDeployment/Iris: metadata.name: must start with a letter",
        ),
        (
            changed("apiVersion", "tidegate.dev/v1"),
            "ModelDeployment/iris: apiVersion: must be tidegate.dev/v1alpha1",
        ),
        (
            changed("apiVersion", "tidegate/v1alpha1"),
            "ModelDeployment/iris: apiVersion: must be tidegate.dev/v1alpha1",
        ),
        (
            changed("kind", "ModelDeploymnt"),
            "ModelDeploymnt/iris: kind: is not a kind of Tidegate; did you mean ModelDeployment?",
        ),
        (
            changed("kind", ["x"]),
            "['x']/iris: kind: is not a kind of Tidegate; known are ModelDeployment",
        ),
        (
            changed("spec.analysis", {"metrics": [{"name": "a", "preset": "itl-p95"}]}),
            "ModelDeployment/iris: spec.analysis.metrics[0].preset: server HTTP exports nothing",
        ),
        (
            changed("metadata", {}, base=TEMPLATE),
            "ClusterMetricTemplate/(no name): metadata.name: is required",
        ),
        (
            changed("spec.ratio.bad.matchLabels", {"namespace": "other"}, base=TEMPLATE),
            "ClusterMetricTemplate/infer-errors: spec.ratio.bad.matchLabels: labels namespace",
        ),
    ],
)
def test_a_violation_names_file_object_field_and_remedy(body: object, line: str) -> None:
    (found,) = findings(body)
    assert found.startswith(f"f.yaml: {line}")


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("spec.model.versions", "version"),
        ("spec.sever", "server"),
        ("spec.analysis.minRequest", "minRequests"),
        ("spec.traffic.verify.timeoutt", "timeout"),
        ("spec.workload.template.metadata.label", "labels"),
        ("specs", "spec"),
    ],
)
def test_an_unknown_field_comes_with_the_nearest_known_name(path: str, near: str) -> None:
    (found,) = findings(changed(path, "x"))
    assert found.startswith(f"f.yaml: ModelDeployment/iris: {path}: is not known")
    assert found.endswith(f"; did you mean {near}?")


def test_an_unknown_field_in_a_list_is_named_by_its_place() -> None:
    (found,) = findings(changed("spec.strategy.canary.steps", [{"name": "a", "weigt": 5}]))[1:]
    assert "spec.strategy.canary.steps[0].weigt: is not known" in found
    assert found.endswith("; did you mean weight?")


def test_an_unknown_field_like_no_other_comes_without_a_guess() -> None:
    (found,) = findings(changed("spec.zzzz", 1))
    assert "did you mean" not in found


def test_a_null_is_no_excuse_for_an_unknown_field() -> None:
    (found,) = findings(changed("spec.sever", None))
    assert "spec.sever: is not known" in found


def test_pods_and_free_maps_take_any_field() -> None:
    labels = changed("spec.workload.template.metadata.labels", {"anything": "x"})
    assert findings(labels) == []


def test_objects_of_other_kinds_are_left_out_also_within_a_list() -> None:
    wrapped = {"apiVersion": "v1", "kind": "List", "items": [SERVICE, changed("specs", 1), 7]}
    report = offline.check_text("f.yaml", documents.dump(wrapped).encode())
    assert (report.checked, report.left_out, len(report.findings)) == (1, 2, 1)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"a: [1", "f.yaml: is no valid YAML: line 1: "),
        (b"\xff\xfe", "f.yaml: is no UTF-8 text"),
        (b"a: 1\na: 2", "f.yaml: is no valid YAML: line 2: a is given twice"),
    ],
)
def test_a_file_that_is_no_yaml_is_one_finding(text: bytes, line: str) -> None:
    (found,) = offline.check_text("f.yaml", text).findings
    assert found.line.startswith(line)


def test_control_characters_of_a_file_cannot_reach_the_terminal() -> None:
    assert all(line.isprintable() for line in findings(changed("spec.\x1b[31m", "\x1b[0m")))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["spec", "metadata", "model", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from([GOOD, TEMPLATE]), st.sampled_from(["spec", "metadata", "kind"]), JSON)
def test_any_document_gets_an_answer(base: dict[str, Any], member: str, value: object) -> None:
    for found in offline.violations_of(base | {member: value}):
        assert found.path
        assert found.message


# --- the command ---------------------------------------------------------------------------------


def write(folder: Path, name: str, *bodies: object) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(*bodies))
    return str(path)


def test_a_valid_file_ends_well(tmp_path: Path) -> None:
    said: list[str] = []
    file = write(tmp_path, "good.yaml", GOOD, SERVICE)
    assert offline.validate([file], say=said.append) == outcome.DONE
    assert said == ["checked 1 object(s), 1 of other kinds left out: no violation(s)"]


def test_a_folder_is_read_with_everything_below_it(tmp_path: Path) -> None:
    said: list[str] = []
    bad = write(tmp_path, "deep/er/bad.yml", changed("spec.sever", 1))
    write(tmp_path, "good.json", GOOD)
    (tmp_path / "notes.txt").write_text("kind: [")
    assert offline.validate([str(tmp_path)], say=said.append) == outcome.NEGATIVE
    assert said[0].startswith(f"{bad}: ModelDeployment/iris: spec.sever: ")
    assert said[1:] == ["checked 2 object(s): 1 violation(s)"]


def test_standard_input_is_read_for_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    text = documents.dump(changed("spec.sever", 1)).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert offline.validate(["-"], say=said.append) == outcome.NEGATIVE
    assert said[0].startswith("stdin: ModelDeployment/iris: spec.sever: ")


def test_a_missing_file_is_an_error_and_not_a_pass(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="No such file or directory; check the path"):
        offline.validate([str(tmp_path / "absent.yaml")], say=print)


def test_nothing_to_check_is_an_error_and_not_a_pass(tmp_path: Path) -> None:
    file = write(tmp_path, "service.yaml", SERVICE)
    with pytest.raises(CliError, match="nothing was checked"):
        offline.validate([file], say=print)


def test_policies_are_checked_with_what_no_api_server_can_tell(tmp_path: Path) -> None:
    good = write(tmp_path, "good.yaml", CLUSTER_POLICY)
    bad = write(
        tmp_path, "bad.yaml", place(POLICY, "spec.freezeWindows[0].timeZone", "Europe/Berl")
    )
    said: list[str] = []
    assert offline.validate([good], say=said.append) == outcome.DONE
    assert offline.validate([bad], say=said.append) == outcome.NEGATIVE
    assert "RolloutPolicy/team-risk: spec.freezeWindows[0].timeZone: is no time zone" in said[-2]


def test_providers_are_checked_with_what_no_api_server_can_tell(tmp_path: Path) -> None:
    spec = {"events": ["RoledBack"], "template": "${nname}"}
    body = PROVIDER | {"spec": PROVIDER["spec"] | spec}
    (tmp_path / "a.yaml").write_text(documents.dump(body))
    said: list[str] = []
    assert offline.validate([str(tmp_path)], say=said.append) == outcome.NEGATIVE
    text = "\n".join(said)
    assert "spec.events: RoledBack is no event: did you mean RolledBack?" in text
    assert "spec.template: nname is no variable" in text
    (tmp_path / "a.yaml").write_text(documents.dump(PROVIDER))
    assert offline.validate([str(tmp_path)], say=said.append) == outcome.DONE


def test_crds_are_printed_as_one_text() -> None:
    said: list[str] = []
    assert offline.crd("", say=said.append) == outcome.DONE
    kinds = {it["spec"]["names"]["kind"] for it in documents.load_all("\n".join(said))}
    assert kinds == {
        "ModelDeployment",
        "RolloutRecord",
        "MetricTemplate",
        "ClusterMetricTemplate",
        "RolloutPolicy",
        "ClusterRolloutPolicy",
        "RolloutApproval",
        "NotificationProvider",
    }


def test_crds_are_written_into_a_new_folder(tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "new" / "crds"
    assert offline.crd(str(folder), say=said.append) == outcome.DONE
    assert {it.name: it.read_text() for it in folder.iterdir()} == crdgen.manifests()
    assert said == [str(folder / name) for name in crdgen.manifests()]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CliError, match="; name another folder"):
        offline.crd(str(tmp_path / "file" / "below"), say=print)


def test_a_limit_of_a_step_for_no_metric_is_a_finding() -> None:
    step = {"name": "s0", "weight": 50, "metrics": [{"name": "nope", "threshold": {"max": 1}}]}
    (line,) = findings(changed("spec.strategy.canary.steps", [step]))
    assert "spec.strategy.canary.steps[0].metrics[0].name: nope is no metric" in line


def test_testers_on_a_route_of_the_users_own_are_refused_by_the_name_of_the_mode() -> None:
    gateway = {"mode": "Existing", "routeRefs": [{"name": "shop"}]}
    body = changed("spec.traffic", {"provider": "GatewayAPI", "gatewayAPI": gateway})
    routes = [{"name": "staff", "cookie": {"name": "staff", "value": "1"}}]
    steps = [{"name": "p50", "weight": 50}]
    (line,) = findings(
        changed("spec.strategy.canary", {"routes": routes, "steps": steps}, base=body)
    )
    assert "GatewayAPI with mode Existing cannot route by header" in line


@pytest.mark.parametrize("value", [["x"], {"a": 1}, 7, None], ids=str)
@pytest.mark.parametrize("member", ["apiVersion", "kind", "metadata", "spec", "items"])
def test_no_type_of_a_member_breaks_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], member: str, value: object
) -> None:
    body = GOOD | {member: value}
    for content in (body, {"kind": "List", "items": [body, GOOD]}):
        path = tmp_path / "odd.json"
        path.write_text(json.dumps(content))
        for command in ("validate", "check"):
            code = main([command, "-f", str(path)])
            assert code in {outcome.DONE, outcome.NEGATIVE, outcome.TROUBLE}
            told = capsys.readouterr()
            assert told.out or told.err
