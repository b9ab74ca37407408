"""A cluster that is there already and was named explicitly."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml
from tests.cluster import gobuild, kubeconfig, paths, shell
from tests.cluster.model import Cluster, ClusterUnavailable, GatewayRef
from tests.cluster.progress import Progress

_NEEDED = (
    ("gateway", GatewayRef().namespace, GatewayRef().name),
    ("service", "monitoring", "prometheus"),
)


def ensure(environment: Mapping[str, str]) -> Cluster:
    """The cluster of TIDEGATE_CONTEXT in TIDEGATE_KUBECONFIG; nothing is installed into it.

    Errors: ClusterUnavailable when the context, the Gateway or Prometheus is missing.
    """
    context = environment["TIDEGATE_CONTEXT"]
    source = Path(environment["TIDEGATE_KUBECONFIG"]).expanduser()
    cluster = Cluster(
        provider="existing",
        kubeconfig=_only(source, context=context),
        kubectl_bin=find_kubectl(),
        find_helm=find_helm,
        image_builder=_refuse_to_build,
    )
    for kind, namespace, name in _NEEDED:
        try:
            cluster.kubectl("get", kind, name, "-n", namespace, "-o", "name")
        except shell.CommandError as error:
            raise ClusterUnavailable(
                f"The context {context} cannot be used: {kind} {namespace}/{name} is needed "
                f"(see tests/cluster/manifests), and kubectl says: {error.said}"
            ) from error
    return cluster


def find_kubectl() -> Path:
    """The kubectl on PATH, else the one built from source."""
    found = shutil.which("kubectl")
    return Path(found) if found else gobuild.ensure_kubernetes(Progress()) / "kubectl"


def find_helm() -> Path:
    """The helm on PATH, else the one built from source."""
    found = shutil.which("helm")
    return Path(found) if found else gobuild.ensure_program(gobuild.HELM, Progress())


def _only(source: Path, *, context: str) -> Path:
    """A copy of the kubeconfig in which nothing but the named context can be reached."""
    try:
        document = yaml.safe_load(source.read_text()) or {}
    except OSError as error:
        raise ClusterUnavailable(f"TIDEGATE_KUBECONFIG cannot be read: {error}.") from error
    reduced = kubeconfig.with_only_context(document, context=context)
    if reduced is None:
        raise ClusterUnavailable(f"{source} has no context {context}: correct TIDEGATE_CONTEXT.")
    return kubeconfig.write_document(paths.state_dir() / "existing.kubeconfig", reduced)


def _refuse_to_build(
    *, context: Path, dockerfile: Path, tag: str, build_args: Mapping[str, str]
) -> None:
    del context, dockerfile, build_args
    raise ClusterUnavailable(
        f"The image {tag} cannot be loaded into an existing cluster: push it to a registry of that "
        "cluster and name it in the Helm values, or use the kind or local provider."
    )
