"""What happens to tests that need a cluster where none can be had.

They are left out and one line at the end says so; with CI=true they fail, so that nothing hides.
"""

from __future__ import annotations

import functools
import os
from collections import Counter

import pytest
from tests.cluster import choice, gobuild
from tests.cluster.model import ClusterUnavailable

_LEFT_OUT = "left out: "


@functools.cache
def _no_cluster() -> str:
    """Why no full cluster can run here; empty when one can."""
    try:
        choice.choose(os.environ, choice.ThisMachine())
    except ClusterUnavailable as error:
        return str(error)
    return ""


@functools.cache
def _no_api_server() -> str:
    """Why no API server can run here; empty when one can."""
    if gobuild.go_version() is not None:
        return ""
    return "no API server: install Go, with which the pinned one is built"


_NEEDS = {"cluster": _no_cluster, "apiserver": _no_api_server}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, missing in _NEEDS.items():
        reason = missing() if item.get_closest_marker(marker) else ""
        if reason and os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        if reason:
            pytest.skip(_LEFT_OUT + reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _, marked, reason = text.partition(_LEFT_OUT)
        counted.update([reason] if marked else [])
    for reason, number in counted.items():
        terminalreporter.write_line(f"{number} tests left out: {reason}", yellow=True)
