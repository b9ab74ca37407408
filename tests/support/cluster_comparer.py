"""A comparer in the namespace of a test, as examples/comparer deploys it, and what it counted."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import yaml
from cluster_client import path_of
from cluster_scene import Scene
from cluster_tidegate import ROOT
from prometheus_client.parser import text_string_to_metric_families
from tests.cluster.api import Cluster

from tidegate import ports

IMAGE = "localhost/tidegate-e2e/comparer:dev"
URL = "http://comparer"
READY_SECONDS = 180.0
_PREFIX = "tidegate_comparer"
_LABELS = {"app.kubernetes.io/name": "tidegate-comparer"}
_PORT = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of answers to the same requests."""

    equal: int
    different: int

    @property
    def total(self) -> int:
        return self.equal + self.different

    @property
    def agreement(self) -> float:
        """The share that agrees; there must be a pair."""
        return self.equal / self.total


def build_image(cluster: Cluster) -> None:
    """From its own Dockerfile; the other tests do without it."""
    cluster.build_image(context=ROOT, dockerfile=ROOT / "comparer" / "Dockerfile", tag=IMAGE)


def start(scene: Scene) -> None:
    """Apply the example with our image in the test's namespace, and wait until it is ready."""
    documents = list(yaml.safe_load_all((ROOT / "examples/comparer/comparer.yaml").read_text()))
    for document in documents:
        document["metadata"]["namespace"] = scene.namespace
        if document["kind"] == "Deployment":
            document["spec"]["template"]["spec"]["containers"][0]["image"] = IMAGE
    text = yaml.safe_dump_all(documents)
    scene.operator.cluster.kubectl("apply", "--server-side", "-f", "-", input=text)
    deadline = time.monotonic() + READY_SECONDS
    while not _ready(scene):
        assert time.monotonic() < deadline, "the comparer is not ready"
        time.sleep(0.2)


def pairs(scene: Scene, *, model: str, revision: str, reference: str) -> Pairs:
    """What was counted for a revision beside another one."""
    found: Counter[str] = Counter()
    for labels, value in _samples(scene, f"{_PREFIX}_pairs_total"):
        ends = (labels["model_deployment"], labels["revision"], labels["reference"])
        if ends == (model, revision, reference):
            found[labels["equal"]] += int(value)
    return Pairs(equal=found["true"], different=found["false"])


def unpaired(scene: Scene, *, side: str) -> int:
    """Answers of a revision that found no partner."""
    samples = _samples(scene, f"{_PREFIX}_unpaired_total")
    return sum(int(value) for labels, value in samples if labels["side"] == side)


def _samples(scene: Scene, name: str) -> list[tuple[dict[str, str], float]]:
    [pod] = scene.client.list(ports.POD, namespace=scene.namespace, **_LABELS)
    target = f"{pod['metadata']['name']}:{_PORT}"
    path = path_of(ports.POD, namespace=scene.namespace, name=target, below="proxy/metrics")
    families = text_string_to_metric_families(scene.client.text(path))
    return [
        (dict(sample.labels), sample.value)
        for family in families
        for sample in family.samples
        if sample.name == name
    ]


def _ready(scene: Scene) -> bool:
    body = scene.client.get(ports.DEPLOYMENT, namespace=scene.namespace, name="comparer") or {}
    return bool(body.get("status", {}).get("availableReplicas"))
