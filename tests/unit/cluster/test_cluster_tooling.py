from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.cluster import __main__ as command
from tests.cluster import certificates, existing, kubeconfig, kubectl, lock, progress, shell
from tests.cluster.model import ClusterUnavailable

KUBECONFIG = {
    "clusters": [{"name": "a", "cluster": {}}, {"name": "b", "cluster": {}}],
    "users": [{"name": "ua", "user": {}}, {"name": "ub", "user": {}}],
    "contexts": [
        {"name": "test", "context": {"cluster": "a", "user": "ua"}},
        {"name": "production", "context": {"cluster": "b", "user": "ub"}},
    ],
    "current-context": "production",
}


def test_who_waits_too_long_learns_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        lock.file_lock(path, timeout_seconds=1),
        pytest.raises(lock.LockHeld, match=r"held by process \d+"),
        lock.file_lock(path, timeout_seconds=0),
    ):
        pass
    with lock.file_lock(path, timeout_seconds=0):
        pass


def test_a_dead_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = (
        "import fcntl, os, sys\n"
        "file = open(sys.argv[1], 'a+')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    with lock.file_lock(path, timeout_seconds=0):
        pass


def test_only_the_named_context_can_be_reached() -> None:
    reduced = kubeconfig.with_only_context(KUBECONFIG, context="test")
    assert reduced is not None
    assert reduced["current-context"] == "test"
    assert [entry["name"] for entry in reduced["clusters"]] == ["a"]
    assert [entry["name"] for entry in reduced["users"]] == ["ua"]
    assert [entry["name"] for entry in reduced["contexts"]] == ["test"]


def test_a_context_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(KUBECONFIG))
    environment = {"TIDEGATE_KUBECONFIG": str(file), "TIDEGATE_CONTEXT": "staging"}
    with pytest.raises(ClusterUnavailable, match="has no context staging"):
        existing.ensure(environment)


def test_a_kubeconfig_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    environment = {"TIDEGATE_KUBECONFIG": str(tmp_path / "no"), "TIDEGATE_CONTEXT": "x"}
    with pytest.raises(ClusterUnavailable, match="cannot be read"):
        existing.ensure(environment)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (12.3, "12 s"), (185.0, "3 min 05 s")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_a_short_step_is_one_plain_line_outside_of_a_terminal() -> None:
    out = io.StringIO()
    with progress.Progress(stream=out).step("build etcd"):
        pass
    assert re.fullmatch(r"  ok      build etcd  \d+\.\d s\n", out.getvalue())


def test_a_failed_step_says_so_and_lets_the_error_through() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="broken"), progress.Progress(stream=out).step("x"):
        raise ValueError("broken")
    assert out.getvalue().startswith("  failed  x")


def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(shell.CommandError, match="exit code 3\nbad thing") as failure:
        shell.run("sh", "-c", "echo bad thing >&2; exit 3")
    assert failure.value.code == 3


def test_a_missing_command_is_a_failure_and_not_a_surprise() -> None:
    assert not shell.succeeds("no-such-program-here")
    with pytest.raises(shell.CommandError):
        shell.run("no-such-program-here")


def test_a_logged_command_fails_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(shell.CommandError, match="last words"):
        shell.run_logged("sh", "-c", "echo last words; exit 1", log=log)


def test_a_check_must_stay_good_for_a_while() -> None:
    now = 0.0
    answers = iter([True, True, False, True, True])
    stayed = kubectl.staying(lambda: next(answers), for_seconds=3, clock=lambda: now)
    seen = []
    for _ in range(5):
        seen.append(stayed())
        now += 2
    assert seen == [False, False, False, False, False]
    answers = iter([True])
    assert stayed()


def test_waiting_ends_with_an_explanation() -> None:
    with pytest.raises(kubectl.NotReady, match="the thing: not ready after 0 s\nbecause"):
        kubectl.wait_for("the thing", lambda: False, timeout_seconds=0, explain=lambda: "because")


def test_the_command_refuses_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEGATE_CLUSTER", "none")
    assert command.main(["up"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_without_a_cluster_there_is_no_environment_to_print(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["env"]) == 1
    assert "make cluster" in capsys.readouterr().err


def test_certificates_outlive_the_machine(tmp_path: Path) -> None:
    authority = certificates.authority(tmp_path)
    issued = authority.issue("server", common_name="server", hosts=("127.0.0.1",))
    five_years = str(5 * 365 * 24 * 3600)
    for pair in (authority.pair, issued):
        shell.run("openssl", "x509", "-noout", "-checkend", five_years, "-in", pair.certificate)
