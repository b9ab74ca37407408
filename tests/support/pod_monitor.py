"""What the Prometheus operator makes of a PodMonitor, and what Kubernetes tells of a pod.

The scrape job follows `generatePodMonitorConfig` of prometheus-operator (pkg/prometheus/promcfg.go,
2025): relabelings in its order, those of the user after its own, and one shard. Only what our chart
writes is known; anything else is refused.
"""

from __future__ import annotations

import re
from typing import Any

Object = dict[str, Any]
_RELABEL = {
    "sourceLabels": "source_labels",
    "targetLabel": "target_label",
    "regex": "regex",
    "replacement": "replacement",
    "action": "action",
}
_KNOWN = {
    "spec": {"namespaceSelector", "selector", "podTargetLabels", "podMetricsEndpoints"},
    "endpoint": {"port", "interval", "honorLabels", "relabelings"},
}
# What our chart renders for release `tidegate` with `modelMonitor.enabled` and an interval of 1 s;
# tests/chart compares.
MODEL_MONITOR: Object = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PodMonitor",
    "metadata": {"name": "tidegate-models", "namespace": "tidegate-system"},
    "spec": {
        "namespaceSelector": {"any": True},
        "selector": {"matchExpressions": [{"key": "tidegate.dev/revision", "operator": "Exists"}]},
        "podTargetLabels": ["tidegate.dev/model-deployment", "tidegate.dev/revision"],
        "podMetricsEndpoints": [
            {
                "port": "tidegate-metric",
                "interval": "1s",
                "honorLabels": False,
                "relabelings": [
                    {
                        "sourceLabels": ["__meta_kubernetes_pod_annotation_prometheus_io_scrape"],
                        "regex": "true",
                        "action": "keep",
                    },
                    {
                        "sourceLabels": ["__meta_kubernetes_pod_annotation_prometheus_io_path"],
                        "regex": "(.+)",
                        "targetLabel": "__metrics_path__",
                    },
                    {"action": "labeldrop", "regex": "endpoint"},
                ],
            }
        ],
    },
}


def scrape_job(monitor: Object) -> Object:
    """The scrape job of a PodMonitor with one endpoint."""
    spec, metadata = monitor["spec"], monitor["metadata"]
    [endpoint] = spec["podMetricsEndpoints"]
    assert spec.keys() <= _KNOWN["spec"], spec
    assert endpoint.keys() <= _KNOWN["endpoint"], endpoint
    return {
        "job_name": f"podMonitor/{metadata['namespace']}/{metadata['name']}/0",
        "honor_labels": endpoint.get("honorLabels", False),
        "kubernetes_sd_configs": [_discovery(spec, namespace=metadata["namespace"])],
        "scrape_interval": endpoint["interval"],
        "relabel_configs": [
            {"source_labels": ["job"], "target_label": "__tmp_prometheus_job_name"},
            _rule("__meta_kubernetes_pod_phase", action="drop", regex="(Failed|Succeeded)"),
            *map(_selected, spec["selector"]["matchExpressions"]),
            _rule(
                "__meta_kubernetes_pod_container_port_name", action="keep", regex=endpoint["port"]
            ),
            _rule("__meta_kubernetes_namespace", target_label="namespace"),
            _rule("__meta_kubernetes_pod_container_name", target_label="container"),
            _rule("__meta_kubernetes_pod_name", target_label="pod"),
            *(
                _rule(f"__meta_kubernetes_pod_label_{it}", target_label=it, regex="(.+)")
                for it in map(label_name, spec["podTargetLabels"])
            ),
            {"target_label": "job", "replacement": f"{metadata['namespace']}/{metadata['name']}"},
            {"target_label": "endpoint", "replacement": endpoint["port"]},
            *(
                {_RELABEL[key]: value for key, value in rule.items()}
                for rule in endpoint["relabelings"]
            ),
            _rule("__address__", target_label="__tmp_hash", modulus=1, action="hashmod"),
            _rule("__tmp_hash", regex="0", action="keep"),
        ],
    }


