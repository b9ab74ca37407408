"""A real Prometheus, or what speaks its API, on loopback; it scrapes model servers made here.

The model servers are prometheus-client registries. A module of tests that has `STORES` is run
before each of them instead of Prometheus.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import prometheus_client
import pytest
import yaml
from evidence_build import CANDIDATE, STABLE
from metric_source import pod_name
from tests.cluster import gobuild
from tests.cluster.ports import free_port
from tests.cluster.progress import Progress

NAMES = tuple(f"iris-{index}" for index in range(16))
PODS = ((CANDIDATE, "a"), (CANDIDATE, "b"), (STABLE, "a"))
GATEWAY = "/gateway"
ROOT = Path(__file__).parents[3]
SCRAPE_SECONDS = 1.0
DEADLINE_SECONDS = 120.0  # a net for a busy machine: nothing takes so long


class Pod:
    """The metrics of one pod: a registry in the style of MLServer and of a generic server."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        rest = ["method", "path", "status_code"]
        edges = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
        self._rest = prometheus_client.Counter(
            "rest_server_requests", "Requests.", rest, registry=self.registry
        )
        self._rest_seconds = prometheus_client.Histogram(
            "rest_server_request_duration_seconds",
            "Duration.",
            rest,
            buckets=edges,
            registry=self.registry,
        )
        self._http = prometheus_client.Counter(
            "http_requests", "Requests.", ["path", "code"], registry=self.registry
        )
        self._http_seconds = prometheus_client.Histogram(
            "http_request_duration_seconds",
            "Duration.",
            ["path", "code"],
            buckets=edges,
            registry=self.registry,
        )

        self._odd = prometheus_client.Counter(
            "odd", "Odd labels.", ["text"], registry=self.registry
        )
        self.queue = prometheus_client.Gauge("queue", "Waiting.", registry=self.registry)

    def speak(self, *texts: str) -> None:
        """Count one event under each of these label values."""
        for text in texts:
            self._odd.labels(text).inc()

    def serve(self, requests: int, *, code: int = 200, seconds: float = 0.02) -> None:
        """Answer that many inference requests, and as many probes."""
        for path in ("/v2/models/iris/infer", "/v2/health/ready"):
            rest = ("POST", path, str(code))
            self._rest.labels(*rest).inc(requests)
            self._http.labels(path, str(code)).inc(requests)
            for _ in range(requests):
                self._rest_seconds.labels(*rest).observe(seconds)
                self._http_seconds.labels(path, str(code)).observe(seconds)

    def exposition(self) -> bytes:
        return prometheus_client.generate_latest(self.registry)


class Recorded:
    """A pod that exports what another server once did."""

    def __init__(self, text: str) -> None:
        self._text = text

    def exposition(self) -> bytes:
        return self._text.encode()


class Exporter(ThreadingHTTPServer):
    """Speaks for all pods; one that was not started is a target that is down."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pods: dict[str, Pod | Recorded] = {}

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Exporter

    def do_GET(self) -> None:
        pod = self.server.pods.get(self.path)
        self.send_response(200 if pod else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        if pod:
            self.wfile.write(pod.exposition())

    def log_message(self, *args: object) -> None:
        pass


# How a server is started: its configuration, its data, where it listens.
_ARGUMENTS = {
    "prometheus": ("--config.file={}", "--storage.tsdb.path={}", "--web.listen-address={}"),
    "victoria-metrics": ("-promscrape.config={}", "-storageDataPath={}", "-httpListenAddr={}"),
}
# Not a part of any cluster, so its version stands here and not among those of the cluster: the name
# keeps binaries of several versions apart.
VICTORIA_METRICS = "v1.150.0"
_PROGRAMS = {
    "prometheus": gobuild.PROMETHEUS,
    "victoria-metrics": gobuild.GoProgram(
        name=f"victoria-metrics-{VICTORIA_METRICS}",
        module="github.com/VictoriaMetrics/VictoriaMetrics",
        version=VICTORIA_METRICS,
        package="github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics",
        seconds=75,
    ),
}


class Prometheus:
    """The process, and queries by other means than the adapter under test."""

    def __init__(self, command: list[str], *, url: str, log: Path, exporter: Exporter) -> None:
        self.exporter = exporter
        self.url = url
        self._log = log
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def query(self, promql: str, *, at: float | None = None) -> list[dict[str, Any]]:
        """The answer as of now, or of then: two queries of now may see different scrapes."""
        # VictoriaMetrics would answer as of half a minute ago.
        asked = {"query": promql, "nocache": "1", **({} if at is None else {"time": f"{at}"})}
        url = f"{self.url}/api/v1/query?{urlencode(asked)}"
        with urllib.request.urlopen(url, timeout=DEADLINE_SECONDS) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found

    def scrapes(self) -> bool:
        said = self._log.read_text()[-2000:]
        assert self.process.poll() is None, f"Prometheus ended by itself: {said}"
        try:
            return bool(self.query("up"))
        except OSError:  # it does not listen yet
            return False

    def replay(self, path: str, text: str) -> None:
        """The target with this metrics path exports this from now on."""
        self.exporter.pods[path] = Recorded(text)

    def scraped(self, matchers: str, *, targets: int = 1) -> float:
        """Wait until a scrape that began after now has reached the targets; its latest time.

        So many have answered in time, which not all do on a busy machine, nor those that are down.
        """
        since = time.time()
        times: list[float] = []

        def reached() -> bool:
            up = f"up{{{matchers}}}"
            found = self.query(f"timestamp({up}) and {up} == 1")
            times[:] = [at for at in (float(it["value"][1]) for it in found) if at > since]
            return len(times) == targets

        wait_for(reached, what="a scrape of every target")
        return max(times)

    def seen(self, promql: str) -> None:
        """Wait until a query has an answer."""
        wait_for(lambda: bool(self.query(promql)), what=f"an answer to {promql}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=DEADLINE_SECONDS)


class Deployment:
    """The pods of one ModelDeployment; each test has its own."""

    def __init__(self, name: str, *, prometheus: Prometheus) -> None:
        self.name = name
        self.prometheus = prometheus

    def start(self, revision: str, pod: str = "a") -> Pod:
        """Start a pod, or restart it with its counters at zero."""
        started = Pod()
        self.prometheus.exporter.pods[f"/{self.name}/{revision}/{pod}"] = started
        return started

    def scraped(self) -> float:
        """Wait until a scrape that began after now has reached every pod; its latest time."""
        pods = self.prometheus.exporter.pods
        started = sum(f"/{self.name}/{revision}/{pod}" in pods for revision, pod in PODS)
        return self.prometheus.scraped(f'model_deployment="{self.name}"', targets=started)


def wait_for(holds: Callable[[], bool], *, what: str) -> None:
    """Poll until it holds; a world of real processes has no other clock."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what} took longer than {DEADLINE_SECONDS} s"
        time.sleep(0.05)


