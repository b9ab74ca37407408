"""What the shape of our API and of our code rules out (docs/security.md)."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendered import REVISION, deployment, rendered_service
from traffic_examples import (
    CONTOUR_SPEC,
    GATEWAY_SPEC,
    ISTIO_SPEC,
    META,
    NGINX_SPEC,
    SPEC,
    TRAEFIK_SPEC,
    target,
)

from tidegate import model, settings
from tidegate.api import frozen
from tidegate.controller.documents import plain
from tidegate.revisions import autoscaler, isolation, render, smoke_test
from tidegate.traffic.plane import plane_of

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "operator" / "tidegate"
CRDS = [yaml.safe_load(file.read_text()) for file in sorted((ROOT / "crds").glob("*.yaml"))]
VALUES = json.loads((ROOT / "charts/tidegate/values.schema.json").read_text())
SOURCES = {
    str(file.relative_to(PACKAGE)): ast.parse(file.read_text())
    for file in sorted(PACKAGE.rglob("*.py"))
}


def fields(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Paths of all properties below a schema."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields(inner, f"{path}.{name}")
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from fields(inner, f"{path}[]")


def asked_for() -> set[str]:
    """Every field that a user can write, as `Kind.spec.path`."""
    return {
        f"{crd['spec']['names']['kind']}.spec{path}"
        for crd in CRDS
        if crd["spec"]["names"]["kind"] != "RolloutRecord"  # only the operator writes those
        for path in fields(
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        )
    }


def named(pattern: str) -> set[str]:
    """The fields whose last part is like this."""
    return {it for it in asked_for() if re.search(pattern, it.rsplit(".", 1)[1])}


def called(tree: ast.AST) -> set[str]:
    return {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    }


def imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {it.name for it in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def everything_made() -> list[model.Document]:
    """One of each object that is made of a ModelDeployment."""
    job = model.SmokeTestJob(template={"spec": {}}, timeout_seconds=60.0, backoff_limit=0)
    limits = model.Autoscaler(least=1, most=2, cpu_percent=80)
    frozen_revision = render.freeze(META, SPEC, REVISION)
    routes = (model.RouteRef(kind="HTTPRoute", name="shop"),)
    existing = dataclasses.replace(
        SPEC, traffic=dataclasses.replace(GATEWAY_SPEC.traffic, gateway=None, routes=routes)
    )
    shadowed = target(GATEWAY_SPEC, mirror_percent=50.0)
    return [
        deployment(),
        rendered_service(),
        frozen.write_revision(META, frozen_revision),
        smoke_test.render(META, name="smoke", revision=REVISION, asked=job),
        autoscaler.render(META, revision=REVISION.hash, limits=limits),
        isolation.render(META, revision=REVISION, allow=()),
        *(it.body for it in plane_of(shadowed.spec.traffic).documents(shadowed)),
        *(
            it.body
            for spec in (SPEC, CONTOUR_SPEC, ISTIO_SPEC, TRAEFIK_SPEC, NGINX_SPEC, existing)
            for it in plane_of(spec.traffic).documents(target(spec))
        ),
    ]


def test_t1_whatever_is_made_stays_in_the_namespace_of_its_model_deployment() -> None:
    """So quotas and Pod Security of that namespace apply to it."""
    made = everything_made()
    assert len(made) > 13
    for body in made:
        assert plain(body)["metadata"]["namespace"] == META.namespace, body["kind"]


def test_t2_another_namespace_can_be_named_only_where_its_owner_has_to_agree() -> None:
    """A Gateway by its allowedRoutes, an HTTPProxy by including ours.

    A Gateway of Istio by the namespaces in its hosts, where it names any: it takes all otherwise.

    Whom a shadow may send to is no reference: it opens nobody's door but that of its own pods. A
    ClusterRolloutPolicy is the administrator's. How many rollouts there may be per namespace is a number.
    """
    traffic, strategy = "ModelDeployment.spec.traffic", "ModelDeployment.spec.strategy"
    of_tenants = {it for it in named("[nN]amespace") if not it.startswith("Cluster")}
    assert of_tenants == {
        f"{strategy}.shadow.egress.allow[].to[].namespaceSelector",
        f"{traffic}.gatewayAPI.parentRefs[].namespace",
        f"{traffic}.contour.includedBy.namespace",
        f"{traffic}.istio.gateways[].namespace",
        "RolloutPolicy.spec.constraints.maxConcurrentRollouts.perNamespace",
    }


def test_t4_no_address_is_called_that_an_object_names_alone() -> None:
    """`uri` is handed to the pods and never opened by us; host names are those of routes.

    Hooks and news go only to hosts that the administrator lists (test_hooks).
    """
    model_ = "ModelDeployment.spec.model"
    traffic = "ModelDeployment.spec.traffic"
    assert named("(?i)url|uri$|host|endpoint|address|proxy|fqdn|webhook") == {
        f"{model_}.uri",
        f"{model_}.artifacts[].uri",
        "ModelDeployment.spec.monitoring.onDrift.hook.url",
        f"{traffic}.gatewayAPI.hostnames",
        f"{traffic}.contour.fqdn",
        f"{traffic}.istio.hosts",
        f"{traffic}.nginx.host",
        "NotificationProvider.spec.url",
    }


@pytest.mark.parametrize("path", SOURCES)
def test_t6_t10_nothing_that_is_read_is_run(path: str) -> None:
    tree = SOURCES[path]
    assert not called(tree) & {"eval", "exec", "__import__", "system", "popen", "Popen"}
    heads = {name.split(".")[0] for name in imported(tree)}
    assert not heads & {"pickle", "marshal", "shelve", "dill", "jinja2", "subprocess", "pip"}


def test_t10_modules_are_loaded_by_fixed_names() -> None:
    """The lazy names of the evidence package, and the command of the probe in the CLI."""
    loading = {path for path, tree in SOURCES.items() if "importlib" in imported(tree)}
    assert loading == {"evidence/__init__.py", "cli/main.py"}


def test_t6_yaml_is_read_without_objects() -> None:
    reading = {path for path, tree in SOURCES.items() if "yaml" in imported(tree)}
    assert reading == {"api/documents.py"}
    loaders = [
        ast.unparse(base)
        for node in ast.walk(SOURCES["api/documents.py"])
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    ]
    assert {it for it in loaders if it.startswith("yaml.")} == {
        "yaml.SafeDumper",
        "yaml.SafeLoader",
    }


def test_t12_the_operator_acts_in_its_own_name_only() -> None:
    """So no empty name can fall back to its rights."""
    for path, tree in SOURCES.items():
        texts = {it.value for it in ast.walk(tree) if isinstance(it, ast.Constant)}
        assert not [it for it in texts if isinstance(it, str) and "impersonate" in it.lower()], path


def test_t13_no_file_can_be_named_by_an_object() -> None:
    assert named("(^file|File|[dD]irectory|[mM]ount.*)$") == set()


def test_t13_no_switch_turns_the_check_of_certificates_off() -> None:
    pattern = "(?i)insecure|skip.*verif|verify.*(tls|ssl|certificate)"
    assert named(pattern) == set()
    assert not [it for it in fields(VALUES) if re.search(pattern, it)]
    known = {it.name for it in dataclasses.fields(settings.MetricSourceSettings)}
    assert "ca_file" in known
    assert not [it for it in known if re.search(pattern, it)]
