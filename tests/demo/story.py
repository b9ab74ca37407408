"""The acts of the demo. Each changes one thing, watches what follows and says what to promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from tests.demo import promises, timeline, weighing
from tests.demo.promises import Promise, Span, StepSpan
from tests.demo.scene import Scene
from tests.demo.users import Sums, Users
from tests.demo.view import View
from tests.demo.weighing import Weighed

_LOOK_SECONDS = 0.25
_WINDOW_SECONDS = 15.0
_QUIET_SECONDS = 4.0  # of plain traffic before something changes
_FIRST_LIMIT_SECONDS = 120.0
_ROLLOUT_LIMIT_SECONDS = 180.0
_SCALE_DOWN_LIMIT_SECONDS = 45.0
_EXPOSURE_LIMIT_SECONDS = 60.0
_EVIDENCE_LIMIT_SECONDS = 60.0
_AGAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that was done to the cluster. Units: `at` in unix seconds."""

    at: float
    title: str


@dataclass(slots=True, kw_only=True)
class Recording:
    """Everything the summary and the report are made of. Units: `began` in unix seconds."""

    began: float
    acts: list[Act] = field(default_factory=list)
    views: tuple[View, ...] = ()
    users: Users = field(default_factory=Users)
    weighed: tuple[Weighed, ...] = ()
    promises: list[Promise] = field(default_factory=list)


