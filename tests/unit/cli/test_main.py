"""The program as a person starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tidegate
from tidegate.api import documents
from tidegate.cli import main as program
from tidegate.cli import offline, outcome

BIN = Path(sys.executable).parent
BAD = """\
apiVersion: tidegate.dev/v1alpha1
kind: ModelDeployment
metadata: {name: iris}
spec:
  model: {version: "1.4.0"}
  sever: {}
  workload: {template: {spec: {containers: [{name: s, image: "\u00e4\u4e16"}]}}}
"""


def run(*argv: str) -> int:
    return program.main(argv)


def test_validate_prints_violations_and_says_no(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "md.yaml").write_text(BAD, encoding="utf-8")
    assert run("validate", "-f", str(tmp_path)) == outcome.NEGATIVE
    assert "spec.sever: is not known" in capsys.readouterr().out


def test_a_mistake_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("validate", "-f", "/absent\x1b[31m") == outcome.TROUBLE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: cannot read /absent\\x1b[31m: ")
    assert captured.err.count("\n") == 1


def test_crds_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("crd") == outcome.DONE
    assert capsys.readouterr().out.startswith("apiVersion: apiextensions.k8s.io/v1\n")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("status",), "there is no kubeconfig at /absent"),
        (("watch", "iris"), "there is no kubeconfig at /absent"),
        (("abort", "iris"), "there is no kubeconfig at /absent"),
    ],
)
def test_without_a_cluster_a_command_says_how_to_name_one(
    argv: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/absent")
    assert run(*argv) == outcome.TROUBLE
    assert said in capsys.readouterr().err


def kubeconfig(folder: Path, **changes: object) -> str:
    """A kubeconfig for a port where nothing listens."""
    config: dict[str, object] = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "x"}}],
    }
    file = folder / "kubeconfig"
    file.write_text(documents.dump(config | changes))
    return str(file)


def user(**credentials: object) -> list[object]:
    return [{"name": "u", "user": credentials}]


PLUGIN = {"command": "/absent", "apiVersion": "client.authentication.k8s.io/v1"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"clusters": []},
        {"clusters": 7},
        {"users": user()},
        {"users": user(**{"client-certificate": "/absent"})},
        {"users": user(exec=PLUGIN)},
    ],
)
def test_no_answer_and_no_credentials_are_one_sentence(
    changes: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = kubeconfig(tmp_path, **changes)
    assert run("status", "--kubeconfig", file) == outcome.TROUBLE
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_a_name_and_all_namespaces_exclude_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("status", "iris", "-A", "--kubeconfig", kubeconfig(tmp_path)) == outcome.TROUBLE
    assert "exclude each other" in capsys.readouterr().err


def test_an_interrupted_command_ends_as_shells_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(offline, "validate", interrupted)
    assert run("validate", "-f", "x") == 130


@pytest.mark.parametrize("script", ["tidegate", "kubectl-tidegate"])
def test_both_console_scripts_are_installed(script: str) -> None:
    done = subprocess.run([BIN / script, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: {script.replace('-', ' ')} ")


def test_the_version_is_that_of_the_package() -> None:
    done = subprocess.run([BIN / "tidegate", "--version"], capture_output=True, check=True)
    assert done.stdout.decode() == f"tidegate {tidegate.__version__}\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{BIN / 'tidegate'} crd | head -c 20"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, check=True
    )
    assert done.stderr == b""


def test_a_poor_locale_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "\u4e16.yaml").write_text(BAD, encoding="utf-8")
    done = subprocess.run(
        [BIN / "tidegate", "validate", "-f", tmp_path],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert done.returncode == outcome.NEGATIVE
    assert done.stderr == b""


WITHOUT_THE_OPERATORS_LIBRARIES = """
import sys
for name in ("kopf", "prometheus_api_client", "prometheus_client", "scipy"):
    sys.modules[name] = None
from tidegate.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["--version"], outcome.DONE, tidegate.__version__),
        (["evaluate", "-f", "examples/evaluate-counts.json"], outcome.DONE, "Verdict:  Advance"),
        (["status", "--kubeconfig", "/nowhere"], outcome.TROUBLE, "there is no kubeconfig"),
        (["controller"], outcome.TROUBLE, "pip install 'tidegate[controller]'"),
    ],
)
def test_only_the_operator_needs_the_libraries_of_the_operator(
    argv: list[str], code: int, said: str
) -> None:
    command = [sys.executable, "-c", WITHOUT_THE_OPERATORS_LIBRARIES, *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert said in done.stdout + done.stderr
    assert done.returncode == code
