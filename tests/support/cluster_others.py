"""A Tidegate that serves the whole cluster, such as the demo's, rests while tests run theirs."""

from __future__ import annotations

import time

from cluster_client import Client, Object

from tidegate import ports

PAUSED = "tidegate.dev/e2e-replicas"
_BINDING = ports.Kind(
    group="rbac.authorization.k8s.io",
    version="v1",
    plural="clusterrolebindings",
    kind="ClusterRoleBinding",
    namespaced=False,
)
_GONE_SECONDS = 180.0


def serving_everything(client: Client) -> list[tuple[str, str]]:
    """Namespace and name of every Tidegate that may write in all namespaces."""
    bindings = client.list(_BINDING, **{"app.kubernetes.io/part-of": "tidegate"})
    return [
        (binding["subjects"][0]["namespace"], binding["metadata"]["name"].removesuffix("-writer"))
        for binding in bindings
        if binding["metadata"]["name"].endswith("-writer")
    ]


def pause(client: Client) -> None:
    """Scale them to nothing and wait until they are gone; each remembers its size."""
    for namespace, name in serving_everything(client):
        found = client.get(ports.DEPLOYMENT, namespace=namespace, name=name)
        if found is None or not found["spec"]["replicas"]:
            continue
        size = str(found["spec"]["replicas"])
        _scale(client, found, replicas=0, annotations={PAUSED: size})
        _wait_until_gone(client, found)


def resume(client: Client) -> None:
    """Bring back what `pause` took, also that of an earlier, broken run."""
    for namespace, name in serving_everything(client):
        found = client.get(ports.DEPLOYMENT, namespace=namespace, name=name)
        size = ((found or {}).get("metadata", {}).get("annotations") or {}).get(PAUSED)
        if found is not None and size is not None:
            _scale(client, found, replicas=int(size), annotations={PAUSED: None})


def _scale(
    client: Client, found: Object, *, replicas: int, annotations: dict[str, str | None]
) -> None:
    client.merge(
        ports.DEPLOYMENT,
        namespace=found["metadata"]["namespace"],
        name=found["metadata"]["name"],
        body={"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}},
    )


def _wait_until_gone(client: Client, found: Object) -> None:
    deadline = time.monotonic() + _GONE_SECONDS
    namespace, labels = found["metadata"]["namespace"], found["spec"]["selector"]["matchLabels"]
    while client.list(ports.POD, namespace=namespace, **labels):
        assert time.monotonic() < deadline, f"the Tidegate in {namespace} does not end"
        time.sleep(0.2)
