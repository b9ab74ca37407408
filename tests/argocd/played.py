"""What a control plane without nodes lacks: pods that become ready, a Gateway that takes routes.

The controllers of Kubernetes and the operator are real.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator

from cluster_client import Client, Object, Refused
from cluster_played import PlayedGateway

from tidegate import ports

_LOOK_SECONDS = 0.2
_NODE = ports.Kind(group="", version="v1", plural="nodes", kind="Node", namespaced=False)
_NODE_NAME = "played"
_addresses = itertools.count(1)


class PlayedKubelet:
    """A node that all pods of a namespace come to, where they are ready at once and gone at once."""

    def __init__(self, client: Client, *, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closed.is_set():
            # Somebody wrote in between, or the API server is busy: the next round answers.
            with contextlib.suppress(OSError, Refused):
                self._beat()
                for pod in self._client.list(ports.POD, namespace=self._namespace):
                    self._carry_out(pod)
            time.sleep(_LOOK_SECONDS)

    def _beat(self) -> None:
        """The node is there and well: pods of a silent one are evicted."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = {"type": "Ready", "status": "True", "reason": "Played", "lastHeartbeatTime": now}
        if self._client.get(_NODE, name=_NODE_NAME) is None:
            self._client.apply(_NODE, {"metadata": {"name": _NODE_NAME}})
        self._client.merge(
            _NODE,
            namespace="",
            name=_NODE_NAME,
            body={"status": {"conditions": [ready]}},
            below="status",
        )

    def _carry_out(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        if "deletionTimestamp" in pod["metadata"]:
            self._client.delete(ports.POD, namespace=self._namespace, name=name, at_once=True)
        elif "nodeName" not in pod["spec"]:
            self._client.bind(namespace=self._namespace, pod=name, node=_NODE_NAME)
        elif not any(it["type"] == "Ready" for it in pod["status"].get("conditions", ())):
            self._make_ready(pod)

    def _make_ready(self, pod: Object) -> None:
        self._client.merge(
            ports.POD,
            namespace=self._namespace,
            name=pod["metadata"]["name"],
            body={"status": _ready(pod)},
            below="status",
        )


def _ready(pod: Object) -> Object:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    number = next(_addresses)
    address = f"10.244.{number // 250}.{number % 250 + 1}"
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": now}
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": container["image"],
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        for container in pod["spec"]["containers"]
    ]
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": now,
        "conditions": conditions,
        "containerStatuses": containers,
    }


@contextlib.contextmanager
def played(client: Client, *, namespace: str) -> Iterator[PlayedGateway]:
    """Both, for one namespace."""
    kubelet = PlayedKubelet(client, namespace=namespace)
    gateway = PlayedGateway(client, namespace=namespace)
    try:
        yield gateway
    finally:
        gateway.close()
        kubelet.close()
