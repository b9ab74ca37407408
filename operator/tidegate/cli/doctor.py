"""`tidegate doctor`: everything that would stop a rollout, in one table.

The operator's own findings stand in status; what only the cluster knows is asked here. Every check
that needs a right which the caller lacks ends as unknown, never as a problem.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate import model, ports
from tidegate.api import config_maps, convert, crdgen, templates
from tidegate.cli import findings, outcome, render, views
from tidegate.cli.findings import Finding, Grade
from tidegate.cli.kubectl import Console
from tidegate.controller import unserved
from tidegate.controller.plane_kinds import PLANE_KINDS
from tidegate.controller.preflight import Looks, Subject
from tidegate.controller.room import read_room
from tidegate.evidence.terms import Template
from tidegate.evidence.verdict.templates import resolve_templates
from tidegate.revisions import requests
from tidegate.settings import MetricSourceSettings
from tidegate.traffic.plane import plane_of

# Not by name, which the chart's nameOverride sets.
_SELECTOR = "app.kubernetes.io/part-of=tidegate,app.kubernetes.io/component=controller"
_OF_CLUSTER, _OF_OPERATOR = "cluster", "operator"
Right = tuple[str, str, tuple[str, ...]]  # group, resource, verbs
# What the operator does, as the chart's roles allow it.
RIGHTS: tuple[Right, ...] = (
    ("tidegate.dev", "modeldeployments", ("get", "list", "watch", "patch")),
    ("tidegate.dev", "modeldeployments/status", ("patch",)),
    ("tidegate.dev", "metrictemplates", ("get", "list", "watch")),
    ("tidegate.dev", "rolloutrecords", ("get", "list", "watch", "create", "delete")),
    ("tidegate.dev", "rolloutpolicies", ("get", "list", "watch")),
    ("tidegate.dev", "rolloutpolicies/status", ("patch",)),
    ("tidegate.dev", "rolloutapprovals", ("get", "list", "watch")),
    ("tidegate.dev", "rolloutapprovals/status", ("patch",)),
    ("tidegate.dev", "notificationproviders", ("get", "list", "watch")),
    ("tidegate.dev", "notificationproviders/status", ("patch",)),
    ("apps", "controllerrevisions", ("get", "list", "watch", "create", "delete")),
    ("apps", "deployments", ("get", "list", "watch", "create", "patch", "delete")),
    ("", "services", ("get", "list", "watch", "create", "patch", "delete")),
    (
        "autoscaling",
        "horizontalpodautoscalers",
        ("get", "list", "watch", "create", "patch", "delete"),
    ),
    ("discovery.k8s.io", "endpointslices", ("get", "list", "watch")),
    ("", "pods", ("get", "list")),
    ("events.k8s.io", "events", ("create", "patch")),
)
# What it reads of the cluster as a whole. Without its policies all rollouts wait.
CLUSTER_RIGHTS: tuple[Right, ...] = (
    ("tidegate.dev", "clustermetrictemplates", ("get", "list", "watch")),
    ("tidegate.dev", "clusterrolloutpolicies", ("get", "list", "watch")),
    ("coordination.k8s.io", "leases", ("get",)),
    ("", "namespaces", ("get",)),
)
# Where a Gateway has to copy requests.
GATEWAY_RIGHTS: tuple[Right, ...] = (
    (ports.GATEWAY.group, ports.GATEWAY.plural, ("get",)),
    (ports.GATEWAY_CLASS.group, ports.GATEWAY_CLASS.plural, ("get",)),
)
# What it does with objects that only some data planes have, by their kind.
PLANE_RIGHTS: Mapping[str, Right] = {
    name: (
        row.kind.group,
        row.kind.plural,
        ("get", "list", "watch", "create", "patch", "delete"),
    )
    for name, row in PLANE_KINDS.items()
}
PROFILE_RIGHTS = ("", "configmaps", ("get",))  # of training data
JOB_RIGHTS = ("batch", "jobs", ("get", "create", "delete"))  # of smoke tests
# Of shadows that are kept from sending.
POLICY_RIGHTS = ("networking.k8s.io", "networkpolicies", ("list", "create", "delete"))
# Of ConfigMaps that are a part of a revision.
CONFIG_MAP_RIGHTS = ("", "configmaps", ("get", "create", "delete"))
_PARALLEL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What is examined: one object or those of a namespace, and whose operator."""

    namespace: str
    name: str
    operator_namespace: str


