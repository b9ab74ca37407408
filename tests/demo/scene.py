"""Where the story is played: what it does to a cluster and sees of it."""

from __future__ import annotations

from typing import Protocol

from tests.demo.manifests import Model
from tests.demo.users import Users
from tests.demo.view import View
from tests.demo.weighing import Weighed


class ModelScene(Protocol):
    """One ModelDeployment with its pods and users. Units: all times in unix seconds."""

    @property
    def latest(self) -> View | None:
        """The newest look at the ModelDeployment, if there was one."""

    @property
    def views(self) -> tuple[View, ...]:
        """All looks so far."""

    @property
    def weighed(self) -> tuple[Weighed, ...]:
        """All judgements so far, oldest first."""

    def apply(self, version: str) -> None:
        """Apply the ModelDeployment of the examples with this version."""

    def ask(self, request: str, *, revision: str) -> None:
        """Ask for something while this revision is rolled out, as the command line does."""

    def start_users(self) -> None:
        """From soon on users send requests."""

    @property
    def has_users(self) -> bool:
        """Whether they send requests."""

    def users(self, *, since: float = 0.0) -> Users:
        """The books of the users."""

    def pods(self, *, version: str) -> list[str]:
        """Names of the model pods of a version that exist now."""


class Scene(Protocol):
    """Tidegate at work, with a clock beside it. Units: all times in unix seconds."""

    @property
    def real(self) -> bool:
        """Whether users send real requests to a real model, in real time."""

    def now(self) -> float:
        """What the clock says."""

    def sleep(self, seconds: float) -> None:
        """Let this much time pass."""

    def of(self, model: Model) -> ModelScene:
        """What is done to this model, and seen of it."""
