"""Looking at the cluster while the story goes on: one thread, no clocks in the other modules."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, Self

from tests.cluster.api import Cluster
from tests.demo import users, view, weighing

NAMESPACE = "tidegate-demo"
MODEL_DEPLOYMENTS = f"/apis/tidegate.dev/v1alpha1/namespaces/{NAMESPACE}/modeldeployments"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
OPERATOR_NAMESPACE = "tidegate-system"
OPERATORS = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods"

LOOK_SECONDS = 0.5
_LOG_LOOKS = 4  # the log is longer than a status and read once in so many looks
_OVERLAP_SECONDS = 3.0  # of two reads of the log: clocks differ, and reading takes a moment
_ATTEMPTS = 4
_REQUEST_TIMEOUT_SECONDS = 10.0


class Reader:
    """GETs through one long-lived `kubectl proxy`: a look costs a millisecond, not a process."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str) -> Any:
        """The decoded body; asked again when the cluster is busy.

        Errors: OSError when there is no answer or it is no 200.
        """
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(OSError):
                return self._get(path)
            time.sleep(LOOK_SECONDS)
        return self._get(path)

    def _get(self, path: str) -> Any:
        url = f"{self._base_url}{path}"
        with self._opener.open(url, timeout=_REQUEST_TIMEOUT_SECONDS) as answer:
            return json.load(answer)

    def log(self, *, seconds: float) -> list[str]:
        """What all copies of the operator logged in the last seconds, line by line."""
        lines: list[str] = []
        for pod in self.get(OPERATORS)["items"]:
            since = f"sinceSeconds={math.ceil(seconds)}"
            url = f"{self._base_url}{OPERATORS}/{pod['metadata']['name']}/log?{since}"
            with self._opener.open(url, timeout=_REQUEST_TIMEOUT_SECONDS) as answer:
                lines += answer.read().decode(errors="replace").splitlines()
        return lines

    def look(self) -> dict[str, view.View]:
        """All ModelDeployments of the demo now, by name."""
        items, at = self.get(MODEL_DEPLOYMENTS)["items"], time.time()
        return {it["metadata"]["name"]: view.read_view(it, at=at) for it in items}

    def users(self, pod: str, *, since: float = 0.0) -> users.Users:
        """The books of a load generator; its clock is taken as ours."""
        return users.read_users(self.get(f"{PODS}/{pod}:8080/proxy/stats?since={since:.0f}"))

    def is_ready(self, pod: str) -> bool:
        """Whether a pod exists and says that it is ready."""
        [*found] = self.get(f"{PODS}?fieldSelector=metadata.name={pod}")["items"]
        conditions = [it for pod in found for it in pod["status"].get("conditions", ())]
        return any(it["type"] == "Ready" and it["status"] == "True" for it in conditions)

    def pods(self, model: str, *, version: str) -> list[str]:
        """Names of a model's pods of a version that exist now."""
        items = self.get(f"{PODS}?labelSelector=tidegate.dev/model-deployment={model}")["items"]
        return [pod["metadata"]["name"] for pod in items if _version(pod) == version]


@contextlib.contextmanager
def reader(cluster: Cluster) -> Iterator[Reader]:
    """A reader for the time of the block."""
    command = [str(cluster.kubectl_bin), "--kubeconfig", str(cluster.kubeconfig)]
    process = subprocess.Popen(
        [*command, "proxy", "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        # Its one line ends with the address that it listens on.
        address = process.stdout.readline().split()[-1]
        yield Reader(f"http://{address}")
    finally:
        process.terminate()
        process.wait(timeout=10)


class Watch:
    """Looks at all ModelDeployments twice a second and keeps every look."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._views: dict[str, list[view.View]] = {}
        self._journal = weighing.Journal()
        self._logged_until = time.time()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=15)

    def views(self, model: str) -> tuple[view.View, ...]:
        """All looks at a model so far."""
        with self._lock:
            return tuple(self._views.get(model, ()))

    def weighed(self, model: str) -> tuple[weighing.Weighed, ...]:
        """All judgements of a model so far, oldest first."""
        versions = weighing.versions_of(self.views(model))
        with self._lock:
            return self._journal.of(model, versions=versions)

    def _run(self) -> None:
        looks = 0
        while not self._stop.wait(LOOK_SECONDS):
            # A missed look is no news: the API server may be busy, or nothing is applied yet.
            with contextlib.suppress(OSError, ValueError):
                seen = self._source.look()
                with self._lock:
                    for model, one in seen.items():
                        self._views.setdefault(model, []).append(one)
                looks += 1
                if looks % _LOG_LOOKS == 0:
                    self._read_log()

    def _read_log(self) -> None:
        now = time.time()
        lines = self._source.log(seconds=now - self._logged_until + _OVERLAP_SECONDS)
        self._logged_until = now
        with self._lock:
            self._journal.take(lines)


def _version(pod: dict[str, Any]) -> str:
    """The model version of a pod, as the operator tells it to the containers."""
    variables = pod["spec"]["containers"][0].get("env", [])
    named = (item for item in variables if item["name"] == "TIDEGATE_MODEL_VERSION")
    return next((str(item.get("value", "")) for item in named), "")
