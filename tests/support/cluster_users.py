"""Users of a model: a pod that sends at a fixed rate during the whole test and counts all answers."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from cluster_client import Client, Object, path_of
from cluster_scene import Model, restricted_container, restricted_pod
from cluster_tidegate import TESTKIT_IMAGE
from tests.demo.users import Users, read_users

from tidegate import ports

LONGEST_SECONDS = 600
START_SECONDS = 120.0
PORT = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A running load generator. Nothing is lost of its books: it keeps an hour of seconds."""

    client: Client
    namespace: str
    name: str

    def books(self) -> Users:
        """Every request up to now."""
        pod = f"{self.name}:{PORT}"
        path = path_of(ports.POD, namespace=self.namespace, name=pod, below="proxy/stats")
        return read_users(json.loads(self.client.text(path)))

    def wait_for(self, look: Callable[[Users], bool], *, seconds: float, what: str) -> Users:
        """The books once `look` says yes."""
        deadline = time.monotonic() + seconds
        while not look(books := self.books()):
            assert time.monotonic() < deadline, f"{what}: {told(books)}"
            time.sleep(0.5)
        return books


def serve_first(model: Model) -> Load:
    """Version 1 serves, and users are there."""
    model.apply("1")
    model.wait_for_phase("Healthy", seconds=60)
    return start_load(model)


def start_load(model: Model, *, requests_per_second: float = 50.0) -> Load:
    """A pod that sends to this model; returns once the first request was answered.

    Behind a Service alone it opens a connection per request, because Services balance those.
    """
    scene = model.scene
    through_gateway = model.options["traffic"]["provider"] == "GatewayAPI"
    url = scene.gateway.url if through_gateway else f"http://{model.name}.{scene.namespace}"
    arguments = ["-m", "testkit.loadgen", "--url", f"{url}/predict"]
    arguments += ["--host", model.host] if through_gateway else ["--fresh-connections"]
    arguments += ["--requests-per-second", f"{requests_per_second:g}"]
    arguments += ["--duration-seconds", str(LONGEST_SECONDS)]
    # Nobody is turned away, however long a busy machine takes to answer.
    arguments += ["--concurrency", "1000"]
    load = Load(client=scene.client, namespace=scene.namespace, name=f"users-of-{model.name}")
    scene.client.apply(ports.POD, _pod(load, arguments=arguments))
    _wait_ready(load)
    load.wait_for(lambda books: books.answered > 0, seconds=START_SECONDS, what="no answer at all")
    return load


def _pod(load: Load, *, arguments: list[str]) -> Object:
    container = {
        **restricted_container(),
        "name": "loadgen",
        "image": TESTKIT_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1},
    }
    return {
        "metadata": {"name": load.name, "namespace": load.namespace},
        "spec": {
            **restricted_pod(),
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
        },
    }


def _wait_ready(load: Load) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        pod = load.client.get(ports.POD, namespace=load.namespace, name=load.name) or {}
        conditions = pod.get("status", {}).get("conditions", ())
        if any(it["type"] == "Ready" and it["status"] == "True" for it in conditions):
            return
        assert time.monotonic() < deadline, f"the load generator does not start: {pod['status']}"
        time.sleep(0.2)


def allowed_deviation_percent(*, share_percent: float, requests: int) -> float:
    """Four standard deviations of a share measured over this many requests."""
    share = share_percent / 100
    return 400 * math.sqrt(share * (1 - share) / requests)


def told(books: Users) -> str:
    """The books in one line for a failing test."""
    sums = {name: (book.answered, book.failed) for name, book in books.totals().items()}
    return (
        f"sent {books.sent}, answered {books.answered}, failed {books.failed}, skipped "
        f"{books.skipped}; answered and failed by version: {sums}; newest: {books.failures[-3:]}"
    )
