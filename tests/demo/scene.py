"""Where the story is played: what it does to a cluster and sees of it."""

from __future__ import annotations

from typing import Protocol

from tests.demo.users import Users
from tests.demo.view import View
from tests.demo.weighing import Weighed


class Scene(Protocol):
    """Tidegate at work, with a clock beside it. Units: all times in unix seconds."""

    @property
    def real(self) -> bool:
        """Whether users send real requests to a real model, in real time."""

    @property
    def latest(self) -> View | None:
        """The newest look at the ModelDeployment, if there was one."""

    @property
    def views(self) -> tuple[View, ...]:
        """All looks so far."""

    @property
    def weighed(self) -> tuple[Weighed, ...]:
        """All judgements so far, oldest first."""

    def now(self) -> float:
        """What the clock says."""

    def sleep(self, seconds: float) -> None:
        """Let this much time pass."""

    def apply(self, version: str) -> None:
        """Apply the ModelDeployment of the examples with this version."""

    def start_users(self) -> None:
        """From now on users send requests."""

    def users(self, *, since: float = 0.0) -> Users:
        """The books of the users."""

    def pods(self, *, version: str) -> list[str]:
        """Names of the model pods of a version that exist now."""
