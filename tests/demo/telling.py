"""Tells a run while it happens: the lines of all acts as they come, and a bar for each below."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text
from tests.demo import timeline
from tests.demo.users import Sums
from tests.demo.view import View
from tests.demo.weighing import Weighed


class Teller:
    """Prints for all acts. Units: `began` in unix seconds, as all times."""

    def __init__(self, console: Console, *, began: float, live: bool) -> None:
        self._console = console
        self._began = began
        self._bars = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=4,
            disable=not (live and console.is_terminal),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._row(timeline.heading())
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def did(self, act: str, text: str, *, at: float) -> None:
        """Something was done, or came to an end."""
        self._row(timeline.note(text, act=act, at=at - self._began))

    def evidence(self, act: str, view: View) -> None:
        """What the operator says of the series of the version that serves."""
        self._row(timeline.evidence_line(view, act=act, began=self._began))

    def look(
        self,
        act: str,
        view: View,
        *,
        version: str,
        sums: Mapping[str, Sums],
        weighed: Weighed | None,
    ) -> None:
        """A line of the timeline."""
        self._row(
            timeline.line(
                view,
                act=act,
                version=version,
                began=self._began,
                sums=sums,
                weighed=weighed,
                width=self._console.width,
            )
        )

    def what_was_cut(self, act: str, view: View | None) -> None:
        """The reason of an act's last line in full: it is what the act comes to."""
        if view is not None and timeline.is_cut(view, width=self._console.width):
            self._console.print(timeline.in_full(view, act=act))

    def waits(self, act: str, why: str) -> None:
        """An act waits for something whose end nobody knows."""
        self._bar(act, f"{act}: {why}", total=None, completed=0.0)

    def moves(self, act: str, view: View, *, version: str) -> None:
        """How far a rollout is."""
        self._bar(act, f"{act}: {doing(view, version)}", total=1.0, completed=progress(view))

    def ends(self, act: str) -> None:
        """Nothing of this act is waited for any more."""
        if act in self._tasks:
            self._bars.remove_task(self._tasks.pop(act))

    def _bar(self, act: str, text: str, *, total: float | None, completed: float) -> None:
        if act not in self._tasks:
            self._tasks[act] = self._bars.add_task(text)
        self._bars.update(self._tasks[act], description=text, total=total, completed=completed)

    def _row(self, row: Text) -> None:
        self._console.print(row, overflow="ellipsis", no_wrap=True)


def progress(view: View) -> float:
    """How far a rollout is, 0 to 1: steps behind it and the part of the hold that is over."""
    if not view.steps or view.step not in view.steps:
        return 0.0 if view.rolling else 1.0
    done = float(view.steps.index(view.step))
    if view.confirmed_at is not None and view.hold_until is not None:
        hold = max(view.hold_until - view.confirmed_at, 0.001)
        done += min(max((view.at - view.confirmed_at) / hold, 0.0), 1.0)
    return done / len(view.steps)


def doing(view: View, version: str) -> str:
    """A few words beside the bar."""
    return f"{version}: step {view.step}" if view.step else f"{version}: {view.phase}"
