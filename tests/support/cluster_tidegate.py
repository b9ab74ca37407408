"""Tidegate in a namespace of its own: images, release, replicas, and what they count."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster_client import Client, Object, Refused, path_of
from tests.cluster.api import Cluster

from tidegate import ports

ROOT = Path(__file__).parents[2]
OPERATOR_IMAGE = "localhost/tidegate-e2e/tidegate:dev"
TESTKIT_IMAGE = "localhost/tidegate-e2e/testkit:dev"
HTTP_PROXY = ROOT / "tests" / "support" / "crds" / "httpproxies.projectcontour.io.yaml"
RELEASE = "tidegate"
READY_SECONDS = 420.0
WRITES = frozenset(
    {"create", "apply", "apply_status", "json_patch", "delete", "create_event", "repeat_event"}
)
# The first process of a container ignores every signal from inside, but not its CPU limit.
_DIE = "import resource; resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))"


def build_images(cluster: Cluster) -> None:
    """The operator from its own Dockerfile and the programs of the tests."""
    cluster.build_image(context=ROOT, dockerfile=ROOT / "Dockerfile", tag=OPERATOR_IMAGE)
    testkit = ROOT / "tests" / "images" / "testkit" / "Dockerfile"
    cluster.build_image(context=ROOT, dockerfile=testkit, tag=TESTKIT_IMAGE)


def install_definitions(cluster: Cluster) -> None:
    """Our CRDs; the releases of the tests come without.

    And that of Contour: an operator that asked for it in vain would restart when it appears.
    """
    crds = ("-f", str(ROOT / "crds"), "-f", str(HTTP_PROXY))
    cluster.kubectl("apply", "--server-side", "--force-conflicts", *crds)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=180s", *crds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A release of Tidegate that serves only the namespace it runs in."""

    cluster: Cluster
    client: Client
    namespace: str
    release: str

    @property
    def deployment(self) -> str:
        return f"{self.release}-tidegate"

    def pods(self) -> list[Object]:
        """The replicas that are not on their way out."""
        found = self.client.list(
            ports.POD, namespace=self.namespace, **{"app.kubernetes.io/instance": self.release}
        )
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """Name of the pod that leads; empty when nobody does."""
        lease = self.lease()
        holder = str(lease.get("spec", {}).get("holderIdentity") or "")
        names = [pod["metadata"]["name"] for pod in self.pods()]
        return next((name for name in names if holder.startswith(name)), "")

    def lease(self) -> Object:
        """The election record; empty before the first election."""
        name = f"{self.deployment}-controller"
        return self.client.get(ports.LEASE, namespace=self.namespace, name=name) or {}

    @property
    def epoch(self) -> int:
        """How often the leadership changed hands."""
        return int(self.lease()["spec"]["leaseTransitions"])

    def crash(self, *names: str) -> float:
        """End processes as a crash would, the Lease still in their name; unix seconds of the end.

        Deleting a pod is no crash, even by force: the kubelet asks the process to stop first.
        """
        for name in names:
            program = ("--", "python", "-c", _DIE)
            self.cluster.kubectl("exec", "--namespace", self.namespace, name, *program)
        return time.time()

    def wait_ready(self) -> None:
        """Wait until every replica is ready and one of them leads."""
        deadline = time.monotonic() + READY_SECONDS
        while not (self._all_ready() and self.leader()):
            if time.monotonic() > deadline:
                raise AssertionError(f"the operator is not ready\n{self.logs()}")
            time.sleep(0.2)

    def names(self) -> list[str]:
        """The names of its pods."""
        return [pod["metadata"]["name"] for pod in self.pods()]

    def restarts(self) -> int:
        """How often a container of any of its pods has begun again; who loses the Lease does."""
        statuses = [pod.get("status", {}).get("containerStatuses", []) for pod in self.pods()]
        return sum(one["restartCount"] for found in statuses for one in found)

    def _all_ready(self) -> bool:
        body = self.client.get(ports.DEPLOYMENT, namespace=self.namespace, name=self.deployment)
        assert body is not None
        return bool(body.get("status", {}).get("readyReplicas", 0) >= body["spec"]["replicas"])

    def logs(self, *, lines: int = 40) -> str:
        """The end of the log of every replica."""
        parts = []
        for pod in self.pods():
            name = pod["metadata"]["name"]
            path = path_of(ports.POD, namespace=self.namespace, name=name, below="log")
            try:
                text = self.client.text(path, tailLines=str(lines))
            except Refused as refused:
                text = str(refused)
            parts.append(f"--- {name}\n{text}")
        return "\n".join(parts)

    def metrics(self, pod: str) -> Counter[str]:
        """All series of one replica as they are written, such as `x_total{verb="get"}`."""
        name = f"{pod}:8080"
        path = path_of(ports.POD, namespace=self.namespace, name=name, below="proxy/metrics")
        series: Counter[str] = Counter()
        for line in self.client.text(path).splitlines():
            if not line.startswith("#"):
                key, _, value = line.rpartition(" ")
                series[key] = float(value)  # type: ignore[assignment]
        return series

    def requests(self, pod: str) -> dict[str, float]:
        """Requests of one replica to the API server, by verb."""
        by_verb: Counter[str] = Counter()
        for series, value in self.metrics(pod).items():
            if series.startswith("tidegate_api_requests_total{"):
                verb = re.search(r'verb="(\w+)"', series)
                assert verb is not None
                by_verb[verb.group(1)] += value
        return dict(by_verb)

    def writes(self, pod: str) -> dict[str, float]:
        """Writes of one replica but for the Lease, by verb."""
        return {verb: count for verb, count in self.requests(pod).items() if verb in WRITES}

    def metric_queries(self, pod: str) -> float:
        """Queries of one replica to metric sources."""
        name = "tidegate_metric_query_duration_seconds_count"
        return sum(value for key, value in self.metrics(pod).items() if key.startswith(name))


