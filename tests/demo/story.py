"""The story of the demo: its acts, which are played side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from tests.cluster.api import CommandError, NotReady
from tests.demo import blue_green, canary, manifests, shadow, side_by_side
from tests.demo.acting import Acting
from tests.demo.manifests import Model
from tests.demo.promises import Promise
from tests.demo.recording import Recording
from tests.demo.scene import Scene
from tests.demo.side_by_side import Waits
from tests.demo.telling import Teller

_LOOK_SECONDS = 0.25
_LEGEND = """
A line that begins with > is what somebody does. Wanted and seen are the share of the act's requests that a
version should get and does get, errors and p95 what its users saw in so many requests. Harm and proof are
the evidence against and for it, beside what it takes to roll back or to pass a step.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is played on which model, in a few words."""

    name: str
    about: str
    model: Model
    play: Callable[[Acting], Waits[None]]


ACTS = (
    Act(
        name="canary",
        about="a good version earns its traffic step by step, a bad one is rolled back",
        model=manifests.CANARY,
        play=canary.play,
    ),
    Act(
        name="shadow",
        about="a version that is quick, without errors and wrong is caught by copies of requests",
        model=manifests.SHADOW,
        play=shadow.play,
    ),
    Act(
        name="blue-green",
        about="one write moves all users to a version, and one moves them back",
        model=manifests.BLUE_GREEN,
        play=blue_green.play,
    ),
)


class Story:
    """Plays the acts on a scene where Tidegate runs."""

    def __init__(self, scene: Scene, *, console: Console) -> None:
        self._scene = scene
        self._console = console

    def play(self) -> Recording:
        """All acts; neither a broken promise nor an act that breaks off stops the others."""
        began = self._scene.now()
        self._introduce()
        with Teller(self._console, began=began, live=self._scene.real) as teller:
            acting = [
                Acting(act.name, act.model, scene=self._scene, teller=teller, began=began)
                for act in ACTS
            ]
            played = [
                _after(acting[:number], _played(act, acting[number]))
                for number, act in enumerate(ACTS)
            ]
            side_by_side.play(played, now=self._scene.now, sleep=self._scene.sleep)
        return Recording(began=began, acts=[one.recording for one in acting])

    def _introduce(self) -> None:
        self._console.rule("[bold]the story[/bold]", align="left")
        self._console.print("Acts are played side by side, each on a ModelDeployment of its own:")
        for act in ACTS:
            deployed = f"{act.model.name}: {act.about}"
            self._console.print(f"  {act.name:<10}  {deployed}", highlight=False)
        self._console.print(_LEGEND, highlight=False)


def _after(earlier: list[Acting], act: Waits[None]) -> Waits[None]:
    """One act opens after the other: the first pods and users of all would crowd a small machine."""
    while not all(one.has_opened or one.has_ended for one in earlier):
        yield _LOOK_SECONDS
    yield from act


def _played(act: Act, acting: Acting) -> Waits[None]:
    try:
        yield from act.play(acting)
    except (CommandError, NotReady) as error:
        said = " ".join(str(error).split())
        acting.promise(Promise(text="The act is played to its end", kept=False, detail=said))
    acting.end()