def _config(exporter: str) -> dict[str, Any]:
    """All targets from the beginning, since Prometheus takes seconds to find new ones."""
    targets = [
        {
            "targets": [exporter],
            "labels": {
                "__metrics_path__": f"/{name}/{revision}/{pod}",
                "namespace": "ml",
                "model_deployment": name,
                "revision": revision,
                "pod": pod_name(name, revision, pod),
            },
        }
        for name in NAMES
        for revision, pod in PODS
    ]
    return every_second(
        {"job_name": "pods", "static_configs": targets},
        {
            "job_name": "gateway",
            "metrics_path": GATEWAY,
            "static_configs": [{"targets": [exporter]}],
            **yaml.safe_load((ROOT / "examples/prometheus/envoy-clusters.yaml").read_text()),
        },
    )


def every_second(*jobs: dict[str, Any]) -> dict[str, Any]:
    """A configuration that scrapes every second."""
    interval = {"scrape_interval": f"{SCRAPE_SECONDS:g}s", "scrape_timeout": "1s"}
    return {"global": interval, "scrape_configs": list(jobs)}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a module before each of its stores."""
    if "store" in metafunc.fixturenames:
        stores = getattr(metafunc.module, "STORES", ("prometheus",))
        metafunc.parametrize("store", stores, scope="module")


@pytest.fixture(scope="module")
def program(store: str) -> str:
    """The pinned server, with its arguments still to be filled in."""
    if gobuild.go_version() is None:
        reason = f"no {store}: install Go, with which the pinned one is built"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return str(gobuild.ensure_program(_PROGRAMS[store], Progress()))


@contextmanager
def running(
    program: str, *, store: str, folder: Path, config: Callable[[str], dict[str, Any]]
) -> Iterator[Prometheus]:
    """A server with the configuration for an exporter at this address."""
    exporter = Exporter()
    thread = threading.Thread(target=exporter.serve_forever)
    thread.start()
    file = folder / "prometheus.json"  # JSON is YAML
    file.write_text(json.dumps(config(exporter.address)))
    address = f"127.0.0.1:{free_port()}"
    values = (file, folder / "data", address)
    arguments = [one.format(it) for one, it in zip(_ARGUMENTS[store], values, strict=True)]
    started = Prometheus(
        [program, *arguments], url=f"http://{address}", log=folder / "log", exporter=exporter
    )
    try:
        wait_for(started.scrapes, what="the start of Prometheus")
        yield started
    finally:
        started.stop()
        exporter.shutdown()
        thread.join()
        exporter.server_close()


@pytest.fixture(scope="module")
def prometheus(
    program: str, store: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A server that scrapes every second."""
    folder = tmp_path_factory.mktemp(store)
    with running(program, store=store, folder=folder, config=_config) as started:
        yield started


@pytest.fixture(scope="module")
def start(
    program: str, store: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[Prometheus]]:
    """Starts a Prometheus with jobs of the test's own, made from the exporter's address."""

    def started(
        jobs: Callable[[str], list[dict[str, Any]]],
    ) -> AbstractContextManager[Prometheus]:
        return running(
            program,
            store=store,
            folder=tmp_path_factory.mktemp("prometheus"),
            config=lambda address: every_second(*jobs(address)),
        )

    return started


@pytest.fixture(scope="module")
def names() -> Iterator[str]:
    """Names that no test has used."""
    return iter(NAMES)


@pytest.fixture
def deployment(prometheus: Prometheus, names: Iterator[str]) -> Deployment:
    """A ModelDeployment of its own, without pods yet."""
    return Deployment(next(names), prometheus=prometheus)


@pytest.fixture(scope="module")
def deployments(prometheus: Prometheus) -> list[Deployment]:
    """Three ModelDeployments, of which one's name begins like another's; not for use with `names`."""
    return [Deployment(name, prometheus=prometheus) for name in ("iris-1", "iris-2", "iris-12")]