@contextmanager
def installed(
    cluster: Cluster,
    client: Client,
    *,
    namespace: str,
    replicas: int,
    sources: Mapping[str, float],
    values: Object,
) -> Iterator[Operator]:
    """Tidegate from its chart, restricted to one namespace and running in it.

    `sources` are further metric sources, `prometheus-NAME` in the same namespace, and the seconds
    between their scrapes; `values` are further ones of the chart.
    """
    operator = Operator(cluster=cluster, client=client, namespace=namespace, release=namespace)
    all_values = {
        "replicas": replicas,
        "image": _image(OPERATOR_IMAGE),
        "fullnameOverride": operator.deployment,
        "namespaces": [namespace],
        "crds": {"enabled": False},
        "rbac": {"aggregate": False},
        "metricSources": [
            {
                "name": "default",
                "url": cluster.prometheus_url,
                "scrapeIntervalSeconds": 1,
                "enforcesNamespace": True,  # as if: nobody else uses this cluster
                "namespaces": [namespace],
            },
            *(
                {
                    "name": name,
                    "url": f"http://prometheus-{name}.{namespace}:9090",
                    "scrapeIntervalSeconds": seconds,
                    "enforcesNamespace": True,  # it scrapes nothing else
                    "namespaces": [namespace],
                }
                for name, seconds in sources.items()
            ),
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        **values,
    }
    arguments = _flags(all_values)
    cluster.helm(
        *("install", operator.release, str(ROOT / "charts" / "tidegate")),
        *("--namespace", namespace, *arguments),
    )
    try:
        operator.wait_ready()
        yield operator
    finally:
        cluster.helm("uninstall", operator.release, "--namespace", namespace)


def _image(tag: str) -> Object:
    repository, _, version = tag.rpartition(":")
    return {"repository": repository, "tag": version, "pullPolicy": "IfNotPresent"}


def _flags(values: Object) -> Sequence[str]:
    return [word for key, value in values.items() for word in ("--set-json", _pair(key, value))]


def _pair(key: str, value: object) -> str:
    return f"{key}={json.dumps(value)}"
