"""What the chart renders from its values."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pod_monitor
import pytest
import yaml

from tidegate import settings
from tidegate.model import objects

Object = dict[str, Any]
Render = Callable[..., list[Object]]
Process = subprocess.CompletedProcess[str]
SOURCE = {"name": "default", "url": "http://prometheus.monitoring:9090"}
SIX_LABELS = {
    f"app.kubernetes.io/{name}"
    for name in ("name", "instance", "version", "component", "part-of", "managed-by")
}
MATRIX: list[Object] = [
    {},
    {"metricSources": [SOURCE]},
    {"namespaces": ["ml", "ml-prod"]},
    {"namespaceSelector": "tidegate.example.com/served=yes,team in (a, b)"},
    {"crds": {"enabled": False}},
    {"rbac": {"create": False}, "serviceAccount": {"create": False, "name": "mine"}},
    {"podDisruptionBudget": {"enabled": True}, "networkPolicy": {"enabled": True}},
    {"metrics": {"podMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}},
    {"metrics": {"serviceMonitor": {"enabled": True}}},
    {"modelMonitor": {"enabled": True}, "metrics": {"podMonitor": {"enabled": True}}},
    {"modelMonitor": {"enabled": True}, "metrics": {"serviceMonitor": {"enabled": True}}},
    {
        "podLabels": {"app.kubernetes.io/name": "other", "team": "ml"},
        "podAnnotations": {"checksum/settings": "none", "a": "b"},
    },
    {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}}},
    {"dashboards": {"enabled": True, "labels": {"release": "grafana"}}},
    {"admission": {"author": {"enabled": False}, "operator": {"enabled": False}}},
    {"admission": {"approver": {"action": "Audit"}, "policies": {"enabled": False}}},
    {
        "image": {"repository": "localhost/tidegate", "tag": "dev", "pullPolicy": "Never"},
        "imagePullSecrets": [{"name": "registry"}],
        "fullnameOverride": "gate",
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "podAnnotations": {"a": "b"},
        "podLabels": {"team": "ml"},
        "extraVolumes": [{"name": "token", "secret": {"secretName": "prometheus-token"}}],
        "extraVolumeMounts": [{"name": "token", "mountPath": "/var/run/prometheus"}],
    },
]


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [item for item in objects if item["kind"] == kind]


def one(objects: list[Object], kind: str) -> Object:
    [found] = of_kind(objects, kind)
    return found


def controller(objects: list[Object]) -> Object:
    template: Object = one(objects, "Deployment")["spec"]["template"]
    return template


def settings_of(objects: list[Object]) -> Object:
    maps = {item["metadata"]["name"]: item for item in of_kind(objects, "ConfigMap")}
    [name] = [name for name in maps if name.endswith("-settings")]
    document: Object = yaml.safe_load(maps[name]["data"]["settings.yaml"])
    return document


@pytest.mark.parametrize("values", MATRIX, ids=lambda values: ",".join(values) or "defaults")
def test_every_object_carries_the_six_labels_and_a_unique_name(
    render: Render, values: Object
) -> None:
    objects = render(**values)
    keys = [
        (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
        for item in objects
    ]
    assert len(keys) == len(set(keys))
    for item in objects:
        assert item["metadata"]["labels"].keys() >= SIX_LABELS, item["metadata"]["name"]


@pytest.mark.parametrize("values", MATRIX, ids=lambda values: ",".join(values) or "defaults")
def test_the_operator_can_read_its_settings(render: Render, values: Object) -> None:
    read = settings.load(settings_of(render(**values)))
    assert read.namespaces == tuple(values.get("namespaces", ()))
    assert read.namespace_selector == values.get("namespaceSelector", "")
    assert read.leader_election.namespace == "tidegate-system"
    assert read.objects_with_metrics == 2000


def test_metric_sources_reach_the_settings(render: Render) -> None:
    extra = {**SOURCE, "scrapeIntervalSeconds": 2, "headers": {"X-Scope-OrgID": "ml"}}
    read = settings.load(settings_of(render(metricSources=[extra])))
    assert read.sources["default"].url == SOURCE["url"]
    assert read.sources["default"].scrape_interval_seconds == 2
    assert read.sources["default"].headers == {"X-Scope-OrgID": "ml"}


def test_receivers_of_hooks_reach_the_settings(render: Render) -> None:
    given = {"host": "*.hooks.example.com", "signingKeyFile": "/var/run/hooks/key"}
    (read,) = settings.load(settings_of(render(hookReceivers=[given]))).hook_receivers
    assert (read.host, read.signing_key_file) == (given["host"], given["signingKeyFile"])
    assert settings.load(settings_of(render())).hook_receivers == ()


def test_receivers_of_news_reach_the_settings(render: Render) -> None:
    given = {"name": "risk-chat", "urlFile": "/var/run/notify/slack", "namespaces": ["ml"]}
    (read,) = settings.load(
        settings_of(render(notificationReceivers=[given]))
    ).notification_receivers
    assert (read.name, read.url_file, read.namespaces) == ("risk-chat", given["urlFile"], ("ml",))
    assert settings.load(settings_of(render())).notification_receivers == ()


PROTECTED: list[Object] = [
    {
        "url": "https://prometheus.monitoring:9090",
        "caFile": "/s/ca.crt",
        "basicAuth": {"usernameFile": "/s/user", "passwordFile": "/s/password"},
        "clientCertificateFile": "/s/tls.crt",
        "clientKeyFile": "/s/tls.key",
        "proxyURL": "http://proxy.corp:3128",
        "headerFiles": {"X-Api-Key": "/s/key"},
        "queryParameters": {"nocache": "1"},
    },
    {"namespaces": ["team-a"], "enforcesNamespace": True},
    {"namespaceParameter": "namespace", "enforcesNamespace": True},
    {"bearerTokenFile": "/s/token", "credentialsOverHTTP": True},
]


@pytest.mark.parametrize("given", PROTECTED, ids=lambda it: next(reversed(it)))
def test_what_the_schema_lets_pass_the_operator_can_use(render: Render, given: Object) -> None:
    read = settings.load(settings_of(render(metricSources=[{**SOURCE, **given}])))

    (source,) = read.metric_sources
    assert source.url == given.get("url", SOURCE["url"])
    assert source.enforces_namespace is given.get("enforcesNamespace", False)


def test_changed_settings_replace_the_pods(render: Render) -> None:
    def checksum(**values: Any) -> str:
        annotations = controller(render(**values))["metadata"]["annotations"]
        return str(annotations["checksum/settings"])

    assert checksum() != checksum(metricSources=[SOURCE])
    assert checksum() == checksum(podLabels={"team": "ml"})


def test_pods_meet_the_restricted_standard(render: Render) -> None:
    objects = render()
    pods = [controller(objects), one(objects, "Job")["spec"]["template"]]
    for pod in pods:
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["runAsUser"] == 65532
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }


def test_two_copies_by_default_with_probes_and_time_to_stop(render: Render) -> None:
    deployment = one(render(), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert deployment["spec"]["replicas"] == 2
    assert pod["terminationGracePeriodSeconds"] == 30
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["args"] == ["controller", "--settings", "/etc/tidegate/settings.yaml"]
    assert {volume["name"] for volume in pod["volumes"]} == {"settings", "tmp"}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"repository": "r/tidegate"}, "r/tidegate:0.1.0"),
        ({"repository": "r/tidegate", "tag": "x"}, "r/tidegate:x"),
        (
            {"repository": "r/tidegate", "digest": "sha256:" + "a" * 64},
            f"r/tidegate@sha256:{'a' * 64}",
        ),
    ],
)
def test_image_reference(render: Render, image: Object, expected: str) -> None:
    [container] = controller(render(image=image))["spec"]["containers"]
    assert container["image"] == expected


def test_crds_are_those_of_the_repository(render: Render, chart: Path) -> None:
    rendered = {
        item["metadata"]["name"]: item for item in of_kind(render(), "CustomResourceDefinition")
    }
    generated = [yaml.safe_load(file.read_text()) for file in (chart / "../../crds").glob("*.yaml")]
    assert rendered.keys() == {item["metadata"]["name"] for item in generated}
    for item in generated:
        assert rendered[item["metadata"]["name"]]["spec"] == item["spec"]


def test_copies_of_the_crds_are_current(chart: Path) -> None:
    def contents(folder: Path) -> dict[str, str]:
        return {file.name: file.read_text() for file in folder.glob("*.yaml")}

    assert contents(chart / "files" / "crds") == contents(chart / "../../crds"), "run make generate"


@pytest.mark.parametrize(("crds", "policy"), [({}, "keep"), ({"keep": False}, None)])
def test_crds_outlive_the_release_only_when_asked(
    render: Render, crds: Object, policy: str | None
) -> None:
    for item in of_kind(render(crds=crds), "CustomResourceDefinition"):
        assert item["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == policy


def test_optional_objects_appear_only_when_asked(render: Render) -> None:
    optional = {"PodDisruptionBudget", "NetworkPolicy", "PodMonitor", "ServiceMonitor", "Service"}
    assert not optional & {item["kind"] for item in render()}
    asked = render(
        podDisruptionBudget={"enabled": True},
        networkPolicy={"enabled": True},
        metrics={"serviceMonitor": {"enabled": True}},
    )
    assert optional - {"PodMonitor"} <= {item["kind"] for item in asked}


def test_a_service_monitor_finds_its_service(render: Render) -> None:
    objects = render(metrics={"serviceMonitor": {"enabled": True}})
    wanted = one(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= one(objects, "Service")["metadata"]["labels"].items()
    pod_labels = controller(objects)["metadata"]["labels"]
    assert one(objects, "Service")["spec"]["selector"].items() <= pod_labels.items()


REFUSED: list[tuple[Object, str]] = [
    ({"replicas": 0}, "/replicas"),
    ({"replica": 2}, "'replica' not allowed"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"image": {"digest": "sha256:abc"}}, "/image/digest"),
    ({"namespaces": ["Not_A_Name"]}, "/namespaces/0"),
    ({"namespaces": "ml"}, "/namespaces"),
    ({"namespaceSelector": ["served"]}, "/namespaceSelector"),
    ({"namespaces": ["ml"], "namespaceSelector": "served=yes"}, "set one of them"),
    ({"namespaceSelector": "served=yes="}, "is no label selector"),
    ({"namespaceSelector": "team in a"}, "is no label selector"),
    ({"namespaceSelector": "served yes"}, "is no label selector"),
    ({"leaderElection": {"retrySeconds": 30}}, "retrySeconds < renewDeadlineSeconds"),
    ({"metricSources": [SOURCE, SOURCE]}, "metricSources[1].name"),
    ({"metricSources": [{"name": "default"}]}, "missing property 'url'"),
    ({"metricSources": [{"name": "default", "url": "prometheus:9090"}]}, "/metricSources/0/url"),
    ({"metricSources": [{**SOURCE, "password": "x"}]}, "'password' not allowed"),
    (
        {"metricSources": [{**SOURCE, "headers": {"X-Auth-Token": "x"}}]},
        "/metricSources/0/headers/X-Auth-Token",
    ),
    (
        {"metricSources": [{**SOURCE, "headers": {"Authorization": "Basic x"}}]},
        "/metricSources/0/headers",
    ),
    ({"metricSources": [{**SOURCE, "queryParameters": {"apikey": "x"}}]}, "queryParameters"),
    ({"metricSources": [{**SOURCE, "enforcesNamespace": True}]}, "/metricSources/0"),
    ({"metricSources": [{**SOURCE, "basicAuth": {"username": "u"}}]}, "passwordFile"),
    ({"metricSources": [{**SOURCE, "clientKeyFile": "/k"}]}, "clientCertificateFile"),
    ({"metricSources": [{**SOURCE, "proxyURL": "http://u:p@x"}]}, "/metricSources/0/proxyURL"),
    (
        {"notificationReceivers": [{"name": "chat", "urlFile": "/a"}] * 2},
        'notificationReceivers[1].name: "chat" occurs twice',
    ),
    ({"hookReceivers": [{"host": "train.example.com"}]}, "missing property 'signingKeyFile'"),
    ({"hookReceivers": [{"host": "https://a", "signingKeyFile": "/k"}]}, "/hookReceivers/0/host"),
    ({"notificationReceivers": [{"name": "chat"}]}, "missing property 'urlFile'"),
    (
        {"notificationReceivers": [{"name": "chat", "url": "https://a", "urlFile": "/u"}]},
        "/notificationReceivers/0",
    ),
    ({"logLevel": "loud"}, "/logLevel"),
    ({"leaderElection": {"leaseDurationSeconds": 1.5}}, "/leaderElection/leaseDurationSeconds"),
    ({"workers": 100_000}, "/workers"),
    ({"admission": {"author": {"action": "Refuse"}}}, "/admission/author/action"),
    (
        {"metrics": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
        "not both",
    ),
    ({"serviceAccount": {"create": False}}, "serviceAccount.name"),
]


@pytest.mark.parametrize(("values", "said"), REFUSED, ids=lambda value: str(value)[:40])
def test_wrong_values_are_refused_with_their_path(
    template: Callable[[Object], Process], values: Object, said: str
) -> None:
    done = template(values)
    assert done.returncode != 0
    assert said in done.stderr


def test_chart_passes_lint(helm: Callable[..., Process], chart: Path) -> None:
    done = helm("lint", "--strict", "--kube-version", "1.34.4", str(chart))
    assert done.returncode == 0, done.stdout + done.stderr


def _model_monitor(render: Render, **values: Any) -> Object:
    found = of_kind(
        render(modelMonitor={"enabled": True, "interval": "1s"}, **values), "PodMonitor"
    )
    [monitor] = [it for it in found if it["metadata"]["name"] == "tidegate-models"]
    return monitor


def test_the_monitor_of_models_is_the_one_that_a_real_prometheus_was_given(render: Render) -> None:
    monitor = _model_monitor(render)

    del monitor["metadata"]["labels"]
    assert monitor == pod_monitor.MODEL_MONITOR


def test_the_monitor_of_models_stays_in_the_operator_s_namespaces(render: Render) -> None:
    monitor = _model_monitor(render, namespaces=["ml", "ml-prod"])

    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["ml", "ml-prod"]}


def test_the_monitor_of_models_carries_the_labels_that_a_prometheus_selects(
    render: Render,
) -> None:
    values = {"enabled": True, "labels": {"release": "kube-prometheus-stack"}}

    [monitor] = of_kind(render(modelMonitor=values), "PodMonitor")

    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert monitor["spec"]["podMetricsEndpoints"][0]["interval"] == "15s"


def test_the_monitor_of_models_names_the_port_that_the_operator_injects(render: Render) -> None:
    [endpoint] = _model_monitor(render)["spec"]["podMetricsEndpoints"]

    assert endpoint["port"] == objects.METRICS_PORT_NAME
    assert len(endpoint["port"]) <= 15  # Kubernetes takes no longer name


def test_the_network_policy_opens_one_port_and_lets_nothing_else_in(render: Render) -> None:
    values = {"enabled": True, "apiServerPorts": [443], "extraEgress": [{"ports": [{"port": 1}]}]}
    objects = render(networkPolicy=values)
    policy = one(objects, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"ports": [{"port": "http"}]}]
    labels = controller(objects)["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    open_to_all = [rule["ports"] for rule in policy["egress"] if "to" not in rule]
    assert [[it["port"] for it in ports] for ports in open_to_all] == [[53, 53], [443], [1]]


def _binding(render: Render, of: str, **values: Any) -> Object:
    bindings = of_kind(render(**values), "ValidatingAdmissionPolicyBinding")
    [binding] = [it for it in bindings if it["metadata"]["name"] == f"tidegate-{of}"]
    spec: Object = binding["spec"]
    return spec


def test_admission_policies_are_there_unless_somebody_takes_them_away(render: Render) -> None:
    def policies(**values: Any) -> set[str]:
        found = of_kind(render(**values), "ValidatingAdmissionPolicy")
        return {it["metadata"]["name"] for it in found}

    both = {"tidegate-operator", "tidegate-approver"}
    ours = {f"tidegate-policies-{it}" for it in POLICY_COPIES}
    assert policies() == {"tidegate-author", *both, *ours}
    off = {"enabled": False}
    assert policies(admission={"author": off, "policies": off}) == both
    every = ("author", "operator", "approver", "policies")
    assert policies(admission=dict.fromkeys(every, off)) == set()


POLICY_COPIES = ("cluster-deny", "cluster-warn", "namespace-deny", "namespace-warn")


@pytest.mark.parametrize("copy", POLICY_COPIES)
def test_what_goes_wrong_in_admission_by_policies_blocks_nobody(render: Render, copy: str) -> None:
    """A kind of policy that is gone, none at all, or an expression that fails: the operator asks again."""
    found = of_kind(render(), "ValidatingAdmissionPolicy")
    [policy] = [it for it in found if it["metadata"]["name"] == f"tidegate-policies-{copy}"]
    assert policy["spec"]["failurePolicy"] == "Ignore"
    [rule] = policy["spec"]["matchConstraints"]["resourceRules"]
    assert rule["resources"] == ["modeldeployments"], "no subresource: neither status nor scale"
    assert "DELETE" not in rule["operations"]
    binding = _binding(render, f"policies-{copy}")
    assert binding["paramRef"] == {"selector": {}, "parameterNotFoundAction": "Allow"}
    assert binding["validationActions"] == (["Deny"] if "deny" in copy else ["Warn", "Audit"])
    assert "matchResources" not in binding
    assert "matchResources" in _binding(render, f"policies-{copy}", namespaces=["ml"])


@pytest.mark.parametrize(
    ("approver", "verified"),
    [({}, True), ({"enabled": False}, False), ({"action": "Warn"}, False)],
)
def test_approvers_are_verified_only_where_the_policy_refuses(
    render: Render, *, approver: Object, verified: bool
) -> None:
    found = settings_of(render(admission={"approver": approver}))
    assert found["approversVerified"] is verified


def test_approvers_are_asked_in_the_namespaces_of_this_operator(render: Render) -> None:
    assert "matchResources" not in _binding(render, "approver")
    assert "matchResources" in _binding(render, "approver", namespaces=["ml"])


def test_authors_can_be_warned_first(render: Render) -> None:
    assert _binding(render, "author")["validationActions"] == ["Deny"]
    warned = _binding(render, "author", admission={"author": {"action": "Warn"}})
    assert warned["validationActions"] == ["Warn"]


def test_authors_are_asked_in_the_namespaces_of_this_operator(render: Render) -> None:
    assert "matchResources" not in _binding(render, "author")
    [wanted] = _binding(render, "author", namespaces=["ml", "ml-prod"])["matchResources"][
        "namespaceSelector"
    ]["matchExpressions"]
    assert wanted["key"] == "kubernetes.io/metadata.name"
    assert (wanted["operator"], wanted["values"]) == ("In", ["ml", "ml-prod"])


def test_the_bound_account_is_the_one_that_the_pods_have(render: Render) -> None:
    for account in ({}, {"create": False, "name": "mine"}):
        objects = render(serviceAccount=account)
        found = of_kind(objects, "ValidatingAdmissionPolicy")
        [policy] = [it for it in found if it["metadata"]["name"] == "tidegate-operator"]
        name = controller(objects)["spec"]["serviceAccountName"]
        [condition] = policy["spec"]["matchConditions"]
        assert f"'system:serviceaccount:tidegate-system:{name}'" in condition["expression"]


def test_each_dashboard_is_in_a_config_map_that_the_sidecar_finds(
    render: Render, chart: Path
) -> None:
    def found(**values: Any) -> dict[str, Object]:
        maps = of_kind(render(dashboards={"enabled": True, **values}), "ConfigMap")
        return {
            it["metadata"]["name"]: it for it in maps if "-dashboard-" in it["metadata"]["name"]
        }

    files = sorted((chart / "files" / "dashboards").glob("*.json"))
    by_default = found()
    assert list(by_default) == [f"tidegate-dashboard-{file.stem}" for file in files]
    for file, one in zip(files, by_default.values(), strict=True):
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert one["metadata"]["annotations"] == {"grafana_folder": "Tidegate"}
        assert one["metadata"]["namespace"] == "tidegate-system"
        assert list(one["data"]) == [f"tidegate-{file.name}"]
        [text] = one["data"].values()
        assert json.loads(text) == json.loads(file.read_text())
    for one in found(namespace="monitoring", label="team/board", labelValue="yes").values():
        assert one["metadata"]["namespace"] == "monitoring"
        assert one["metadata"]["labels"]["team/board"] == "yes"


@pytest.mark.parametrize("values", [{}, {"nameOverride": "rollouts"}])
def test_the_doctor_finds_the_operator_whatever_it_is_called(
    render: Render, values: Object
) -> None:
    labels = one(render(**values), "Deployment")["metadata"]["labels"]
    assert labels["app.kubernetes.io/part-of"] == "tidegate"
    assert labels["app.kubernetes.io/component"] == "controller"
