"""Somebody who trains models anew when a hook asks for it, in the namespace of a test."""

from __future__ import annotations

from cluster_client import Object, path_of
from cluster_scene import SERVER_PORT, Scene, model_server
from cluster_users import wait_for_pod
from prometheus_client.parser import text_string_to_metric_families

from tidegate import ports

NAME = "trainer"
PATH = "/start"
_FOLDER = "/var/run/hooks"
_LABELS = {"app.kubernetes.io/name": NAME}
_SECRET = ports.Kind(group="", version="v1", plural="secrets", kind="Secret")


def host(namespace: str) -> str:
    """The name of its Service."""
    return f"{NAME}.{namespace}"


def operator_values(namespace: str) -> Object:
    """Chart values of an operator that may call it; the key may come later."""
    receiver = {
        "host": host(namespace),
        "signingKeyFile": f"{_FOLDER}/key",
        "namespaces": [namespace],
        "plainHTTP": True,
    }
    secret = {"secretName": NAME, "optional": True}
    return {
        "hookReceivers": [receiver],
        "extraVolumes": [{"name": "hooks", "secret": secret}],
        "extraVolumeMounts": [{"name": "hooks", "mountPath": _FOLDER, "readOnly": True}],
    }


def start(scene: Scene) -> None:
    """The key, the Service and its pod, which answers every hook with 200."""
    where = {"namespace": scene.namespace, "name": NAME}
    scene.client.apply(_SECRET, {"metadata": where, "stringData": {"key": "secret of this test"}})
    ports_of = [{"port": 80, "targetPort": SERVER_PORT}]
    scene.client.apply(
        ports.SERVICE, {"metadata": where, "spec": {"selector": _LABELS, "ports": ports_of}}
    )
    scene.client.apply(ports.POD, {"metadata": {**where, "labels": _LABELS}, **model_server()})
    wait_for_pod(scene.client, namespace=scene.namespace, name=NAME)


def calls(scene: Scene) -> int:
    """How often it was asked to train."""
    pod = f"{NAME}:{SERVER_PORT}"
    path = path_of(ports.POD, namespace=scene.namespace, name=pod, below="proxy/metrics")
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(scene.client.text(path))
        for sample in family.samples
        if sample.name == "http_requests_total" and sample.labels["path"] == PATH
    )
