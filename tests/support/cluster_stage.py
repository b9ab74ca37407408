"""A namespace with a Tidegate in it, for as long as something is played there."""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping

from cluster_client import NAMESPACE, Client, Object, Refused
from cluster_history import History
from cluster_scene import Scene
from cluster_tidegate import installed
from tests.cluster.api import Cluster

from tidegate import ports

_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
_GONE_SECONDS = 180.0


@contextlib.contextmanager
def staged(
    cluster: Cluster,
    client: Client,
    *,
    name: str,
    replicas: int = 1,
    sources: Mapping[str, float] | None = None,
    values: Callable[[str], Object] | None = None,
) -> Iterator[Scene]:
    """An empty namespace with so many copies of Tidegate; nothing is left of it afterwards.

    `sources` are metric sources that whoever plays brings, and the seconds between their scrapes;
    `values` makes further values of the chart of the namespace's name.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())
    namespace = f"e2e-{slug[:22].strip('-')}-{uuid.uuid4().hex[:4]}"
    client.apply(NAMESPACE, {"metadata": {"name": namespace, "labels": _RESTRICTED}})
    history = History(client, namespace=namespace)
    try:
        with installed(
            cluster,
            client,
            namespace=namespace,
            replicas=replicas,
            sources=sources or {},
            values=values(namespace) if values else {},
        ) as operator:
            yield Scene(
                client=client,
                namespace=namespace,
                operator=operator,
                history=history,
                gateway=cluster.gateway,
            )
            _delete_models(client, namespace=namespace)
    finally:
        history.close()
        client.delete(NAMESPACE, name=namespace)


def _delete_models(client: Client, *, namespace: str) -> None:
    """While the operator is there to end what it owes: without it their finalizers would stay."""
    for name in _model_names(client, namespace=namespace):
        client.delete(ports.MODEL_DEPLOYMENT, namespace=namespace, name=name)
    deadline = time.monotonic() + _GONE_SECONDS
    while (stuck := _model_names(client, namespace=namespace)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for name in stuck:
        with contextlib.suppress(Refused):  # it may go at this very moment
            body: Object = {"metadata": {"finalizers": []}}
            client.merge(ports.MODEL_DEPLOYMENT, namespace=namespace, name=name, body=body)
    assert not stuck, f"deletion did not end: {stuck}"


def _model_names(client: Client, *, namespace: str) -> list[str]:
    models = client.list(ports.MODEL_DEPLOYMENT, namespace=namespace)
    return sorted(body["metadata"]["name"] for body in models)
