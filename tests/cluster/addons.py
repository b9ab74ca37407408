"""What runs inside of the cluster: DNS, Gateway API with Envoy Gateway, and Prometheus.

The same for every provider that starts a cluster; only the images differ.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path

from tests.cluster import gobuild, kubectl, paths, rendering, shell
from tests.cluster.model import GatewayRef
from tests.cluster.progress import Progress

_MARK = "tidegate-test-cluster"  # the ConfigMap that tells what was applied
_RELEASE = "eg"
_NAMESPACE = "envoy-gateway-system"
_READY_TIMEOUT_SECONDS = 180.0
_DEPLOYMENTS = (
    ("envoy-gateway-system", "envoy-gateway"),
    ("envoy-gateway-system", "inference"),
    ("monitoring", "prometheus"),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """kubectl and helm with full rights on the cluster."""

    kubectl_bin: Path
    helm_bin: Path
    kubeconfig: Path

    def kubectl(self, *args: str | Path, input: str | None = None) -> str:  # noqa: A002
        words = tuple(str(arg) for arg in args)
        return kubectl.kubectl(
            self.kubectl_bin, kubeconfig=self.kubeconfig, args=words, input=input
        )

    def apply(self, manifest: str) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=manifest)

    def helm(self, *args: str | Path) -> str:
        words = tuple(str(arg) for arg in args)
        home = paths.state_dir() / "helm"
        return kubectl.helm(self.helm_bin, kubeconfig=self.kubeconfig, home=home, args=words)


def ensure(
    client: Client, *, images: rendering.Images, progress: Progress, calm_seconds: float = 0.0
) -> None:
    """Apply everything that is missing or changed, and wait until all of it works.

    Units:  calm_seconds in seconds; for that long everything must have stayed ready.
    Errors: shell.CommandError; kubectl.NotReady with what is not ready.
    """
    wanted, applied = rendering.content_hash(images), _applied(client)
    if applied != wanted:
        _apply(client, images=images, progress=progress)
        if applied:  # Prometheus reads its configuration when it starts
            client.kubectl("rollout", "restart", "deployment/prometheus", "-n", "monitoring")
        _mark(client, wanted)
    if not calm_seconds and not _unready(client, images=images):
        return
    with progress.step("wait for the Gateway and Prometheus"):
        kubectl.wait_for(
            "the cluster's own workloads",
            kubectl.staying(lambda: not _unready(client, images=images), for_seconds=calm_seconds),
            timeout_seconds=_READY_TIMEOUT_SECONDS,
            explain=lambda: f"not ready: {', '.join(_unready(client, images=images))}",
        )


def _apply(client: Client, *, images: rendering.Images, progress: Progress) -> None:
    if images.coredns is not None:
        with progress.step("apply CoreDNS"):
            client.apply(rendering.render("coredns.yaml", images))
    chart = ensure_chart()
    with progress.step("apply the custom resource definitions of Gateway API and Envoy Gateway"):
        _apply_definitions(client, chart)
    with progress.step("apply Prometheus"):
        client.apply(rendering.render("prometheus.yaml", images))
    with progress.step("install Envoy Gateway from its chart"):
        _install_envoy_gateway(client, chart=chart, images=images)
    with progress.step("apply the Gateway"):
        client.apply(rendering.render("gateway.yaml", images))


def ensure_chart() -> Path:
    """The chart of Envoy Gateway, from its Go module, in a form helm accepts."""
    target = paths.cache_dir() / "charts" / "envoy-gateway"
    if target.exists():
        return target
    module = gobuild.module_dir(gobuild.ENVOY_GATEWAY.module, gobuild.ENVOY_GATEWAY.version)
    partial = target.with_suffix(".partial")
    gobuild.copy_of(module / "charts" / "gateway-helm", target=partial)
    template = (partial / "values.tmpl.yaml").read_text()
    (partial / "values.yaml").write_text(chart_values(template))
    partial.replace(target)
    return target


def chart_values(template: str) -> str:
    """The default values of the chart, whose release process fills in two places."""
    filled = template.replace("${GatewayImage}", '""')
    return filled.replace("${GatewayImagePullPolicy}", "IfNotPresent")


def _apply_definitions(client: Client, chart: Path) -> None:
    definitions = chart / "charts" / "crds" / "crds"
    files = [definitions / "gatewayapi-crds.yaml", definitions / "generated"]
    arguments = [word for file in files for word in ("-f", str(file))]
    client.kubectl("apply", "--server-side", "--force-conflicts", *arguments)
    client.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")


def _install_envoy_gateway(client: Client, *, chart: Path, images: rendering.Images) -> None:
    values = paths.state_dir() / "envoy-gateway-values.yaml"
    values.write_text(rendering.render("envoy-gateway-values.yaml", images))
    client.helm(
        *("upgrade", "--install", _RELEASE, chart, "--namespace", _NAMESPACE),
        *("--create-namespace", "--skip-crds", "--values", values, "--timeout", "3m"),
    )


def _applied(client: Client) -> str:
    with contextlib.suppress(shell.CommandError):
        path = "jsonpath={.data.content}"
        return client.kubectl("get", "configmap", _MARK, "-n", "kube-system", "-o", path)
    return ""


def _mark(client: Client, content: str) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _MARK, "namespace": "kube-system"},
        "data": {"content": content},
    }
    client.apply(json.dumps(document))


def _unready(client: Client, *, images: rendering.Images) -> list[str]:
    wanted = [*_DEPLOYMENTS, *([("kube-system", "coredns")] if images.coredns else [])]
    out = json.loads(client.kubectl("get", "deployments", "-A", "-o", "json"))
    available = {
        (item["metadata"]["namespace"], item["metadata"]["name"])
        for item in out["items"]
        if deployment_available(item)
    }
    missing = [
        f"{namespace}/{name}" for namespace, name in wanted if (namespace, name) not in available
    ]
    return missing if _gateway_programmed(client) else [*missing, "gateway/inference"]


def deployment_available(item: dict[str, object]) -> bool:
    """Whether all wanted pods of the newest revision of a Deployment are available."""
    document = json.loads(json.dumps(item))
    status, wanted = document.get("status", {}), document["spec"].get("replicas", 1)
    observed = status.get("observedGeneration", 0) >= document["metadata"].get("generation", 0)
    counts = (status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    return observed and all(count >= wanted for count in counts)


def _gateway_programmed(client: Client) -> bool:
    gateway = GatewayRef()
    path = "jsonpath={.status.conditions[?(@.type=='Programmed')].status}"
    return (
        client.kubectl("get", "gateway", gateway.name, "-n", gateway.namespace, "-o", path)
        == "True"
    )
