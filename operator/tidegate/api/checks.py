"""What the schema cannot see: conditions across distant fields and the operator's settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tidegate import model
from tidegate.api import capacity_checks, mirror_checks, revision, schema, smoke_test_types, types
from tidegate.api.revision import mapping
from tidegate.evidence.verdict.arms import limits_of
from tidegate.evidence.verdict.templates import NOT_FOUND
from tidegate.model import objects
from tidegate.rollout.strategy.compile import field_of, plan_of, routes_field_of
from tidegate.settings import MetricSourceSettings
from tidegate.traffic.plane import plane_of, second_reference
from tidegate.traffic.refusals import refusals

_NAME = re.compile(schema.DNS_LABEL)
_SERVICE_NAME_LENGTH = 63


def name_violations(body: Mapping[str, Any]) -> tuple[model.Violation, ...]:
    """A name that pods and Services of its revisions could not carry (V1)."""
    name = mapping(body.get("metadata")).get("name")
    if isinstance(name, str) and _NAME.fullmatch(name) and len(name) <= types.NAME_MAX_LENGTH:
        return ()
    message = (
        "must start with a letter, consist of lower-case letters, digits and dashes, end with a "
        f"letter or digit, and have at most {types.NAME_MAX_LENGTH} characters: rename the object"
    )
    return (model.Violation(path="metadata.name", message=message),)


def spec_violations(
    spec: model.Spec,
    *,
    given: types.Spec,
    body: Mapping[str, Any],
    sources: Mapping[str, MetricSourceSettings] | None,
) -> tuple[model.Violation, ...]:
    """Everything wrong with a spec whose objects are each well formed."""
    return (
        *_entry_service_taken(spec, body=body),
        *_second_service_too_long(spec),
        *_preview_service_taken(spec, body=body),
        *_preview_never_proven(spec),
        *smoke_test_types.violations(body),
        *_port_not_declared(spec, given=given),
        *_port_name_taken(spec),
        *_unsupported_by_provider(spec),
        *mirror_checks.violations(spec),
        *capacity_checks.violations(spec),
        *_source_unknown(spec, sources=sources),
    )


def _entry_service_taken(spec: model.Spec, *, body: Mapping[str, Any]) -> Iterable[model.Violation]:
    yield from _of_a_revision(spec.service.name, path="spec.service.name", body=body)


def _of_a_revision(
    service: str, *, path: str, body: Mapping[str, Any]
) -> Iterable[model.Violation]:
    name = mapping(body.get("metadata")).get("name")
    if re.fullmatch(f"{re.escape(str(name))}-[0-9a-f]{{{revision.DIGITS}}}", service):
        yield model.Violation(
            path=path,
            message=(
                f"{service} has the form of a revision's own Service "
                f"({name}-<revision>): choose another name"
            ),
        )


def _second_service_too_long(spec: model.Spec) -> Iterable[model.Violation]:
    """Routes of the user name a second Service of ours, which has a longer name."""
    name = second_reference(spec).name
    if spec.traffic.routes and len(name) > _SERVICE_NAME_LENGTH:
        yield model.Violation(
            path="spec.service.name",
            message=(
                f"the Service for candidates would be called {name}, which is longer than "
                f"{_SERVICE_NAME_LENGTH} characters: choose a shorter name"
            ),
        )


def _preview_service_taken(
    spec: model.Spec, *, body: Mapping[str, Any]
) -> Iterable[model.Violation]:
    if spec.blue_green is None:
        return
    path, name = "spec.strategy.blueGreen.preview.serviceName", spec.blue_green.preview_service
    yield from _of_a_revision(name, path=path, body=body)
    if name == spec.service.name:
        message = f"{name} is the Service that clients use: choose another name for the preview"
        yield model.Violation(path=path, message=message)


def _preview_never_proven(spec: model.Spec) -> Iterable[model.Violation]:
    """Without copies nobody is compared in a preview: without a limit its requests prove nothing."""
    asked = spec.blue_green
    limited, _ = limits_of(spec.analysis)
    by_limits = asked is not None and not asked.mirror_percent and asked.min_requests > 0
    if by_limits and not limited:
        message = (
            "no metric has an absolute limit that a preview could be held to: give one a threshold "
            "in spec.analysis.metrics, or set minRequests to 0"
        )
        yield model.Violation(
            path="spec.strategy.blueGreen.prePromotion.minRequests", message=message
        )


def _port_not_declared(spec: model.Spec, *, given: types.Spec) -> Iterable[model.Violation]:
    declared = _declared_ports(spec.template)
    if not declared:
        return  # declaring ports is optional; then the spec's word counts
    target, port = spec.service.target_port, spec.server.port
    if port not in declared:
        yield _missing_port("spec.server.port", port, declared=declared)
    if given.service.target_port and target not in declared:
        yield _missing_port("spec.service.targetPort", target, declared=declared)


def _port_name_taken(spec: model.Spec) -> Iterable[model.Violation]:
    """All Services target this name, so that it must say where requests go."""
    named = [it for it in _port_entries(spec.template) if it.get("name") == objects.PORT_NAME]
    if any(it.get("containerPort") != spec.service.target_port for it in named):
        yield model.Violation(
            path="spec.workload.template.spec.containers",
            message=(
                f"the port name {objects.PORT_NAME} is reserved for the port that answers requests "
                f"({spec.service.target_port}): choose another name"
            ),
        )


def _missing_port(path: str, port: int, *, declared: set[int]) -> model.Violation:
    ports = ", ".join(str(it) for it in sorted(declared))
    return model.Violation(
        path=path,
        message=(
            f"is {port}, but no container declares that port (declared: {ports}): "
            "set it to a declared one, or add it to the ports of a container"
        ),
    )


def _declared_ports(template: model.Document) -> set[int]:
    ports = (entry.get("containerPort") for entry in _port_entries(template))
    return {port for port in ports if isinstance(port, int)}


def _port_entries(template: model.Document) -> list[Mapping[str, Any]]:
    pod = mapping(template.get("spec"))
    # Long-running sidecars stand among the init containers.
    containers = [*_items(pod.get("containers")), *_items(pod.get("initContainers"))]
    return [entry for container in containers for entry in _items(container.get("ports"))]


def _items(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; the rest of the pod spec is only checked by the API server."""
    return [mapping(item) for item in value] if isinstance(value, list) else []


def _unsupported_by_provider(spec: model.Spec) -> Iterable[model.Violation]:
    mode = " with mode Existing" if spec.traffic.routes else ""
    return refusals(
        plan_of(spec),
        plane_of(spec.traffic).capabilities,
        scaling=spec.scaling,
        provider=f"{spec.traffic.provider}{mode}",
        path_of=field_of,
        routes_of=routes_field_of,
    )


def _source_unknown(
    spec: model.Spec, *, sources: Mapping[str, MetricSourceSettings] | None
) -> Iterable[model.Violation]:
    if sources is None or spec.analysis.source in sources:
        return
    known = ", ".join(sorted(sources)) or "none"
    yield model.Violation(
        path="spec.analysis.source",
        message=(
            f"{spec.analysis.source} is not a metric source of this operator, or not open to this "
            f"namespace (known: {known}): name one of these, or ask the administrator for it"
        ),
        reason=NOT_FOUND,
    )
