"""`python -m tests.demo [--down]`: Tidegate on a real cluster, told in three minutes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from rich.console import Console
from tests.cluster.api import (
    Cluster,
    ClusterUnavailable,
    CommandError,
    NotReady,
    ensure_cluster,
    must_build,
)
from tests.cluster.lock import LockHeld
from tests.cluster.progress import Progress
from tests.demo import manifests, report, stage, timeline
from tests.demo.on_cluster import OnCluster
from tests.demo.recording import Recording
from tests.demo.story import Story
from tests.demo.watching import NAMESPACE, OPERATOR_NAMESPACE, Watch, reader
from tests.rehearsal import show


def main(arguments: list[str]) -> int:
    """0 when every promise was kept; 1 with one clear message otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--down", action="store_true", help="remove the demo and Tidegate")
    parser.add_argument("--report", type=Path, default=manifests.ROOT / "out" / "demo-report.html")
    given = parser.parse_args(arguments)
    try:
        return down() if given.down else up(report_path=given.report)
    except ClusterUnavailable as error:
        print(f"{error}\nWithout a cluster: make rehearsal plays the same story.", file=sys.stderr)
        return 1
    except (CommandError, NotReady, LockHeld) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"the cluster stopped answering ({error}); make demo starts again", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nstopped; make demo goes on where it was, make demo-down removes what it made",
            file=sys.stderr,
        )
        return 130


def up(*, report_path: Path) -> int:
    """Play the demo from nothing to the summary."""
    began = time.monotonic()
    console = timeline.make_console()
    steps = Progress()
    if must_build():
        rehearse(console)
    console.rule("[bold]set the stage[/bold]", align="left")
    sources = stage.image_sources()
    cluster = ensure_cluster(images=sources)
    image = stage.build_images(cluster, sources)
    stage.make_namespace(cluster)
    stage.install(cluster, image=image, progress=steps)
    stage.prepare_namespace(cluster, progress=steps)
    console.print()
    with reader(cluster) as source, Watch(source) as watch:
        recording = Story(OnCluster(cluster, source=source, watch=watch), console=console).play()
    report.write(recording, limits=manifests.limits(), target=report_path)
    say_goodbye(console, recording, cluster=cluster, report_path=report_path)
    console.print(f"The demo took {time.monotonic() - began:.0f} s.")
    return 0 if all(promise.kept for promise in recording.promises) else 1


def rehearse(console: Console) -> None:
    """Something to read while the cluster is built; nothing of the demo depends on it."""
    show.play(console)
    console.print("Now the same on a real cluster, which has to be built first.\n")


def down() -> int:
    """Remove the demo and Tidegate; the cluster stays."""
    cluster, steps = ensure_cluster(), Progress()
    with steps.step(f"remove the namespace {NAMESPACE}"):
        stage.remove_namespace(cluster)
    with steps.step("uninstall Tidegate"):
        cluster.helm(
            *("uninstall", stage.RELEASE, "--namespace", OPERATOR_NAMESPACE),
            *("--ignore-not-found", "--wait"),
        )
    return 0


def say_goodbye(
    console: Console, recording: Recording, *, cluster: Cluster, report_path: Path
) -> None:
    """The table of promises, and where to go from here."""
    console.print()
    console.print(timeline.summary(recording))
    console.print(f"\nReport         {report_path}")
    python = os.path.relpath(sys.executable)
    console.print(f'Look around    eval "$({python} -m tests.cluster env)"', highlight=False)
    for command in (
        f"kubectl -n {NAMESPACE} get modeldeployments",
        f"kubectl -n {NAMESPACE} describe modeldeployment {manifests.CANARY.name}",
        f"kubectl -n {NAMESPACE} get httproute,deployments,services",
        f"kubectl -n {cluster.gateway.namespace} get gateway {cluster.gateway.name}",
        f"kubectl -n {OPERATOR_NAMESPACE} logs deployment/tidegate",
    ):
        console.print(f"               {command}", highlight=False)
    console.print("Clean up       make demo-down; the cluster itself: make cluster-down")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
