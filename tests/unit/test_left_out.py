"""Tests that need a cluster, on a machine that has none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "tests/e2e/test_idle.py", "-q", *arguments],
        cwd=ROOT,
        env={**os.environ, "TIDEGATE_CLUSTER": "none", "CI": "", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.mark.parametrize(
    ("processes", "ci", "code"),
    [
        pytest.param([], "", 0, id="one process"),
        pytest.param(["-n", "1"], "true", 1, id="pytest-xdist in CI"),
    ],
)
def test_one_line_says_what_was_left_out_and_ci_fails(
    processes: list[str], ci: str, code: int
) -> None:
    done = run(*processes, CI=ci)
    lines = [line for line in done.stdout.splitlines() if line.startswith("Left out")]
    reason = "TIDEGATE_CLUSTER=none: unset it to let tests use a cluster."
    assert lines == [f"Left out 1 test(s). {reason}"]
    assert done.returncode == code, done.stdout
