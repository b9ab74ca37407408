"""The scene of `make demo`: a cluster that `stage` has set."""

from __future__ import annotations

import time

from tests.cluster.api import Cluster
from tests.cluster.progress import Progress
from tests.demo import stage
from tests.demo.view import View
from tests.demo.watching import Reader, Watch
from tests.demo.weighing import Weighed


class OnCluster:
    """A `tests.demo.scene.Scene` of real pods and real time."""

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
