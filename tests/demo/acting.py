"""What every act is made of: change one thing, watch what follows, tell it, note what was promised."""

from __future__ import annotations

from collections.abc import Callable

from tests.demo import promises, timeline, weighing
from tests.demo.manifests import Model
from tests.demo.promises import Promise
from tests.demo.recording import ActRecording, Change
from tests.demo.scene import Scene
from tests.demo.side_by_side import Waits
from tests.demo.telling import Teller
from tests.demo.users import Sums, Users
from tests.demo.view import View
from tests.demo.weighing import Weighed

QUIET_SECONDS = 4.0  # of plain traffic before something changes
ROLLOUT_LIMIT_SECONDS = 180.0
REST_LIMIT_SECONDS = 45.0  # until an object says again what it is at rest
_LOOK_SECONDS = 0.25
_WINDOW_SECONDS = 15.0
_FIRST_LIMIT_SECONDS = 120.0
_USERS_LIMIT_SECONDS = 60.0
_EVIDENCE_LIMIT_SECONDS = 60.0
_SCALE_DOWN_LIMIT_SECONDS = 45.0


class Acting:
    """One act while it is played, on a model of its own."""

    def __init__(
        self, name: str, model: Model, *, scene: Scene, teller: Teller, began: float
    ) -> None:
        self.recording = ActRecording(name=name, began=began)
        self.model = scene.of(model)
        self.real = scene.real
        self.now = scene.now
        self.has_opened = False
        self.has_ended = False
        self._name = name
        self._of = model
        self._teller = teller

    def promise(self, *made: Promise) -> None:
        """Note what was promised, and whether it was kept."""
        self.recording.promises += made

    def users(self) -> Users:
        """The books of the users up to now."""
        return self.model.users()

    def open_with(self, version: str, why: str) -> Waits[tuple[Promise, Promise]]:
        """The first version serves, users come, and a candidate could be judged."""
        self.apply(version, why)
        began = self.now()
        seen = yield from self.follow(
            version, until=served(version), limit_seconds=_FIRST_LIMIT_SECONDS
        )
        directly = promises.served_directly(seen, version=version, seconds=self.now() - began)
        yield from self._users_come()
        in_reach = yield from self._evidence(version)
        self.has_opened = True
        return directly, in_reach

    def apply(self, version: str, why: str) -> None:
        """Apply a version, and say why."""
        self._do(f"apply {version}", why)
        self.model.apply(version)

    def ask(self, request: str, *, version: str, revision: str, why: str) -> None:
        """Ask for something, and say why."""
        self._do(f"{request} {version}", f"{why} (tidegate {request} {self._of.name})")
        self.model.ask(request, revision=revision)

    def quiet(self, seconds: float = QUIET_SECONDS) -> Waits[None]:
        """Plain traffic for a while."""
        yield seconds

    def follow(
        self, version: str, *, until: Callable[[View], bool], limit_seconds: float
    ) -> Waits[View | None]:
        """Print the timeline until the condition holds or the time is up; the last look."""
        applied, printed = self.now(), None
        self._teller.waits(self._name, f"{version} starts")
        while self.now() < applied + limit_seconds:
            yield _LOOK_SECONDS
            view = self.model.latest
            if view is None or view.at <= applied or not view.current:
                continue
            self._teller.moves(self._name, view, version=version)
            if timeline.is_news(view, printed=printed):
                self._tell(view, version=version)
                printed = view
            if until(view):
                break
        self._teller.what_was_cut(self._name, printed)
        self._teller.ends(self._name)
        return self.model.latest

    def pods_until_none_is_left(self, *, version: str, least_seconds: float) -> Waits[set[str]]:
        """All pods of a version that there were until the last one was gone: that hurts nobody."""
        began = self.now()
        seen: set[str] = set()
        self._teller.waits(self._name, f"the pods of {version} drain and go")
        while (waited := self.now() - began) < _SCALE_DOWN_LIMIT_SECONDS:
            pods = self.model.pods(version=version)
            if not pods and waited >= least_seconds:
                break
            seen.update(pods)
            yield _LOOK_SECONDS
        self._teller.ends(self._name)
        return seen

    def end(self) -> None:
        """Keep what was seen, and say what the act came to."""
        recording = self.recording
        self.has_ended = True
        recording.views, recording.weighed = self.model.views, self.model.weighed
        if self.model.has_users:
            recording.users = self.users()
        self._teller.ends(self._name)
        kept, made = recording.kept, len(recording.promises)
        self._teller.did(
            self._name, f"the act is over: {kept} of {made} promises kept", at=self.now()
        )

    def _users_come(self) -> Waits[None]:
        rate = f"{self._of.requests_per_second:g} requests per second"
        self._teller.did(self._name, f"users come: {rate}", at=self.now())
        self.model.start_users()
        yield from self._wait(
            lambda: self.model.has_users,
            why="the users start",
            limit_seconds=_USERS_LIMIT_SECONDS,
        )

    def _evidence(self, version: str) -> Waits[Promise]:
        """Until the operator has seen that a candidate could be judged, and say so."""
        began = self.now()
        yield from self._wait(
            self._evidence_ready,
            why=f"the operator looks for the series of {version}",
            limit_seconds=_EVIDENCE_LIMIT_SECONDS,
        )
        view = self.model.latest
        if view is not None:
            self._teller.evidence(self._name, view)
        return promises.evidence_in_reach(view, seconds=self.now() - began)

    def _evidence_ready(self) -> bool:
        return (view := self.model.latest) is not None and view.evidence_ready

    def _wait(
        self, condition: Callable[[], bool], *, why: str, limit_seconds: float
    ) -> Waits[None]:
        until = self.now() + limit_seconds
        self._teller.waits(self._name, why)
        while self.now() < until and not condition():
            yield _LOOK_SECONDS
        self._teller.ends(self._name)

    def _do(self, what: str, why: str) -> None:
        self.recording.changes.append(Change(at=self.now(), title=what))
        self._teller.did(self._name, f"> {what}: {why}", at=self.now())

    def _tell(self, view: View, *, version: str) -> None:
        self._teller.look(
            self._name,
            view,
            version=version,
            sums=self._recent_sums(view),
            weighed=self._newest_evidence(view, version=version),
        )

    def _newest_evidence(self, view: View, *, version: str) -> Weighed | None:
        """What was proven of a candidate, or of one that was rejected for it."""
        if view.candidate != version and version not in view.rejected:
            return None
        return weighing.newest(self.model.weighed, version=version, at=view.at)

    def _recent_sums(self, view: View) -> dict[str, Sums]:
        """What users saw lately, but not before the weight was what it is now."""
        if not self.has_opened:
            return {}  # no users yet
        start = max(self._weight_since(view) + 1.0, view.at - _WINDOW_SECONDS)
        return self.model.users(since=start).between(start, view.at)

    def _weight_since(self, view: View) -> float:
        """When the weight became what it is."""
        since = view.at
        for earlier in reversed(self.model.views):
            if earlier.intended_percent != view.intended_percent:
                break
            since = earlier.at
        return since


def served(version: str) -> Callable[[View], bool]:
    """At rest on this version."""
    return lambda view: view.phase == "Healthy" and view.stable == version


def rejected(version: str) -> Callable[[View], bool]:
    """This version and not only one before it, of which the last look may still tell."""
    return lambda view: view.phase == "RolledBack" and version in view.rejected
