"""Where the story is played: what it does to a cluster and sees of it."""

from __future__ import annotations

import time
from typing import Protocol

from tests.cluster.api import Cluster
from tests.cluster.progress import Progress
from tests.demo import stage
from tests.demo.users import Users
from tests.demo.view import View
from tests.demo.watching import Reader, Watch
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


class OnCluster:
    """The scene of `make demo`."""

    real = True

    def __init__(
        self, cluster: Cluster, *, source: Reader, watch: Watch, progress: Progress
    ) -> None:
        self._cluster = cluster
        self._watch = watch
        self._progress = progress
        self.users = source.users
        self.pods = source.pods

    @property
    def latest(self) -> View | None:
        return self._watch.latest

    @property
    def views(self) -> tuple[View, ...]:
        return self._watch.views

    @property
    def weighed(self) -> tuple[Weighed, ...]:
        return self._watch.weighed

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def apply(self, version: str) -> None:
        stage.apply_version(self._cluster, version)

    def start_users(self) -> None:
        stage.start_users(self._cluster, progress=self._progress)