async def examine(
    console: Console, where: Where, *, output: str, metrics: ports.MetricSource | None, url: str
) -> int:
    """Print all findings; NEGATIVE when something stops rollouts.

    With `metrics`, which asks the Prometheus at `url` for any source, the looks are made here too.
    """
    bodies = await _bodies(console, where)
    deployment = await _deployment(console, where)
    found = [*await _definitions(console), *await _operator(console, where, deployment)]
    specs = {id(body): _spec(body) for body in bodies}
    kinds = sorted({name for body in bodies for name in _plane_kinds(body, specs[id(body)])})
    more = [PLANE_RIGHTS[kind] for kind in kinds]
    if any(it and it.blue_green and it.blue_green.smoke_test for it in specs.values()):
        more.append(JOB_RIGHTS)
    if any(it and it.shadow and it.shadow.isolated for it in specs.values()):
        more.append(POLICY_RIGHTS)
    if any(it and any(one.training for one in it.analysis.metrics) for it in specs.values()):
        more.append(PROFILE_RIGHTS)
    if any(config_maps.is_asked(body) for body in bodies):
        more.append(CONFIG_MAP_RIGHTS)
    behind = any(PLANE_KINDS[kind].kind.group == ports.GATEWAY.group for kind in kinds)
    wide = (*CLUSTER_RIGHTS, *(GATEWAY_RIGHTS if behind else ()))
    found += await _rights(console, where, deployment, more=more, wide=wide)
    served = await _served(console, kinds)
    found += served
    if all(one.grade is Grade.OK for one in served):
        found += await _gateways(console, where, specs=[it for it in specs.values() if it])
    for body in bodies:
        found += findings.of_object(views.read(body))
        spec = specs[id(body)]
        if spec is not None:
            found.append(await _room(console, body, spec))
        if metrics is not None and spec is not None:
            found += await _looked_at(console, body, spec, metrics=metrics, url=url)
    _print(console, found, output=output)
    stopped = any(it.grade is Grade.PROBLEM for it in found)
    return outcome.NEGATIVE if stopped else outcome.DONE


def _print(console: Console, found: Sequence[Finding], *, output: str) -> None:
    if output == "json":
        console.say(json.dumps({"findings": [it.document() for it in found]}, indent=2))
        return
    rows = [[it.check, it.of, str(it.grade), it.message] for it in found]
    for line in render.table(["CHECK", "OF", "RESULT", "MESSAGE"], rows):
        console.say(line)
    problems = sum(it.grade is Grade.PROBLEM for it in found)
    console.say(f"{problems} of {len(found)} checks would stop a rollout")


async def _bodies(console: Console, where: Where) -> list[ports.Object]:
    kind = ports.MODEL_DEPLOYMENT
    listed = await console.api.list_objects(kind, namespace=where.namespace, label_selector="")
    if not isinstance(listed, ports.Ok):
        if isinstance(listed, ports.Fatal) and listed.reason == "NotServed":
            return []  # told by the check of the kinds
        raise outcome.trouble(listed, doing="list ModelDeployments")
    named = [it for it in listed.value if where.name in {"", it["metadata"]["name"]}]
    if where.name and not named:
        raise outcome.CliError(
            f"there is no ModelDeployment {where.name} in namespace {where.namespace}: "
            "check the name and -n; `tidegate status -A` shows all"
        )
    return sorted(named, key=lambda it: str(it["metadata"]["name"]))


def _spec(body: ports.Object) -> model.Spec | None:
    return convert.read_spec(body)[0]


# --- the cluster ---------------------------------------------------------------------------------


async def _definitions(console: Console) -> list[Finding]:
    found = []
    for wanted in crdgen.DEFINITIONS:
        name = f"{wanted.resource.plural}.{crdgen.GROUP}"
        read = await console.api.get(ports.DEFINITION, namespace="", name=name)
        if isinstance(read, ports.Ok):
            found.append(findings.definition(wanted, read.value))
        else:
            found.append(findings.unknown("kinds", name, read.message))
    return found