class Story:
    """Plays the acts on a scene where Tidegate runs."""

    def __init__(self, scene: Scene, *, console: Console) -> None:
        self._scene = scene
        self._console = console
        self._recording = Recording(began=scene.now())
        self._spans: dict[str, Span] = {}

    def play(self) -> Recording:
        """All acts in order, then the judgement; a broken promise never stops the play."""
        self._first_version()
        self._good_version()
        self._bad_version()
        self._bad_version_again()
        self._recording.views = self._scene.views
        self._recording.weighed = self._scene.weighed
        self._recording.users = self._scene.users()
        self._recording.promises += self._judge(self._recording.users)
        return self._recording

    def _first_version(self) -> None:
        self._apply("v1", "the first version: there is nothing to compare it with")
        began = self._scene.now()
        seen = self._follow("v1", until=_served("v1"), limit_seconds=_FIRST_LIMIT_SECONDS)
        kept = promises.served_directly(seen, seconds=self._scene.now() - began)
        self._recording.promises.append(kept)
        self._scene.start_users()
        self._wait_for_evidence()
        self._scene.sleep(_QUIET_SECONDS)

    def _good_version(self) -> None:
        self._apply("v2", "a better model: it has to earn its traffic step by step")
        began = self._scene.now()
        seen = self._follow("v2", until=_served("v2"), limit_seconds=_ROLLOUT_LIMIT_SECONDS)
        promoted = promises.promoted(seen, version="v2", seconds=self._scene.now() - began)
        self._recording.promises.append(promoted)
        self._wait_for_scale_down("v1")
        self._spans["v2"] = Span(start=began, end=self._scene.now())

    def _bad_version(self) -> None:
        self._apply("v3", "a broken model: a quarter of its answers are errors, half are slow")
        began = self._scene.now()
        seen = self._follow("v3", until=_rolled_back, limit_seconds=_ROLLOUT_LIMIT_SECONDS)
        rejected = promises.rolled_back(seen, version="v3", stable="v2")
        self._recording.promises.append(rejected)
        self._wait_for_scale_down("v3")
        self._spans["v3"] = Span(start=began, end=self._scene.now())

    def _bad_version_again(self) -> None:
        self._apply("v2", "back to what is served: nothing to do")
        self._follow("v2", until=_served("v2"), limit_seconds=_SCALE_DOWN_LIMIT_SECONDS)
        self._apply("v3", "the broken model again: it stays rejected until somebody asks to retry")
        began = self._scene.now()
        self._follow("v3", until=_rolled_back, limit_seconds=_SCALE_DOWN_LIMIT_SECONDS)
        pods: set[str] = set()
        deadline = self._scene.now() + _AGAIN_SECONDS
        while self._scene.now() < deadline:
            pods.update(self._scene.pods(version="v3"))
            self._scene.sleep(_LOOK_SECONDS)
        again = promises.stays_rejected(
            self._scene.views,
            span=Span(start=began, end=self._scene.now()),
            version="v3",
            pods=sorted(pods),
            users=self._scene.users(since=began),
        )
        self._recording.promises.append(again)

    def _judge(self, users: Users) -> list[Promise]:
        """What can be said only when all is over."""
        views = self._scene.views
        walked = promises.steps_walked(views, version="v2")
        planned = next((view.steps for view in views if view.candidate == "v2" and view.steps), ())
        exposed = promises.time_with_weight(views, version="v3")
        rejected = self._spans["v3"]
        ended = exposed.end if exposed else rejected.start
        judged = [
            promises.all_steps_walked(walked, planned=planned),
            promises.nothing_failed(users, span=self._spans["v2"], during="during the promotion"),
            promises.rolled_back_in_time(exposed, limit_seconds=_EXPOSURE_LIMIT_SECONDS),
            promises.only_the_bad_version_failed(
                users, span=rejected, version="v3", exposed=exposed
            ),
            promises.traffic_ended(users, version="v3", after=ended, until=rejected.end),
        ]
        return judged + (_of_real_users(users, walked=walked) if self._scene.real else [])

    def _apply(self, version: str, why: str) -> None:
        self._recording.acts.append(Act(at=self._scene.now(), title=f"apply {version}"))
        self._console.print()
        self._console.rule(f"[bold]apply {version}[/bold]  {why}", align="left")
        self._scene.apply(version)

    def _wait_for_scale_down(self, version: str) -> None:
        """Until the pods of a version are gone: removing them must hurt nobody either."""
        with self._bar() as bar:
            bar.add_task(f"the pods of {version} drain and go", total=None)
            deadline = self._scene.now() + _SCALE_DOWN_LIMIT_SECONDS
            while self._scene.now() < deadline and self._scene.pods(version=version):
                self._scene.sleep(_LOOK_SECONDS)

    def _wait_for_evidence(self) -> None:
        """Until the operator has seen that a candidate could be judged, and say so."""
        began = self._scene.now()
        with self._bar() as bar:
            bar.add_task("the operator looks for the series of v1", total=None)
            while self._scene.now() < began + _EVIDENCE_LIMIT_SECONDS:
                if (view := self._scene.latest) is not None and view.evidence_ready:
                    break
                self._scene.sleep(_LOOK_SECONDS)
        view = self._scene.latest
        line = timeline.evidence_line(view, began=self._recording.began)
        self._console.print(line, overflow="ellipsis", no_wrap=True)
        seconds = self._scene.now() - began
        self._recording.promises.append(promises.evidence_in_reach(view, seconds=seconds))

    def _follow(
        self, version: str, *, until: Callable[[View], bool], limit_seconds: float
    ) -> View | None:
        """Print the timeline until the condition holds or the time is up; the last look."""
        applied, printed = self._scene.now(), None
        self._print_row(timeline.heading(version=version))
        with self._bar() as bar:
            task = bar.add_task(f"{version} starts", total=1.0)
            while self._scene.now() < applied + limit_seconds:
                self._scene.sleep(_LOOK_SECONDS)
                view = self._scene.latest
                if view is None or view.at <= applied or not view.current:
                    continue
                bar.update(task, completed=progress(view), description=doing(view, version))
                if timeline.is_news(view, printed=printed):
                    self._print_line(view, version=version)
                    printed = view
                if until(view):
                    bar.update(task, completed=1.0)
                    break
        self._print_what_was_cut(printed)
        return self._scene.latest

    def _print_line(self, view: View, *, version: str) -> None:
        line = timeline.line(
            view,
            version=version,
            began=self._recording.began,
            sums=self._recent_sums(view),
            weighed=self._newest_evidence(view, version=version),
            width=self._console.width,
        )
        self._print_row(line)

    def _print_row(self, row: Text) -> None:
        self._console.print(row, overflow="ellipsis", no_wrap=True)

    def _print_what_was_cut(self, view: View | None) -> None:
        """The last line's reason in full: it is what an act comes to."""
        if view is not None and timeline.is_cut(view, width=self._console.width):
            self._console.print(Padding(Text(timeline.words(view)), (0, 0, 0, 7)))

    def _newest_evidence(self, view: View, *, version: str) -> Weighed | None:
        """What was proven of a candidate, or of one that was rejected for it."""
        if view.candidate != version and version not in view.rejected:
            return None
        return weighing.newest(self._scene.weighed, version=version, at=view.at)

    def _recent_sums(self, view: View) -> dict[str, Sums]:
        """What users saw lately, but not before the weight was what it is now."""
        if not any(act.title == "apply v2" for act in self._recording.acts):
            return {}  # no users yet
        start = max(self._weight_since(view) + 1.0, view.at - _WINDOW_SECONDS)
        return self._scene.users(since=start).between(start, view.at)

    def _weight_since(self, view: View) -> float:
        """When the weight became what it is."""
        since = view.at
        for earlier in reversed(self._scene.views):
            if earlier.intended_percent != view.intended_percent:
                break
            since = earlier.at
        return since

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            refresh_per_second=4,
            disable=not (self._scene.real and self._console.is_terminal),
        )


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


def _of_real_users(users: Users, *, walked: list[StepSpan]) -> list[Promise]:
    """What a played data plane and a played model cannot break."""
    return [
        *(promises.split_is_honest(users, step=step) for step in walked),
        promises.better_answers(users, old="v1", new="v2"),
        promises.every_request_counted(users),
    ]


def _served(version: str) -> Callable[[View], bool]:
    return lambda view: view.phase == "Healthy" and view.stable == version


def _rolled_back(view: View) -> bool:
    return view.phase == "RolledBack"
