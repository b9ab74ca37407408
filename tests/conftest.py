"""For all tests: leaves out what cannot run on this machine, and says so in one line.

Tests name what they need by a marker: `apiserver`, `argocd` or `cluster`. With CI=true leaving anything out
is a failure, so that nobody takes half of the tests for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import hypothesis
import properties
import pytest
from tests.argocd import program
from tests.cluster import choice
from tests.cluster.api import ClusterUnavailable

properties.register()
hypothesis.settings.load_profile(properties.chosen(os.environ))

LEFT_OUT = pytest.StashKey[dict[str, int]]()


def pytest_sessionstart() -> None:
    """The profile stands now, also one that the command line has named."""
    properties.draw_apart_from_other_code()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests whose need cannot be met; asked only where a test needs it.

    Properties go over the same lines for each example: the tables cover them, and the tracer of
    coverage makes them four times as long.
    """
    for item in items:
        if hypothesis.is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("no_cover")
    counts: dict[str, int] = {}
    dropped: list[pytest.Item] = []
    for marker, why_not in NEEDS.items():
        needing = [item for item in items if item.get_closest_marker(marker) is not None]
        reason = why_not() if needing else None
        if reason is not None:
            counts[reason] = counts.get(reason, 0) + len(needing)
            dropped += needing
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]
    _note(config, counts)


def _no_apiserver() -> str | None:
    lacks = choice.control_plane_lacks(choice.ThisMachine())
    return None if lacks is None else f"No API server can run here: {lacks}."


def _no_cluster() -> str | None:
    try:
        choice.choose(os.environ, choice.ThisMachine())
    except ClusterUnavailable as error:
        return str(error)
    return None


def _no_argocd() -> str | None:
    lacks = choice.control_plane_lacks(choice.ThisMachine()) or program.lacks()
    return None if lacks is None else f"Argo CD cannot run here: {lacks}."


NEEDS: dict[str, Callable[[], str | None]] = {
    "apiserver": _no_apiserver,
    "argocd": _no_argocd,
    "cluster": _no_cluster,
}


def _note(config: pytest.Config, counts: dict[str, int]) -> None:
    """Remember what was left out; a process of pytest-xdist also tells the one that reports."""
    config.stash[LEFT_OUT] = counts
    output: dict[str, object] | None = getattr(config, "workeroutput", None)
    if output is not None:
        output["left_out"] = counts


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """A process of pytest-xdist ended; all of them collect, and leave out, the same."""
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    output: dict[str, dict[str, int]] = getattr(node, "workeroutput", {})
    known = config.stash.setdefault(LEFT_OUT, {})
    known.update(output.get("left_out", {}))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing left to run is fine on a machine that cannot run it, but never in CI."""
    if not session.config.stash.get(LEFT_OUT, {}):
        return
    if os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    elif session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """One line for each reason."""
    for reason, count in config.stash.get(LEFT_OUT, {}).items():
        terminalreporter.write_line(f"Left out {count} test(s). {reason}", yellow=True)
