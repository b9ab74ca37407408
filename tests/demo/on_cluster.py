"""The scene of `make demo`: a cluster that `stage` has set."""

from __future__ import annotations

import time

from tests.cluster.api import Cluster
from tests.demo import asking, stage
from tests.demo.manifests import Model
from tests.demo.users import Users
from tests.demo.view import View
from tests.demo.watching import Reader, Watch
from tests.demo.weighing import Weighed


class OnCluster:
    """A `tests.demo.scene.Scene` of real pods and real time."""

    real = True

    def __init__(self, cluster: Cluster, *, source: Reader, watch: Watch) -> None:
        self._cluster = cluster
        self._source = source
        self._watch = watch

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def of(self, model: Model) -> ModelOnCluster:
        return ModelOnCluster(model, self._cluster, source=self._source, watch=self._watch)


class ModelOnCluster:
    """A `tests.demo.scene.ModelScene`."""

    def __init__(self, model: Model, cluster: Cluster, *, source: Reader, watch: Watch) -> None:
        self._model = model
        self._cluster = cluster
        self._source = source
        self._watch = watch
        self._users_are_there = False

    @property
    def latest(self) -> View | None:
        views = self.views
        return views[-1] if views else None

    @property
    def views(self) -> tuple[View, ...]:
        return self._watch.views(self._model.name)

    @property
    def weighed(self) -> tuple[Weighed, ...]:
        return self._watch.weighed(self._model.name)

    def apply(self, version: str) -> None:
        stage.apply_version(self._cluster, self._model, version=version)

    def ask(self, request: str, *, revision: str) -> None:
        asked = asking.as_annotations(request, revision=revision, at=time.time())
        stage.ask(self._cluster, self._model, asked)

    def start_users(self) -> None:
        stage.start_users(self._cluster, self._model)

    @property
    def has_users(self) -> bool:
        pod = stage.traffic_name(self._model)
        self._users_are_there = self._users_are_there or self._source.is_ready(pod)
        return self._users_are_there

    def users(self, *, since: float = 0.0) -> Users:
        return self._source.users(stage.traffic_name(self._model), since=since)

    def pods(self, *, version: str) -> list[str]:
        return self._source.pods(self._model.name, version=version)
