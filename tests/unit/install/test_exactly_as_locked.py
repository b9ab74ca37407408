"""The real installer against an index that has moved on since the lock was written."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import package_index
import pytest
from package_index import Wheel
from requirements import install

# `plugin` needs an extra of `tool`: what `pytest-cov` needs of `coverage`.
TOOL = Wheel("tool", "1.0", requires=("reader>=1; extra == 'toml'",), extras=("toml",))
READER = Wheel("reader", "1.0")
PLUGIN = Wheel("plugin", "1.0", requires=("tool[toml]>=1",))
LOCKED = (TOOL, READER, PLUGIN)
NEWER = (
    Wheel("tool", "1.1", requires=TOOL.requires, extras=TOOL.extras),
    Wheel("reader", "2.0", requires=("surprise>=1",)),
    Wheel("plugin", "1.0.1", requires=PLUGIN.requires),
    Wheel("surprise", "1.0"),
)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The interpreter of an empty environment."""
    folder = tmp_path / "target"
    venv.create(folder, with_pip=False)
    return folder / "bin" / "python"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Months later: every package has a newer release."""
    with package_index.serve((*LOCKED, *NEWER)) as address:
        use(address, monkeypatch=monkeypatch, tmp_path=tmp_path)
        yield address


def use(address: str, *, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only this index and no cache, whatever the machine is set to."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", address)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)  # the log goes to out/


def write(tmp_path: Path, *wheels: Wheel) -> Path:
    lock = tmp_path / "lock.txt"
    lock.write_text("".join(wheel.locked for wheel in wheels))
    return lock


def installed(python: Path) -> dict[str, str]:
    code = "import importlib.metadata as m; print(*(f'{d.name}={d.version}' for d in m.distributions()))"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"(\S+)=(\S+)", said))


def run_install(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, install.__file__, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


AS_LOCKED = {wheel.name: wheel.version for wheel in LOCKED}


@pytest.mark.usefixtures("index")
def test_a_lock_with_an_extra_is_installed_although_newer_releases_exist(
    target: Path, tmp_path: Path
) -> None:
    lock = write(tmp_path, *LOCKED)
    done = run_install("--python", target, "--lock", lock, "--roots", "plugin")
    assert (done.returncode, done.stderr) == (0, "")
    assert installed(target) == AS_LOCKED


@pytest.mark.usefixtures("index")
def test_pip_alone_installs_the_same(target: Path, tmp_path: Path) -> None:
    lock = write(tmp_path, *LOCKED)
    runner = install.Runner(tmp_path / "log", lock_fd=os.open(os.devnull, os.O_RDONLY))
    pip = tmp_path / "pip"  # `python -m pip` of this environment, working on the target
    pip.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} -m pip --python {target} "$@"\n')
    pip.chmod(0o755)
    install.pip_install(runner, python=pip, lock=lock)
    assert installed(target) == AS_LOCKED


@pytest.mark.usefixtures("index")
def test_the_way_it_was_would_have_ended(target: Path, tmp_path: Path) -> None:
    """The test bites: without --no-deps pip resolves, and meets the newer release."""
    pip = (sys.executable, "-m", "pip", "--python", target, "install", "--require-hashes")
    command = [*pip, "-r", write(tmp_path, *LOCKED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "must have their versions pinned" in done.stderr
    assert "tool[toml]" in done.stderr


@pytest.mark.usefixtures("index")
def test_what_the_lock_no_longer_names_goes(target: Path, tmp_path: Path) -> None:
    run_install("--python", target, "--lock", write(tmp_path, *LOCKED))
    done = run_install("--python", target, "--lock", write(tmp_path, READER))
    assert done.returncode == 0
    assert installed(target) == {"reader": "1.0"}


@pytest.mark.parametrize(
    ("left_out", "told"),
    [
        (TOOL, "the lock lacks tool[toml]>=1, needed by plugin"),
        (READER, "the lock lacks reader>=1, needed by tool"),  # only an extra asks for it
        (PLUGIN, "the lock lacks plugin"),
    ],
)
@pytest.mark.usefixtures("index")
def test_a_lock_that_lacks_something_fails_at_once(
    target: Path, tmp_path: Path, left_out: Wheel, told: str
) -> None:
    lock = write(tmp_path, *(wheel for wheel in LOCKED if wheel is not left_out))
    done = run_install("--python", target, "--lock", lock, "--roots", "plugin")
    assert done.returncode == 1
    assert told in done.stderr.splitlines()[-1]
    assert "make lock" in done.stderr.splitlines()[-1]


@pytest.mark.usefixtures("index")
def test_another_file_under_the_same_version_is_refused(target: Path, tmp_path: Path) -> None:
    forged = Wheel("reader", "1.0", requires=("surprise",))
    done = run_install("--python", target, "--lock", write(tmp_path, forged))
    assert "serves another file than the one that was locked" in done.stderr.splitlines()[-1]
    assert installed(target) == {}


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_registry_that_refuses(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with package_index.serve(LOCKED, status=status) as address:
        use(address, monkeypatch=monkeypatch, tmp_path=tmp_path)
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        done = run_install("--python", target, "--lock", write(tmp_path, *LOCKED))
    assert f"the registry answers with status {status}. Next: " in done.stderr.splitlines()[-1]


def test_no_registry_there(target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with package_index.serve(()) as address:
        pass  # nobody listens there any more
    use(address, monkeypatch=monkeypatch, tmp_path=tmp_path)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    done = run_install("--python", target, "--lock", write(tmp_path, *LOCKED))
    assert "the registry refuses the connection. Next: " in done.stderr.splitlines()[-1]


def may_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs a mount namespace of its own")
def test_a_full_disk(tmp_path: Path) -> None:
    """A file system of 2 MB: too small for an environment with pip. Gone with its namespace."""
    command = f"mount -t tmpfs -o size=2m none {tmp_path} && cd {tmp_path} && exec "
    command += f"{sys.executable} {install.__file__} --venv v --lock {install.BUILD_LOCK} --roots x"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{command}; ls v"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "making v failed: the disk is full. Next: free " in done.stderr


def test_an_interrupted_installation_leaves_no_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted while pip waits for an answer, over an environment that was ready before."""
    asked, go_on = Event(), Event()
    with package_index.serve((), hold=(asked, go_on)) as address:
        use(address, monkeypatch=monkeypatch, tmp_path=tmp_path)
        stamp = tmp_path / "v" / install.STAMP
        stamp.parent.mkdir()
        stamp.write_text("from another lock")
        words = ("--venv", "v", "--lock", install.BUILD_LOCK, "--roots", "uv")
        # Whoever runs the tests in the background may have it ignore SIGINT, and children inherit that.
        command = [
            "env",
            "--default-signal=INT",
            sys.executable,
            install.__file__,
            *map(str, words),
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, process_group=0) as run:
            assert asked.wait(120)
            os.killpg(run.pid, signal.SIGINT)
            _, said = run.communicate(timeout=280)
        go_on.set()
    assert run.returncode == 130
    assert said.splitlines() == ["interrupted. Next: the same command again; downloads are kept."]
    assert not stamp.exists()
