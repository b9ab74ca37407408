"""kubectl and helm, bound to one kubeconfig."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster import shell

_POLL_SECONDS = 0.1
# `kubectl wait` ends at once where an object that was just made has no conditions yet.
_TOO_EARLY = ".status.conditions accessor error"
_ATTEMPTS = 100


def kubectl(
    binary: Path,
    *,
    kubeconfig: Path,
    args: tuple[str, ...],
    input: str | None = None,  # noqa: A002
) -> str:
    """Standard output of kubectl.

    Errors: shell.CommandError with what kubectl said.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return shell.run_text(
                binary, *args, input=input, env={"KUBECONFIG": str(kubeconfig)}, timeout_seconds=300
            )
        except shell.CommandError as error:
            if _TOO_EARLY not in str(error) or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_POLL_SECONDS)
    raise AssertionError(_ATTEMPTS)


def helm(binary: Path, *, kubeconfig: Path, home: Path, args: tuple[str, ...]) -> str:
    """Standard output of helm, with its own caches under `home` instead of the user's."""
    env = {
        "KUBECONFIG": str(kubeconfig),
        "HELM_CACHE_HOME": str(home / "cache"),
        "HELM_CONFIG_HOME": str(home / "config"),
        "HELM_DATA_HOME": str(home / "data"),
        "HOME": os.environ.get("HOME", str(home)),
    }
    return shell.run_text(binary, *args, env=env, timeout_seconds=600)


class NotReady(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """Something did not come up in time."""


def wait_for(
    what: str,
    ready: Callable[[], bool],
    *,
    timeout_seconds: float,
    explain: Callable[[], str] = str,
) -> None:
    """Ask `ready` until it says yes.

    Errors: NotReady with `what` and the explanation after timeout_seconds.
    """
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        if time.monotonic() > deadline:
            raise NotReady(f"{what}: not ready after {timeout_seconds:.0f} s\n{explain()}".strip())
        time.sleep(_POLL_SECONDS)


def staying(
    ready: Callable[[], bool],
    *,
    for_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[], bool]:
    """A check that says yes once `ready` has said nothing else for some seconds."""
    since: float | None = None

    def stayed() -> bool:
        nonlocal since
        if not ready():
            since = None
            return False
        since = clock() if since is None else since
        return clock() - since >= for_seconds

    return stayed
