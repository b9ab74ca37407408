"""The program against a real API server; the operator's side is `decide` itself.

What must run beside the test is a process of its own; all else runs here, which is faster.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cli_world as world
import pytest
from api_examples import SMALLEST
from tests.cluster.api import ControlPlane

from tidegate import model
from tidegate.api import convert, documents, revision
from tidegate.cli import main as program
from tidegate.cli import outcome
from tidegate.rollout import decide

pytestmark = pytest.mark.apiserver

TIDEGATE = Path(sys.executable).parent / "tidegate"
BODY = SMALLEST | {"metadata": {"name": "iris"}}
WANTED = revision.revision_of(BODY)
SERVED = model.RevisionStatus(revision="0123456789", model_version="1.3.0", replicas=1)
RUNNING = dataclasses.replace(
    world.PROGRESSING,
    observed_generation=1,
    desired=WANTED,
    stable=SERVED,
    rollout=dataclasses.replace(world.ROLLOUT, revision=WANTED),
)
ROLLED_BACK = dataclasses.replace(
    world.ROLLED_BACK,
    observed_generation=1,
    desired=WANTED,
    stable=SERVED,
    rejected=(dataclasses.replace(world.REJECTION, revision=WANTED.hash),),
)
HEALTHY = dataclasses.replace(
    world.HEALTHY,
    observed_generation=1,
    desired=WANTED,
    stable=dataclasses.replace(SERVED, revision=WANTED.hash, model_version="1.4.0"),
)


def waiting(reason: model.Waiting) -> model.Status:
    waits = model.WaitingFor(reason=reason, since=world.NOW)
    assert RUNNING.rollout is not None
    return dataclasses.replace(
        RUNNING, rollout=dataclasses.replace(RUNNING.rollout, waiting_for=waits)
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Namespace:
    """A namespace with the ModelDeployment `iris`, and the two sides that work on it."""

    plane: ControlPlane
    name: str

    def kubectl(self, *args: str, document: object = None) -> str:
        text = None if document is None else json.dumps(document)
        return self.plane.kubectl("-n", self.name, *args, input=text)

    def read(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.kubectl("get", "mdep/iris", "-o", "json"))
        return body

    def write_status(self, status: model.Status) -> None:
        head = {key: BODY[key] for key in ("apiVersion", "kind", "metadata")}
        document = head | {"status": convert.write_status(status)}
        flags = ("--server-side", "--force-conflicts", "--field-manager=tidegate")
        self.kubectl("apply", *flags, "--subresource=status", "-f", "-", document=document)

    def operate(self) -> None:
        """One pass of the operator, without pods and routes."""
        body = self.read()
        spec, violations = convert.read_spec(body)
        seen = model.Observation(
            now=datetime.now(UTC),
            epoch=1,
            meta=convert.read_meta(body),
            status=convert.read_status(body.get("status")),
            spec=spec,
            desired=WANTED,
            violations=violations,
            request=convert.read_request(body["metadata"].get("annotations")),
        )
        self.write_status(decide.decide(seen).status)

    def start(self, *args: str) -> subprocess.Popen[str]:
        command = [str(TIDEGATE), *args, "-n", self.name]
        command += ["--kubeconfig", str(self.plane.kubeconfig)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def run(self, *args: str, kubeconfig: Path | None = None) -> tuple[int, str, str]:
        file = str(kubeconfig or self.plane.kubeconfig)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = program.main([*args, "-n", self.name, "--kubeconfig", file])
        return code, out.getvalue(), err.getvalue()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


@pytest.fixture
def namespace(tidegate_plane: ControlPlane) -> Namespace:
    space = Namespace(plane=tidegate_plane, name=f"t-{uuid.uuid4().hex[:10]}")
    tidegate_plane.kubectl("create", "namespace", space.name)
    space.kubectl("create", "-f", "-", document=BODY)
    return space


# --- requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status", "code", "said"),
    [
        ("promote", waiting(model.Waiting.INCONCLUSIVE), outcome.DONE, "Accepted: promote of iris"),
        ("promote", RUNNING, outcome.NEGATIVE, "it waits for no person"),
        ("pause", RUNNING, outcome.DONE, "Accepted: pause of iris"),
        ("abort", HEALTHY, outcome.DONE, "NoOp: abort of iris"),
        ("retry", ROLLED_BACK, outcome.DONE, "Accepted: retry of iris"),
    ],
)
def test_a_request_is_answered_by_the_state_machine(
    namespace: Namespace, command: str, status: model.Status, code: int, said: str
) -> None:
    namespace.write_status(status)
    process = namespace.start(command, "iris", "--reason", "looks good", "--wait", "120s")
    path = r"{.metadata.annotations.tidegate\.dev/request}"
    namespace.kubectl("wait", f"--for=jsonpath={path}={command}", "mdep/iris", "--timeout=120s")
    namespace.operate()
    exit_code, out, err = ended(process)
    assert (exit_code, err) == (code, "")
    assert said in out


def test_a_request_writes_its_annotations_as_the_cli_and_nothing_else(namespace: Namespace) -> None:
    namespace.write_status(RUNNING)
    before = namespace.read()
    for reason in (["--reason", "one"], []):
        code, _, err = namespace.run("promote", "iris", "--wait", "0s", *reason)
        assert (code, err) == (outcome.DONE, "")
    after = json.loads(namespace.kubectl("get", "mdep/iris", "-o", "json", "--show-managed-fields"))
    annotations = after["metadata"].pop("annotations")
    asked_at = datetime.fromisoformat(annotations.pop("tidegate.dev/requested-at"))
    assert abs((datetime.now(UTC) - asked_at).total_seconds()) < 300
    assert annotations == {
        "tidegate.dev/request": "promote",
        "tidegate.dev/request-revision": WANTED.hash,
        "tidegate.dev/request-step": "p50",
    }
    managers = {it["manager"] for it in after["metadata"].pop("managedFields")}
    assert "tidegate-cli" in managers
    for body in (before, after):
        body["metadata"].pop("resourceVersion")
    assert after == before  # the generation, too


def test_no_operator_means_no_answer(namespace: Namespace) -> None:
    code, _, err = namespace.run("abort", "iris")
    assert code == outcome.TROUBLE
    assert "the status of iris names no revision yet: check that the operator runs" in err
    namespace.write_status(RUNNING)
    code, _, err = namespace.run("abort", "iris", "--wait", "1s")
    assert code == outcome.TROUBLE
    assert err.startswith("error: no answer within 1s to abort of iris")


# --- status and watch ----------------------------------------------------------------------------


def test_status_shows_what_the_operator_wrote(namespace: Namespace) -> None:
    assert "not seen by the operator yet" in namespace.run("status")[1]
    namespace.write_status(RUNNING)
    code, out, err = namespace.run("status")
    assert (code, err) == (outcome.DONE, "")
    assert out.splitlines()[1].split()[:5] == ["iris", "-", "Progressing", "p50", "50"]
    assert "p50 (2 of 2)" in namespace.run("status", "iris")[1]
    assert namespace.name in namespace.run("status", "-A")[1]


def test_machine_output_is_what_kubectl_gives(namespace: Namespace) -> None:
    namespace.write_status(RUNNING)
    assert json.loads(namespace.run("status", "iris", "-o", "json")[1]) == namespace.read()
    assert documents.load(namespace.run("status", "iris", "-o", "yaml")[1]) == namespace.read()
    listed = json.loads(namespace.run("status", "-o", "json")[1])
    assert listed["items"] == [namespace.read()]


def test_watch_follows_a_rollout_to_its_end(namespace: Namespace) -> None:
    namespace.write_status(RUNNING)
    process = namespace.start("watch", "iris", "--timeout", "60s")
    assert process.stdout is not None
    assert "Progressing" in process.stdout.readline()
    namespace.write_status(ROLLED_BACK)
    code, out, err = ended(process)
    assert (code, err) == (outcome.NEGATIVE, "")
    assert out.splitlines()[-1] == f"rolled back: {ROLLED_BACK.message}"


# --- mistakes ------------------------------------------------------------------------------------


def test_a_missing_object_is_one_sentence(namespace: Namespace) -> None:
    for command in ("status", "watch", "abort"):
        code, out, err = namespace.run(command, "rose")
        assert (code, out) == (outcome.TROUBLE, "")
        said = f"error: there is no ModelDeployment rose in namespace {namespace.name}:"
        assert err.startswith(said)


def test_missing_rights_are_named(namespace: Namespace, tmp_path: Path) -> None:
    namespace.write_status(RUNNING)
    namespace.kubectl("create", "serviceaccount", "nobody")
    token = namespace.kubectl("create", "token", "nobody").strip()
    config = documents.load(namespace.plane.kubeconfig.read_text())
    config["users"] = [{"name": it["name"], "user": {"token": token}} for it in config["users"]]
    (tmp_path / "kubeconfig").write_text(documents.dump(config))
    for args in (["status"], ["abort", "iris"]):
        code, out, err = namespace.run(*args, kubeconfig=tmp_path / "kubeconfig")
        assert (code, out) == (outcome.TROUBLE, "")
        assert "forbidden" in err
        assert "ask for the right named there" in err


# --- doctor --------------------------------------------------------------------------------------


def an_operator(space: Namespace, *, renewed: datetime) -> None:
    """What an installation leaves behind, without anybody who runs."""
    labels = {"app.kubernetes.io/part-of": "tidegate", "app.kubernetes.io/component": "controller"}
    pod = {
        "serviceAccountName": "tidegate",
        "containers": [{"name": "controller", "image": "images.example.com/tidegate:1"}],
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "tidegate", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "tidegate-controller"},
        "spec": {
            "holderIdentity": "op-1",
            "leaseDurationSeconds": 15,
            "renewTime": renewed.isoformat(timespec="microseconds"),
        },
    }
    for document in (deployment, lease):
        space.kubectl("create", "-f", "-", document=document)


def examined(space: Namespace) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Exit code and findings by check."""
    code, out, err = space.run("doctor", "iris", "-o", "json", "--operator-namespace", space.name)
    assert not err
    found: dict[str, list[dict[str, str]]] = {}
    for it in json.loads(out)["findings"]:
        found.setdefault(it["check"], []).append(it)
    return code, found


