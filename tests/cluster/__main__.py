"""`python -m tests.cluster up|down|status|build|prepare|env`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

from tests.cluster import (
    choice,
    durations,
    gobuild,
    kind,
    kubectl,
    lock,
    parts,
    paths,
    providers,
    shell,
)
from tests.cluster.local import provider as local
from tests.cluster.model import ClusterUnavailable
from tests.cluster.progress import Progress, duration


def main(arguments: list[str]) -> int:
    """Run one command; 0 when it did what it says, 1 with one clear message otherwise."""
    commands: dict[str, tuple[Callable[[], int], str]] = {
        "up": (up, "start the cluster, or what is missing of it"),
        "down": (down, "stop and remove it; the cache stays"),
        "status": (status, "what runs"),
        "build": (build, "build the binaries without starting anything"),
        "prepare": (prepare, "install and build what tests need, so that no test waits for it"),
        "times": (times, "how long each part took to make here, as a table"),
        "pin": (pin, "write go.mod and go.sum of the add-ons anew, for a changed version"),
        "env": (env, "print shell assignments for the running cluster"),
    }
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, (_, text) in commands.items():
        subparsers.add_parser(name, help=text)
    run, _ = commands[parser.parse_args(arguments).command]
    try:
        return run()
    except (ClusterUnavailable, shell.CommandError, kubectl.NotReady, lock.LockHeld) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error}; then run the same again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on where it was.", file=sys.stderr)
        return 130


def up() -> int:
    """Start the cluster and say how to use it."""
    started = time.monotonic()
    cluster = providers.ensure_cluster()
    print(f"The {cluster.provider} cluster is up ({duration(time.monotonic() - started)}).")
    print(f"  use it    export KUBECONFIG={cluster.kubeconfig}")
    print(f"  kubectl   {cluster.kubectl_bin}")
    print(f"  logs      {paths.log_dir()}")
    print("  stop it   make cluster-down  (or python -m tests.cluster down)")
    return 0


def down() -> int:
    """Stop and remove the cluster."""
    providers.remove_cluster(progress=Progress())
    print(f"No cluster runs. The cache stays in {paths.cache_dir()}.")
    return 0


def status() -> int:
    """Print each component; 0 only when there is a cluster and all of it runs."""
    found = {**_local_status(), **(kind.status() if kind.was_used() else {})}
    for name, alive in found.items():
        print(f"{'runs' if alive else 'dead':<6}{name}")
    if not found:
        print("No cluster was started from here.")
        return 1
    print(f"KUBECONFIG={paths.state_dir() / 'kubeconfig'}")
    return 0 if all(found.values()) else 1


def build() -> int:
    """Build what `control_plane()` and the local provider need from Go modules."""
    parts.ensure([*gobuild.control_plane_parts(), *gobuild.addon_parts()], Progress())
    print(f"Binaries: {gobuild.ensure_kubernetes(Progress())}")
    return 0


def prepare() -> int:
    """Install and build what tests need. What cannot be had here is one line, not a failure.

    The tests themselves decide whether a missing cluster is a failure (with CI=true it is).
    """
    progress = Progress()
    try:
        chosen = choice.choose(os.environ, choice.ThisMachine())
        if chosen is choice.Provider.LOCAL:
            parts.ensure(local.cluster_parts(()), progress)
        gobuild.ensure_kubernetes(progress)
    except ClusterUnavailable as error:
        print(error, file=sys.stderr)
    return 0


def env() -> int:
    """Print assignments for `eval "$(python -m tests.cluster env)"`.

    Starts nothing: with no running cluster it says so and ends with 1.
    """
    kubeconfig = paths.state_dir() / "kubeconfig"
    if not kubeconfig.exists():
        print("No cluster runs here: start it with make cluster.", file=sys.stderr)
        return 1
    print(f"export KUBECONFIG={kubeconfig}")
    print(f'export PATH="{paths.bin_dir()}:$PATH"')
    return 0


def times() -> int:
    """Print what was recorded when the parts were made."""
    print(durations.table())
    return 0


def pin() -> int:
    """Resolve the modules of the add-ons."""
    gobuild.pin_addons()
    return 0


def _local_status() -> dict[str, bool]:
    return local.status() if local.was_used() else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