async def _operator(
    console: Console, where: Where, deployment: ports.Object | Finding
) -> list[Finding]:
    """The clocks, and who leads by the Lease of this installation, which the chart names."""
    server = await console.api.server_time()
    if isinstance(server, ports.Ok):
        now = server.value
        found = [findings.clocks(local=console.clock.now(), server=now)]
    else:
        now = console.clock.now()
        found = [findings.unknown("clock", "API server", server.message)]
    if isinstance(deployment, Finding):
        return [*found, deployment]
    name = f"{deployment['metadata']['name']}-controller"
    of = f"{where.operator_namespace}/{name}"
    lease = await console.api.get_lease(namespace=where.operator_namespace, name=name)
    if isinstance(lease, ports.Ok):
        return [*found, findings.leader(lease.value, of=of, now=now)]
    return [*found, findings.unknown("operator", of, lease.message)]


async def _rights(
    console: Console,
    where: Where,
    deployment: ports.Object | Finding,
    *,
    more: Sequence[Right],
    wide: Sequence[Right],
) -> list[Finding]:
    """What the operator's account may do: in the examined namespace, these more among it, and cluster-wide."""
    if isinstance(deployment, Finding):
        return [replace(deployment, check="rights", grade=Grade.UNKNOWN)]
    pod = deployment["spec"]["template"]["spec"]
    name = pod.get("serviceAccountName") or "default"
    account = f"system:serviceaccount:{where.operator_namespace}:{name}"
    here = [(where.namespace, *it) for it in (*RIGHTS, *more)]
    asked = [
        (namespace, group, kind, verb)
        for namespace, group, kind, verbs in (*here, *(("", *it) for it in wide))
        for verb in verbs
    ]
    slots = asyncio.Semaphore(_PARALLEL)
    answers = await asyncio.gather(
        *(
            _may(console, slots, account=account, right=(group, kind, verb), namespace=namespace)
            for namespace, group, kind, verb in asked
        )
    )
    failed = next((it for it in answers if isinstance(it, str)), None)
    if failed is not None:
        return [findings.unknown("rights", account, failed)]
    denied = [
        f"{verb} {kind}.{group}".rstrip(".")
        for (_, group, kind, verb), allowed in zip(asked, answers, strict=True)
        if not allowed
    ]
    return [findings.rights(denied, of=account, asked=len(asked))]


async def _deployment(console: Console, where: Where) -> ports.Object | Finding:
    """The operator's Deployment, or why it is not known."""
    namespace = where.operator_namespace
    listed = await console.api.list_objects(
        ports.DEPLOYMENT, namespace=namespace, label_selector=_SELECTOR
    )
    if not isinstance(listed, ports.Ok):
        return findings.unknown("operator", namespace, listed.message)
    if not listed.value:
        message = "nobody leads, no Deployment is there: name its --operator-namespace"
        return findings.problem("operator", namespace, message)
    return listed.value[0]


async def _may(
    console: Console,
    slots: asyncio.Semaphore,
    *,
    account: str,
    right: tuple[str, str, str],
    namespace: str,
) -> bool | str:
    """Whether the account may; a text says why that is not known."""
    group, kind, verb = right
    resource, _, subresource = kind.partition("/")
    attributes = {"namespace": namespace, "group": group, "resource": resource, "verb": verb}
    if subresource:
        attributes["subresource"] = subresource
    body: ports.Object = {
        "apiVersion": ports.ACCESS_REVIEW.api_version,
        "kind": ports.ACCESS_REVIEW.kind,
        "metadata": {},
        "spec": {"user": account, "resourceAttributes": attributes},
    }
    async with slots:
        answer = await console.api.create(ports.ACCESS_REVIEW, namespace="", body=body)
    if not isinstance(answer, ports.Ok):
        return answer.message
    return bool((answer.value.get("status") or {}).get("allowed"))


def _plane_kinds(body: ports.Object, spec: model.Spec | None) -> set[str]:
    """The kinds of other projects that the data plane of this object writes."""
    if spec is None:
        return set()
    named = plane_of(spec.traffic).references(meta=convert.read_meta(body), spec=spec)
    return {one.kind for one in named} & PLANE_KINDS.keys()


async def _served(console: Console, kinds: Sequence[str]) -> list[Finding]:
    """Whether the cluster serves these kinds."""
    found = []
    for name in kinds:
        kind = PLANE_KINDS[name].kind
        served = await console.api.serves(kind)
        if not isinstance(served, ports.Ok):
            found.append(findings.unknown("kinds", name, served.message))
        elif not served.value:
            found.append(findings.problem("kinds", name, unserved.way_out(kind)))
        else:
            found.append(findings.ok("kinds", name, "is served"))
    return found


