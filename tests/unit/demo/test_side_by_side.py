"""Acts beside each other: everyone goes on when it is due, and one that breaks off stops no other."""

from __future__ import annotations

import io

import pytest
from demo_run import look
from rich.console import Console
from tests.cluster.api import CommandError
from tests.demo import manifests, side_by_side, story
from tests.demo.acting import Acting
from tests.demo.promises import Promise
from tests.demo.side_by_side import Waits
from tests.demo.users import Users
from tests.demo.view import View
from tests.demo.weighing import Weighed


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class Nothing(Clock):
    """A scene, and its only model, where nothing happens."""

    real = False
    latest: View = look(0.0)
    views: tuple[View, ...] = ()
    weighed: tuple[Weighed, ...] = ()
    has_users = False

    def of(self, _: manifests.Model) -> Nothing:
        return self

    def apply(self, version: str) -> None:
        raise CommandError(("kubectl", "apply"), code=1, said=f"{version} is\nrefused")

    def ask(self, request: str, *, revision: str) -> None: ...

    def start_users(self) -> None: ...

    def users(self, **_: float) -> Users:
        return Users()

    def pods(self, **_: str) -> list[str]:
        return []


def test_everyone_goes_on_when_it_is_due() -> None:
    clock, told = Clock(), []

    def act(name: str, *waits: float) -> Waits[None]:
        for seconds in waits:
            told.append((name, clock.at))
            yield seconds
        told.append((name, clock.at))

    acts = [act("slow", 5.0, 5.0), act("quick", 1.0, 2.0, 3.0), act("empty")]
    side_by_side.play(acts, now=clock.now, sleep=clock.sleep)

    assert [at for name, at in told if name == "slow"] == [0.0, 5.0, 10.0]
    assert [at for name, at in told if name == "quick"] == [0.0, 1.0, 3.0, 6.0]
    assert [at for name, at in told if name == "empty"] == [0.0]
    assert clock.at == 10.0


def _kept(acting: Acting) -> Waits[None]:
    yield from acting.quiet(3.0)
    acting.promise(Promise(text="it was played", kept=True, detail=""))


def _refused(acting: Acting) -> Waits[None]:
    acting.apply("v2", "it will be refused")
    yield from acting.quiet()


def test_an_act_that_breaks_off_is_a_broken_promise_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    acts = [
        story.Act(name=name, about="", model=manifests.CANARY, play=play)
        for name, play in (("refused", _refused), ("kept", _kept))
    ]
    monkeypatch.setattr(story, "ACTS", acts)
    console = Console(file=io.StringIO(), width=160)

    recording = story.Story(Nothing(), console=console).play()

    [refused], [kept] = (act.promises for act in recording.acts)
    assert (refused.text, refused.kept) == ("The act is played to its end", False)
    assert "v2 is refused" in refused.detail
    assert kept.kept
    assert isinstance(console.file, io.StringIO)
    assert "refused     the act is over: 0 of 1 promises kept" in console.file.getvalue()
