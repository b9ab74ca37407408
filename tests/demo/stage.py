"""Setting the stage: cluster, images, Tidegate from its chart, an empty namespace, users."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.api import Cluster, CommandError, ImageSource
from tests.cluster.progress import Progress
from tests.demo import manifests
from tests.demo.manifests import EXAMPLES, ROOT, SCRAPE_INTERVAL_SECONDS, Model
from tests.demo.watching import NAMESPACE, OPERATOR_NAMESPACE
from tests.images.mlserver.rows import held_out_rows

IMAGES = ROOT / "tests" / "images"
RELEASE = "tidegate"
MODEL_IMAGE = "localhost/tidegate/digits:demo"
TESTKIT_IMAGE = "localhost/tidegate/testkit:demo"
COMPARER_IMAGE = "localhost/tidegate/comparer:demo"
ROWS = "digits-rows"
SERVED_AS = "digits"  # what the servers of all acts call their model

_DELETE = ("delete", "--namespace", NAMESPACE, "--ignore-not-found", "--wait")

_OPERATOR_FILES = ("Dockerfile", "pyproject.toml", "requirements", "operator")


def image_sources() -> list[ImageSource]:
    """All images of the demo; the operator's is the first."""
    dockerfiles = {
        f"localhost/tidegate/operator:{operator_tag(ROOT)}": ROOT / "Dockerfile",
        MODEL_IMAGE: IMAGES / "mlserver" / "Dockerfile",
        TESTKIT_IMAGE: IMAGES / "testkit" / "Dockerfile",
        COMPARER_IMAGE: ROOT / "comparer" / "Dockerfile",
    }
    return [
        ImageSource(context=ROOT, dockerfile=dockerfile, tag=tag)
        for tag, dockerfile in dockerfiles.items()
    ]


def build_images(cluster: Cluster, sources: Sequence[ImageSource]) -> str:
    """Build and load the images of the demo; the reference of the operator's image."""
    for source in sources:
        cluster.build_image(context=source.context, dockerfile=source.dockerfile, tag=source.tag)
    return sources[0].tag


def operator_tag(root: Path) -> str:
    """A tag that changes with the operator, so that an upgrade replaces the pods."""
    digest = hashlib.sha256()
    for name in _OPERATOR_FILES:
        path = root / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
                digest.update(f"\n{file.relative_to(root)}\n".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def install(cluster: Cluster, *, image: str, progress: Progress) -> None:
    """Install or upgrade Tidegate and wait until both copies are ready.

    It serves the namespace of the demo only, so that it meets no other Tidegate of this cluster.
    Errors: CommandError with what helm said and how the pods are.
    """
    repository, _, tag = image.rpartition(":")
    values = {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
        "namespaces": [NAMESPACE],
        "metricSources": [
            {
                "name": "default",
                "url": cluster.prometheus_url,
                "scrapeIntervalSeconds": SCRAPE_INTERVAL_SECONDS,
            }
        ],
    }
    arguments = ["upgrade", RELEASE, str(ROOT / "charts" / "tidegate"), "--install"]
    arguments += ["--namespace", OPERATOR_NAMESPACE, "--create-namespace"]
    # Tests may have put our CRDs into the cluster without helm.
    arguments += ["--reset-values", "--take-ownership", "--wait", "--timeout", "120s"]
    # --set-json reaches every value without a file that would have to be removed.
    for name, value in values.items():
        arguments += ["--set-json", f"{name}={json.dumps(value)}"]
    with progress.step("install Tidegate from its chart"):
        _remove_what_is_half_made(cluster)
        cluster.helm(*arguments)


def _remove_what_is_half_made(cluster: Cluster) -> None:
    """Helm upgrades no release that somebody interrupted while it was installed or removed."""
    where = ("--namespace", OPERATOR_NAMESPACE)
    told = cluster.helm("list", *where, "--all", "--filter", f"^{RELEASE}$", "--output", "json")
    if any(release["status"] != "deployed" for release in json.loads(told)):
        cluster.helm("uninstall", RELEASE, *where, "--ignore-not-found", "--wait")


def make_namespace(cluster: Cluster) -> None:
    """The namespace of the demo; the chart needs it for its RoleBindings."""
    if not _has_namespace(cluster):
        cluster.kubectl("create", "namespace", NAMESPACE)


def prepare_namespace(cluster: Cluster, *, progress: Progress) -> None:
    """Remove what an earlier run left, while the operator can end what it owes; what acts share."""
    with progress.step(f"prepare the namespace {NAMESPACE}"):
        _remove_models(cluster)
        children = "deployments,services,httproutes.gateway.networking.k8s.io"
        cluster.kubectl(*_DELETE, children, "--selector", "tidegate.dev/model-deployment")
        # Nobody uses these pods any more, so they need not drain.
        cluster.kubectl(*_DELETE, "pods", "--all", "--grace-period=1")
        cluster.kubectl(*_DELETE, "configmap", ROWS)
        cluster.kubectl("create", "-f", "-", input=json.dumps(rows_config()))
        # It is ready long before the first copies.
        cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(comparer()))
        tune_gateway(cluster)