async def _gateways(
    console: Console, where: Where, *, specs: Sequence[model.Spec]
) -> list[Finding]:
    """The Gateways that routes of ours attach to, and their classes."""
    found: list[Finding] = []
    classes: set[str] = set()
    parents = {
        (parent.namespace or where.namespace, parent.name)
        for spec in specs
        if spec.traffic.gateway is not None
        for parent in spec.traffic.gateway.parents
    }
    for namespace, name in sorted(parents):
        of = f"Gateway {namespace}/{name}"
        read = await console.api.get(ports.GATEWAY, namespace=namespace, name=name)
        if not isinstance(read, ports.Ok):
            found.append(findings.unknown("gateway", of, read.message))
            continue
        found.append(findings.gateway(read.value, of=of))
        if read.value is not None:
            classes.add(str(read.value["spec"]["gatewayClassName"]))
    for name in sorted(classes):
        of = f"GatewayClass {name}"
        read = await console.api.get(ports.GATEWAY_CLASS, namespace="", name=name)
        if isinstance(read, ports.Ok):
            found.append(findings.gateway_class(read.value, of=of))
        else:
            found.append(findings.unknown("gateway", of, read.message))
    return found


async def _room(console: Console, body: ports.Object, spec: model.Spec) -> Finding:
    """Whether the next rollout fits into what quotas and nodes have left, by the rights of who asks."""
    seen = views.read(body)
    found = await read_room(
        console.api,
        namespace=seen.meta.namespace,
        pods=seen.status.replicas,
        with_nodes=bool(requests.devices(spec.template)),
    )
    of = f"{seen.meta.namespace}/{seen.meta.name}"
    if found is None:
        return findings.unknown("room", of, "ResourceQuotas may not be listed by who asks")
    return findings.fits(spec, found, of=of, serves=seen.status.stable is not None)


# --- metrics, asked from here --------------------------------------------------------------------


async def _looked_at(
    console: Console, body: ports.Object, spec: model.Spec, *, metrics: ports.MetricSource, url: str
) -> list[Finding]:
    """What the Prometheus at `url` says of each metric of the revision that serves."""
    seen = views.read(body)
    of, stable = f"{seen.meta.namespace}/{seen.meta.name}", seen.status.stable
    if stable is None:
        return [findings.unknown("evidence", of, "nothing serves yet, so nothing was asked")]
    found = await _templates(console, spec, namespace=seen.meta.namespace)
    modes = {one.source: one.mode for one in seen.status.identity}
    found = {
        name: one
        if one.mode is model.IdentityMode.GATEWAY
        else replace(one, mode=modes.get(one.source, one.mode))
        for name, one in found.items()
    }
    subject = Subject(
        namespace=seen.meta.namespace,
        name=seen.meta.name,
        uid=seen.meta.uid,
        revision=stable.revision,
        metrics=spec.analysis.metrics,
        templates=found,
        server=spec.server.preset,
        data_plane=spec.analysis.data_plane,
        source=spec.analysis.source,
    )
    names = {template.source for template in found.values()} | {spec.analysis.source}
    sources = {name: MetricSourceSettings(name=name, url=url) for name in names}
    rows = await Looks(source=metrics, clock=console.clock, sources=sources).rows(subject)
    return findings.of_metrics(rows, of=f"{of} at {url}", by=url)


async def _templates(
    console: Console, spec: model.Spec, *, namespace: str
) -> Mapping[str, Template]:
    """The template of each metric; one that cannot be read is told by the operator."""
    kinds = {it.kind: it for it in (ports.METRIC_TEMPLATE, ports.CLUSTER_METRIC_TEMPLATE)}
    read: dict[model.TemplateRef, Template] = {}
    for reference in {it.template for it in spec.analysis.metrics if it.template is not None}:
        kind = kinds[reference.kind]
        where = namespace if kind.namespaced else ""
        answer = await console.api.get(kind, namespace=where, name=reference.name)
        body = answer.value if isinstance(answer, ports.Ok) else None
        template = templates.read_template(body)[0] if body is not None else None
        if template is not None:
            read[reference] = template
    sources = {spec.analysis.source: True} | {it.source: True for it in read.values()}
    resolved = resolve_templates(spec, find=read.get, sources=sources)
    return {} if isinstance(resolved, tuple) else resolved
