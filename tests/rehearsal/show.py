"""Plays the rehearsal on a console, and says what it is."""

from __future__ import annotations

import time

from rich.console import Console
from tests.cluster.progress import duration
from tests.demo import timeline
from tests.demo.story import Story
from tests.images.mlserver.faults import FAULTS
from tests.rehearsal.scene import rehearsal

SEED = 1


def play(console: Console) -> bool:
    """Play the story and print it; whether every promise was kept."""
    began = time.monotonic()
    console.rule("[bold]rehearsal[/bold]", align="left")
    console.print(introduction(), highlight=False)
    with rehearsal(seed=SEED) as scene:
        recording = Story(scene, console=console).play()
        played = scene.now() - recording.began
    console.print()
    console.print(timeline.summary(recording))
    console.print(
        f"\nThis was a rehearsal: {duration(played)} of virtual time, played in "
        f"{duration(time.monotonic() - began)}.",
        highlight=False,
    )
    return all(promise.kept for promise in recording.promises)


def introduction() -> str:
    """What is real here and what is played."""
    return (
        "The controller is the real one, and the manifests are those of the demo "
        "(examples/demo/digits.yaml).\n"
        "Everything else is played, in virtual time: API server, pods, Gateway, Prometheus, users "
        "and models.\n"
        f"v3 has the faults of the demo's v3: {100 * FAULTS['fail_ratio']:.0f} % of its answers are errors, "
        f"{100 * FAULTS['slow_ratio']:.0f} % take {FAULTS['slow_seconds']} s longer.\n"
    )
