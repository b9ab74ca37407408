"""Edits of the spec as storms draw them: every field, with values that can be carried out and others.

An edit stays, or it is undone a while later, as people do who see that something went wrong. What
makes another revision, or cannot be carried out, is always undone: a play has to come to rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.sim.fields import Object

_ABSENT = object()
OTHER_GATEWAY = {"name": "other", "namespace": "gateways"}
GATEWAY = {"name": "inference", "namespace": "gateways"}
SERVER = {"name": "server", "image": "mlserver:2"}
HEADERS = {
    "type": "RequestHeaderModifier",
    "requestHeaderModifier": {"set": [{"name": "x-model", "value": "iris"}]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One field with a new value. `stays` says that it may be left; `plane` that it needs a route."""

    path: tuple[str, ...]
    value: Any
    stays: bool = False
    plane: bool = False


def _analysis(**values: Any) -> dict[str, Edit]:
    return {f"analysis.{k}={v}": Edit(path=("analysis", k), value=v) for k, v in values.items()}


EDITS: dict[str, Edit] = {
    "model.name": Edit(path=("model", "name"), value="iris-renamed"),
    "model.version=''": Edit(path=("model", "version"), value=""),
    "model.uri": Edit(path=("model", "uri"), value="s3://elsewhere/iris"),
    "server.preset=Triton": Edit(path=("server", "preset"), value="Triton"),
    "server.preset=nothing": Edit(path=("server", "preset"), value="NoSuchServer"),
    "server.port=0": Edit(path=("server", "port"), value=0),
    "server.metricsPort": Edit(path=("server", "metricsPort"), value=9100),
    "server.metricsPath": Edit(path=("server", "metricsPath"), value="/prom"),
    "server.readyPath=off": Edit(path=("server", "readyPath"), value=""),
    "workload.replicas=text": Edit(path=("workload", "replicas"), value="many"),
    "workload.replicas=-1": Edit(path=("workload", "replicas"), value=-1),
    "workload.template=empty": Edit(path=("workload", "template"), value={}),
    "workload.template=image": Edit(
        path=("workload", "template"), value={"spec": {"containers": [SERVER]}}
    ),
    "service.port": Edit(path=("service", "port"), value=8000, stays=True),
    "service.port=text": Edit(path=("service", "port"), value="http"),
    "service.targetPort": Edit(path=("service", "targetPort"), value=8080, stays=True),
    "service.targetPort=closed": Edit(path=("service", "targetPort"), value=70000),
    "service.appProtocol": Edit(path=("service", "appProtocol"), value="http", stays=True),
    "traffic.provider=nothing": Edit(path=("traffic", "provider"), value="Carrier"),
    "traffic.verify": Edit(path=("traffic", "verify"), value={"timeout": "1m"}, stays=True),
    "traffic.hostnames": Edit(
        path=("traffic", "gatewayAPI", "hostnames"),
        value=["iris.example.com"],
        stays=True,
        plane=True,
    ),
    "traffic.hostnames=wrong": Edit(
        path=("traffic", "gatewayAPI", "hostnames"), value=["not a host"], plane=True
    ),
    "traffic.parentRefs": Edit(
        path=("traffic", "gatewayAPI", "parentRefs"), value=[OTHER_GATEWAY], stays=True, plane=True
    ),
    "traffic.parentRefs=two": Edit(
        path=("traffic", "gatewayAPI", "parentRefs"),
        value=[GATEWAY, OTHER_GATEWAY],
        stays=True,
        plane=True,
    ),
    "traffic.parentRefs=none": Edit(
        path=("traffic", "gatewayAPI", "parentRefs"), value=[], plane=True
    ),
    "traffic.matches": Edit(
        path=("traffic", "gatewayAPI", "matches"),
        value=[{"path": {"type": "PathPrefix", "value": "/v2"}}],
        stays=True,
        plane=True,
    ),
    "traffic.timeouts": Edit(
        path=("traffic", "gatewayAPI", "timeouts"), value={"request": "2m"}, stays=True, plane=True
    ),
    "traffic.filters": Edit(
        path=("traffic", "gatewayAPI", "filters"), value=[HEADERS], stays=True, plane=True
    ),
    "strategy.type=nothing": Edit(path=("strategy", "type"), value="Guess"),
    "strategy.scaling": Edit(
        path=("strategy", "scaling"), value={"maxSurgePercent": 25}, stays=True
    ),
    "strategy.scaling=wrong": Edit(
        path=("strategy", "scaling"), value={"maxUnavailablePercent": 500}
    ),
    "strategy.scaleDownDelay": Edit(path=("strategy", "scaleDownDelay"), value="4s", stays=True),
    "strategy.steps=none": Edit(path=("strategy", "canary"), value={"steps": []}),
    "strategy.steps=falling": Edit(
        path=("strategy", "canary"),
        value={"steps": [{"name": "b", "weight": 50}, {"name": "a", "weight": 5}]},
    ),
    "analysis.metrics=none": Edit(path=("analysis", "metrics"), value=[]),
    "analysis.metrics=wrong": Edit(
        path=("analysis", "metrics"), value=[{"name": "x", "preset": "no-such-preset"}]
    ),
    **_analysis(interval="7s", warmup="3s", settle="2s", window="20s", minRequests=1000),
    **_analysis(noDataTimeout="2m", errorLimit=6, onInconclusive="Promote", futureField=1),
    "rollback.window": Edit(path=("rollback",), value={"window": {"revisions": 2}}, stays=True),
    "rollback=text": Edit(path=("rollback",), value="soon"),
    "progressDeadline": Edit(path=("progressDeadline",), value="90s", stays=True),
    "progressDeadline=wrong": Edit(path=("progressDeadline",), value="a while"),
    "revisionHistoryLimit": Edit(path=("revisionHistoryLimit",), value=3, stays=True),
    "revisionHistoryLimit=-1": Edit(path=("revisionHistoryLimit",), value=-1),
    "paused=text": Edit(path=("paused",), value="perhaps"),
    "everything=text": Edit(path=("traffic",), value="unreadable"),
}


def edited(spec: Object, edit: Edit) -> Object:
    """The member of the spec that an edit changes, with its new value."""
    return {edit.path[0]: _with(spec.get(edit.path[0]), edit.path[1:], edit.value)}


def undone(spec: Object, edit: Edit, *, before: Object) -> Object:
    """The same member with the field as it was, whatever others changed beside it meanwhile."""
    value: Any = before
    for name in edit.path:
        value = value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT
    if value is _ABSENT and len(edit.path) == 1:
        return {edit.path[0]: None}
    return {edit.path[0]: _with(spec.get(edit.path[0]), edit.path[1:], value)}


def _with(value: Any, path: tuple[str, ...], wanted: Any) -> Any:
    if not path:
        return wanted
    copy = dict(value) if isinstance(value, dict) else {}
    if len(path) == 1 and wanted is _ABSENT:
        copy.pop(path[0], None)
    else:
        copy[path[0]] = _with(copy.get(path[0]), path[1:], wanted)
    return copy
