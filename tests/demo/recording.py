"""What was recorded of a run: everything the summary and the report are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.demo.promises import Promise
from tests.demo.users import Users
from tests.demo.view import View
from tests.demo.weighing import Weighed


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that was done to a model. Units: `at` in unix seconds."""

    at: float
    title: str


@dataclass(slots=True, kw_only=True)
class ActRecording:
    """One act. Units: `began` in unix seconds, the same for all acts of a run."""

    name: str
    began: float
    changes: list[Change] = field(default_factory=list)
    views: tuple[View, ...] = ()
    users: Users = field(default_factory=Users)
    weighed: tuple[Weighed, ...] = ()
    promises: list[Promise] = field(default_factory=list)

    @property
    def kept(self) -> int:
        """How many promises were kept."""
        return sum(promise.kept for promise in self.promises)


@dataclass(slots=True, kw_only=True)
class Recording:
    """All acts of a run. Units: `began` in unix seconds."""

    began: float
    acts: list[ActRecording] = field(default_factory=list)

    @property
    def promises(self) -> list[Promise]:
        """Of all acts, in their order."""
        return [promise for act in self.acts for promise in act.promises]