def tune_gateway(cluster: Cluster) -> None:
    """Let Envoy Gateway close idle connections before MLServer does; other Gateways are left alone."""
    served = cluster.kubectl("api-resources", "--api-group=gateway.envoyproxy.io", "-o", "name")
    if "backendtrafficpolicies.gateway.envoyproxy.io" in served.split():
        cluster.kubectl("apply", "-f", str(EXAMPLES / "connections.yaml"))


def remove_namespace(cluster: Cluster) -> None:
    """Delete the ModelDeployments, while the operator can end what it owes, then the rest."""
    if _has_namespace(cluster):
        _remove_models(cluster)
        cluster.kubectl(*_DELETE, "pods", "--all", "--grace-period=1")
        cluster.kubectl(*_DELETE, "namespace", NAMESPACE, "--timeout=120s")


def _has_namespace(cluster: Cluster) -> bool:
    return bool(cluster.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name"))


def _remove_models(cluster: Cluster) -> None:
    try:
        cluster.kubectl(*_DELETE, "modeldeployments", "--all", "--timeout=30s")
    except CommandError:
        # The way out that the docs name for an operator that is gone: drop its finalizer.
        drop = '{"metadata":{"finalizers":[]}}'
        left = cluster.kubectl("get", "modeldeployments", "-n", NAMESPACE, "-o", "name")
        for name in left.split():
            cluster.kubectl("patch", name, "-n", NAMESPACE, "--type", "merge", "--patch", drop)


def start_users(cluster: Cluster, model: Model) -> None:
    """Start the load generator of a model; it is ready a moment later."""
    cluster.kubectl("create", "-f", "-", input=yaml.safe_dump(traffic_pod(cluster, model)))


def rows_config() -> dict[str, Any]:
    """The held-out rows that all users send."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": ROWS, "namespace": NAMESPACE},
        "data": {"rows.json": json.dumps(rows_document(), separators=(",", ":"))},
    }


def comparer() -> list[dict[str, Any]]:
    """Its objects, with the image that was built here."""
    documents = list(yaml.safe_load_all((ROOT / "examples/comparer/comparer.yaml").read_text()))
    for document in documents:
        document["metadata"]["namespace"] = NAMESPACE
        if document["kind"] == "Deployment":
            document["spec"]["template"]["spec"]["containers"][0]["image"] = COMPARER_IMAGE
    return documents


def ask(cluster: Cluster, model: Model, annotations: Mapping[str, str]) -> None:
    """Annotate the ModelDeployment."""
    words = [f"{key}={value}" for key, value in annotations.items()]
    cluster.kubectl(
        "annotate", "modeldeployment", model.name, "-n", NAMESPACE, "--overwrite", *words
    )


def apply_version(cluster: Cluster, model: Model, *, version: str) -> None:
    """Apply the ModelDeployment of the examples with this version."""
    gateway = (cluster.gateway.namespace, cluster.gateway.name)
    document = manifests.model_deployment(model, version=version, gateway=gateway)
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump(document))


def traffic_name(model: Model) -> str:
    """The pod of a model's users."""
    return f"traffic-{model.name}"


def traffic_pod(cluster: Cluster, model: Model) -> dict[str, Any]:
    """The load generator of the examples, aimed at a model behind the cluster's Gateway."""
    pod: dict[str, Any] = yaml.safe_load((EXAMPLES / "traffic.yaml").read_text())
    pod["metadata"]["name"] = traffic_name(model)
    [container] = pod["spec"]["containers"]
    given = {
        "--url": f"{cluster.gateway.url}/v2/models/{SERVED_AS}/infer",
        "--host": model.host,
        "--requests-per-second": f"{model.requests_per_second:g}",
    }
    container["args"] = [
        f"{name}={given[name]}" if (name := it.partition("=")[0]) in given else it
        for it in container["args"]
    ]
    return pod


def rows_document() -> list[dict[str, Any]]:
    """The rows no model has seen, with what they show."""
    rows = held_out_rows()
    return [
        {"pixels": pixels.astype(int).tolist(), "label": int(label)}
        for pixels, label in zip(rows.pixels, rows.labels, strict=True)
    ]