def test_doctor_says_what_would_stop_a_rollout_and_then_that_nothing_does(
    namespace: Namespace,
) -> None:
    found_series = model.Preflight(
        metric="error-ratio",
        source="prometheus",
        reason=model.PreflightReason.SERIES_FOUND,
        ready=True,
    )
    namespace.write_status(dataclasses.replace(HEALTHY, evidence=(found_series,)))
    code, found = examined(namespace)
    assert code == outcome.NEGATIVE
    assert {it["result"] for it in found["kinds"]} == {"ok"}
    assert [it["result"] for it in found["clock"]] == ["ok"]
    assert "nobody leads" in found["operator"][0]["message"]
    assert found["rights"][0]["result"] == "unknown"

    an_operator(namespace, renewed=datetime.now(UTC))
    code, found = examined(namespace)
    assert code == outcome.NEGATIVE
    assert "op-1 leads" in found["operator"][0]["message"]
    assert "may not get modeldeployments.tidegate.dev" in found["rights"][0]["message"]

    account = f"--serviceaccount={namespace.name}:tidegate"
    binding = f"all-{namespace.name}"  # some rights are on the cluster
    namespace.kubectl(
        "create", "clusterrolebinding", binding, "--clusterrole=cluster-admin", account
    )
    code, found = examined(namespace)
    assert code == outcome.DONE
    assert {it["result"] for its in found.values() for it in its} == {"ok"}

    lost = dataclasses.replace(
        found_series, reason=model.PreflightReason.LABELS_MISSING, ready=False, message="no pod"
    )
    namespace.write_status(dataclasses.replace(HEALTHY, evidence=(lost,)))
    code, found = examined(namespace)
    assert code == outcome.NEGATIVE
    assert found["evidence"][0]["message"] == "LabelsMissing: no pod"
    described = namespace.kubectl("describe", "mdep/iris")
    assert "LabelsMissing" in described
