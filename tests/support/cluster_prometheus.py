"""A Prometheus of a test's own, in the test's namespace, with one scrape job over its pods."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pod_monitor
import yaml
from cluster_client import Object
from cluster_scene import Scene
from tests.cluster import versions

from tidegate import ports

ROOT = Path(__file__).parents[2]
READY_SECONDS = 180.0
_OWN = "scrapes-pods"  # name of the account and its role
# The Prometheus of the cluster's own: any image that the cluster has will do.
_THEIRS = {"namespace": "monitoring", "name": "prometheus"}


def jobs(scene: Scene) -> dict[str, Object]:
    """The scrape job of each way, by the name of its source: nothing is added by hand.

    Each is narrowed to the test's namespace, and scrapes every second.
    """
    ways = {
        "ours": _our_job(),
        "operator": pod_monitor.scrape_job(_rendered_monitor(scene)),
        "community": pod_monitor.community_job(),
    }
    return {name: _narrowed(job, scene, seconds=1) for name, job in ways.items()}


def our_jobs(scene: Scene, seconds: Mapping[str, float]) -> dict[str, Object]:
    """Our own scrape job for each source, with its seconds between scrapes."""
    return {name: _narrowed(_our_job(), scene, seconds=it) for name, it in seconds.items()}


def _our_job() -> Object:
    [ours] = yaml.safe_load((ROOT / "examples/prometheus/scrape-job.yaml").read_text())
    return dict(ours)


def _narrowed(job: Object, scene: Scene, *, seconds: float) -> Object:
    pods = {"role": "pod", "namespaces": {"names": [scene.namespace]}}
    return {**job, "scrape_interval": f"{seconds:g}s", "kubernetes_sd_configs": [pods]}


def start(scene: Scene, sources: dict[str, Object]) -> None:
    """Run one Prometheus per source, each with its job, and wait until all answer."""
    found = scene.client.get(ports.DEPLOYMENT, **_THEIRS)
    assert found is not None, "the cluster has no Prometheus"
    image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    documents = [*_account(scene.namespace)]
    for name, job in sources.items():
        documents += _prometheus(f"prometheus-{name}", image=image, job=job)
    for document in documents:
        document["metadata"]["namespace"] = scene.namespace
    text = yaml.safe_dump_all(documents)
    scene.operator.cluster.kubectl("apply", "--server-side", "-f", "-", input=text)
    deadline = time.monotonic() + READY_SECONDS
    while waiting := [name for name in sources if not _ready(scene, f"prometheus-{name}")]:
        assert time.monotonic() < deadline, f"no Prometheus is ready: {waiting}"
        time.sleep(0.5)


def _rendered_monitor(scene: Scene) -> Object:
    """What the chart gives a Prometheus operator."""
    text = scene.operator.cluster.helm(
        *("template", "tidegate", str(ROOT / "charts" / "tidegate")),
        *("--namespace", scene.namespace, "--show-only", "templates/monitors.yaml"),
        *("--kube-version", versions.KUBERNETES),
        *("--set", "modelMonitor.enabled=true", "--set", "modelMonitor.interval=1s"),
        *("--set-json", f"namespaces={json.dumps([scene.namespace])}"),
    )
    [monitor] = [it for it in yaml.safe_load_all(text) if it]
    return dict(monitor)


def _ready(scene: Scene, name: str) -> bool:
    body = scene.client.get(ports.DEPLOYMENT, namespace=scene.namespace, name=name) or {}
    return bool(body.get("status", {}).get("availableReplicas"))


def _account(namespace: str) -> list[Object]:
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _OWN}},
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": {"name": _OWN},
            "rules": [rule],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": _OWN},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": _OWN},
            "subjects": [{"kind": "ServiceAccount", "name": _OWN, "namespace": namespace}],
        },
    ]


def _prometheus(name: str, *, image: str, job: Object) -> list[Object]:
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [job],
    }
    labels = {"app": name}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {"prometheus.yml": yaml.safe_dump(config)},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 9090}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": _pod(name, image=image)},
            },
        },
    ]


def _pod(name: str, *, image: str) -> Object:
    container = {
        "name": "prometheus",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/data",
            "--storage.tsdb.retention.time=1h",
        ],
        "ports": [{"containerPort": 9090}],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": 9090}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/prometheus", "readOnly": True},
            {"name": "data", "mountPath": "/data"},
        ],
    }
    return {
        "serviceAccountName": _OWN,
        "terminationGracePeriodSeconds": 2,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "fsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            {"name": "data", "emptyDir": {}},
        ],
    }
