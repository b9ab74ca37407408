"""Looking at the cluster while the story goes on: one thread, no clocks in the other modules."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, Self

from tests.cluster.api import Cluster
from tests.demo import users, view, weighing

NAMESPACE = "tidegate-demo"
NAME = "digits"
MODEL_DEPLOYMENT = f"/apis/tidegate.dev/v1alpha1/namespaces/{NAMESPACE}/modeldeployments/{NAME}"
STATS = f"/api/v1/namespaces/{NAMESPACE}/pods/traffic:8080/proxy/stats"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
OPERATOR_NAMESPACE = "tidegate-system"
OPERATORS = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods"

LOOK_SECONDS = 0.5
_LOG_LOOKS = 4  # the log is longer than a status and read once in so many looks
_LOG_SECONDS = 240  # longer than any rollout of the demo
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

    def log(self) -> list[str]:
        """What all copies of the operator logged lately, line by line."""
        lines: list[str] = []
        for pod in self.get(OPERATORS)["items"]:
            path = f"{OPERATORS}/{pod['metadata']['name']}/log?sinceSeconds={_LOG_SECONDS}"
            url = f"{self._base_url}{path}"
            with self._opener.open(url, timeout=_REQUEST_TIMEOUT_SECONDS) as answer:
                lines += answer.read().decode(errors="replace").splitlines()
        return lines

    def look(self) -> view.View:
        """The ModelDeployment now."""
        return view.read_view(self.get(MODEL_DEPLOYMENT), at=time.time())

    def users(self, *, since: float = 0.0) -> users.Users:
        """The books of the load generator; its clock is taken as ours."""
        return users.read_users(self.get(f"{STATS}?since={since:.0f}"))

    def pods(self, *, version: str) -> list[str]:
        """Names of the model pods of a version that exist now."""
        items = self.get(f"{PODS}?labelSelector=tidegate.dev/model-deployment={NAME}")["items"]
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
    """Looks at the ModelDeployment twice a second and keeps every look that says something new."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._views: list[view.View] = []
        self._weighed: dict[tuple[str, float], weighing.Weighed] = {}
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=15)

    @property
    def latest(self) -> view.View | None:
        """The newest look, if there was one."""
        with self._lock:
            return self._views[-1] if self._views else None

    @property
    def views(self) -> tuple[view.View, ...]:
        """All looks so far."""
        with self._lock:
            return tuple(self._views)

    @property
    def weighed(self) -> tuple[weighing.Weighed, ...]:
        """All judgements so far, oldest first."""
        with self._lock:
            return tuple(sorted(self._weighed.values(), key=lambda one: one.at))

    def _run(self) -> None:
        looks = 0
        while not self._stop.wait(LOOK_SECONDS):
            # A missed look is no news: the API server may be busy, or nothing is applied yet.
            with contextlib.suppress(OSError, ValueError):
                seen = self._source.look()
                with self._lock:
                    self._views.append(seen)
                looks += 1
                if looks % _LOG_LOOKS == 0:
                    self._weigh()

    def _weigh(self) -> None:
        versions = {it.candidate_revision: it.candidate for it in self.views if it.candidate}
        found = weighing.read(self._source.log(), versions=versions)
        with self._lock:
            self._weighed |= {(one.version, one.at): one for one in found if one.version}


def _version(pod: dict[str, Any]) -> str:
    """The model version of a pod, as the operator tells it to the containers."""
    variables = pod["spec"]["containers"][0].get("env", [])
    named = (item for item in variables if item["name"] == "TIDEGATE_MODEL_VERSION")
    return next((str(item.get("value", "")) for item in named), "")