def label_name(name: str) -> str:
    """The name of a Kubernetes label as Prometheus writes it."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def discovered(pod: Object) -> list[dict[str, str]]:
    """The targets that service discovery of role `pod` finds: one per declared port.

    A container without ports is one target at the pod's bare address.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    common = {
        "__meta_kubernetes_namespace": metadata["namespace"],
        "__meta_kubernetes_pod_name": metadata["name"],
        "__meta_kubernetes_pod_ip": pod["status"]["podIP"],
        "__meta_kubernetes_pod_phase": pod["status"]["phase"],
    }
    for kind in ("label", "annotation"):
        for key, value in metadata.get(f"{kind}s", {}).items():
            name = label_name(key)
            common[f"__meta_kubernetes_pod_{kind}_{name}"] = value
            common[f"__meta_kubernetes_pod_{kind}present_{name}"] = "true"
    return [
        common | target
        for init, containers in (("false", "containers"), ("true", "initContainers"))
        for container in spec.get(containers, ())
        for target in _targets(container, init=init, address=pod["status"]["podIP"])
    ]


def _targets(container: Object, *, init: str, address: str) -> list[dict[str, str]]:
    named = {
        "__meta_kubernetes_pod_container_name": container["name"],
        "__meta_kubernetes_pod_container_init": init,
    }
    ports = container.get("ports") or []
    if not ports:
        return [named | {"__address__": address}]
    return [
        named
        | {
            "__address__": f"{address}:{port['containerPort']}",
            "__meta_kubernetes_pod_container_port_number": str(port["containerPort"]),
            "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
        }
        for port in ports
    ]


def _rule(source: str, /, **rule: Any) -> Object:
    return {"source_labels": [source], **rule}


def _selected(expression: Object) -> Object:
    assert expression["operator"] == "Exists", expression
    label = label_name(expression["key"])
    return _rule(f"__meta_kubernetes_pod_labelpresent_{label}", action="keep", regex="true")


def _discovery(spec: Object, *, namespace: str) -> Object:
    selector = spec.get("namespaceSelector", {})
    if selector.get("any"):
        return {"role": "pod"}
    return {"role": "pod", "namespaces": {"names": selector.get("matchNames", [namespace])}}


def community_job() -> Object:
    """The job `kubernetes-pods` of the community chart `prometheus`, with what it does to pods.

    It honours labels that servers export, maps every pod label and every parameter, and goes by the
    annotations `scrape`, `scheme`, `path` and `port`.
    """
    annotation = "__meta_kubernetes_pod_annotation_prometheus_io_"
    address = [f"{annotation}port", "__meta_kubernetes_pod_ip"]
    return {
        "job_name": "kubernetes-pods",
        "honor_labels": True,
        "kubernetes_sd_configs": [{"role": "pod"}],
        "relabel_configs": [
            _rule(f"{annotation}scrape", action="keep", regex="true"),
            _rule(f"{annotation}scrape_slow", action="drop", regex="true"),
            _rule(f"{annotation}scheme", regex="(https?)", target_label="__scheme__"),
            _rule(f"{annotation}path", regex="(.+)", target_label="__metrics_path__"),
            {
                "source_labels": address,
                "regex": r"(\d+);(([A-Fa-f0-9]{1,4}::?){1,7}[A-Fa-f0-9]{1,4})",
                "replacement": "[$2]:$1",
                "target_label": "__address__",
            },
            {
                "source_labels": address,
                "regex": r"(\d+);((([0-9]+?)(\.|$)){4})",
                "replacement": "$2:$1",
                "target_label": "__address__",
            },
            {"action": "labelmap", "regex": f"{annotation}param_(.+)", "replacement": "__param_$1"},
            {"action": "labelmap", "regex": "__meta_kubernetes_pod_label_(.+)"},
            _rule("__meta_kubernetes_namespace", target_label="namespace"),
            _rule("__meta_kubernetes_pod_name", target_label="pod"),
            _rule(
                "__meta_kubernetes_pod_phase",
                action="drop",
                regex="Pending|Succeeded|Failed|Completed",
            ),
            _rule("__meta_kubernetes_pod_node_name", target_label="node"),
        ],
    }
