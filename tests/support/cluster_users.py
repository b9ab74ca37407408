"""Users of a model: a pod that sends at a fixed rate during the whole test and counts all answers."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cluster_contour
from cluster_client import Client, Object, path_of
from cluster_scene import Model, mount, restricted_container, restricted_pod
from cluster_tidegate import TESTKIT_IMAGE
from tests.demo.users import Sums, Users, read_users

from tidegate import ports

LONGEST_SECONDS = 900
START_SECONDS = 180.0
# Longer than any answer takes on a busy machine, proxies included: only what fails shall fail.
ANSWER_SECONDS = 60.0
CALM_SECONDS = 3  # in a row: by then no share of the users is answered by somebody else
REQUESTS_PER_SECOND = 50.0
PORT = 8080
ROWS_FOLDER = "/rows"
BY_NOBODY = "unknown"  # what the load generator calls the version where no answer names one


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A running load generator. Nothing is lost of its books: it keeps an hour of seconds."""

    client: Client
    namespace: str
    name: str

    def books(self, *, since: float = 0.0) -> Users:
        """Every request up to now, and the seconds from `since` on."""
        pod = f"{self.name}:{PORT}"
        path = path_of(ports.POD, namespace=self.namespace, name=pod, below="proxy/stats")
        return read_users(json.loads(self.client.text(path, since=str(since))))

    def wait_for(
        self, look: Callable[[Users], bool], *, seconds: float, what: str, since: float = 0.0
    ) -> Users:
        """The books once `look` says yes to those of the seconds from `since` on."""
        deadline = time.monotonic() + seconds
        while not look(books := self.books(since=since)):
            assert time.monotonic() < deadline, f"{what}: {told(books)}"
            time.sleep(0.5)
        return self.books() if since else books

    def stop(self) -> None:
        """Send no more; the books are gone with it."""
        self.client.delete(ports.POD, namespace=self.namespace, name=self.name, at_once=True)

    def wait_until_only(self, version: str, *, since: float) -> float:
        """Unix seconds at or after `since` from which on this version alone answered for a while.

        Gateways accept a route before all of their proxies have it, later still on a busy machine.
        """
        return self._wait_until_calm(
            lambda answers: answers.keys() == {version}, since=since, what=f"only {version} answers"
        )

    def wait_until_well(self, *versions: str, since: float) -> float:
        """Unix seconds from which on all of these versions answered for a while, and none failed."""
        return self._wait_until_calm(
            lambda answers: (
                answers.keys() == set(versions) and not any(it.failed for it in answers.values())
            ),
            since=since,
            what=f"{', '.join(versions)} answer without failing",
        )

    def _wait_until_calm(
        self, fits: Callable[[Mapping[str, Sums]], bool], *, since: float, what: str
    ) -> float:
        found: list[float] = []

        def calm(books: Users) -> bool:
            found[:] = _calm_seconds(books, fits, since=since)
            return bool(found)

        self.wait_for(calm, seconds=180, since=since, what=what)
        return found[0]

    def wait_for_more(self, seconds: float, *, since: float) -> Users:
        """The books once they hold so many seconds after this one."""
        return self.wait_for(
            lambda books: bool(books.seconds) and books.seconds[-1].at > since + seconds,
            seconds=90,
            since=since,
            what="load",
        )


def _calm_seconds(
    books: Users, fits: Callable[[Mapping[str, Sums]], bool], *, since: float
) -> list[float]:
    """When enough whole seconds in a row began, in each of which the answers by version fit."""
    # Answers to the newest requests may be on their way.
    whole = [one for one in books.seconds if since <= one.at < books.seconds[-1].at - 2]
    return [
        float(whole[at].at)
        for at in range(len(whole) - CALM_SECONDS + 1)
        if all(fits(one.versions) for one in whole[at : at + CALM_SECONDS])
    ]


def serve_first(model: Model) -> Load:
    """Version 1 serves, and users are there."""
    model.apply("1")
    model.wait_for_phase("Healthy", seconds=120)
    return start_load(model)


def start_load(
    model: Model,
    *,
    name: str = "users",
    requests_per_second: float = REQUESTS_PER_SECOND,
    rows: str = "",
    header: str = "",
    truths: bool = False,
    grpc: bool = False,
    seconds: int = LONGEST_SECONDS,
) -> Load:
    """A pod that sends to this model; returns once the first request was answered.

    Behind a Service alone it opens a connection per request, because Services balance those. `rows`
    names a ConfigMap whose `rows.json` is sent; without it users ask for nothing in particular.
    `header` is one that all requests have, `NAME: VALUE`. With `truths` they also say the label of
    their row, which the model's server counts later. With `grpc` they call a method instead.
    """
    scene = model.scene
    proxy = _address(model)
    url = proxy or f"http://{model.name}.{scene.namespace}"
    arguments = ["-m", "testkit.loadgen", "--url", f"{url}/predict"]
    arguments += ["--host", model.host] if proxy else ["--fresh-connections"]
    arguments += ["--requests-per-second", f"{requests_per_second:g}"]
    arguments += ["--duration-seconds", str(seconds)]
    arguments += ["--timeout-seconds", f"{ANSWER_SECONDS:g}"]
    # Nobody is turned away, however long a busy machine takes to answer.
    arguments += ["--concurrency", "1000"]
    arguments += ["--rows", f"{ROWS_FOLDER}/rows.json"] if rows else []
    arguments += ["--header", header] if header else []
    arguments += ["--truths"] if truths else []
    arguments += ["--grpc"] if grpc else []
    load = Load(client=scene.client, namespace=scene.namespace, name=f"{name}-of-{model.name}")
    pod = _pod(load, arguments=arguments)
    if rows:
        mount(pod["spec"], config_map=rows, folder=ROWS_FOLDER)
    scene.client.apply(ports.POD, pod)
    wait_for_pod(scene.client, namespace=load.namespace, name=load.name)
    load.wait_for(lambda books: books.answered > 0, seconds=START_SECONDS, what="no answer at all")
    return load


def _address(model: Model) -> str:
    """Where the proxy of this model's data plane listens; empty where there is none."""
    proxies = {"GatewayAPI": model.scene.gateway.url, "Contour": cluster_contour.ADDRESS}
    return proxies.get(model.options["traffic"]["provider"], "")


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


def wait_for_pod(client: Client, *, namespace: str, name: str) -> None:
    """Until a pod of the test's own is ready."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        pod = client.get(ports.POD, namespace=namespace, name=name) or {}
        conditions = pod.get("status", {}).get("conditions", ())
        if any(it["type"] == "Ready" and it["status"] == "True" for it in conditions):
            return
        assert time.monotonic() < deadline, f"{name} does not start: {pod['status']}"
        time.sleep(0.2)


def allowed_deviation_percent(*, share_percent: float, requests: int) -> float:
    """Four standard deviations of a share measured over this many requests."""
    share = share_percent / 100
    return 400 * math.sqrt(share * (1 - share) / requests)


def told(books: Users) -> str:
    """The books in one line for a failing test."""
    sums = {name: (book.answered, book.failed) for name, book in books.totals().items()}
    by_nobody = [one for one in books.failures if one.version == BY_NOBODY]
    return (
        f"sent {books.sent}, answered {books.answered}, failed {books.failed}, skipped "
        f"{books.skipped}; answered and failed by version: {sums}; newest: {books.failures[-3:]}; "
        f"of those that no version answered: {by_nobody[-3:]}"
    )
