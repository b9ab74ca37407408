"""CRD manifests from our types (api.md, 2.2 and 2.4).

pydantic and `shapes` write JSON Schema; an API server wants the structural subset of OpenAPI 3.0: everything
in place, no titles, no `null` alternatives, its own spelling of exclusive limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate import model, ports
from tidegate.api import (
    approval_types,
    documents,
    notification_types,
    policy_types,
    schema,
    template_types,
    types,
)
from tidegate.api.shapes.schema import schema_of
from tidegate.api.shapes.shape import Form
from tidegate.api.user_route_types import MODE_IMMUTABLE, ROUTE_KIND_IMMUTABLE

Schema = dict[str, Any]

GROUP = ports.TIDEGATE_GROUP
VERSION = ports.MODEL_DEPLOYMENT.version
PRESERVE = "x-kubernetes-preserve-unknown-fields"
_OWN_WORDS = {"$defs", "title", "default", "propertyNames", schema.BUILT_IN, schema.KEEP_DEFAULT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a CRD says besides its schema."""

    resource: ports.Kind
    short_name: str
    purpose: str
    spec: Schema  # JSON Schema, as pydantic writes it
    status: Schema | None = None
    scale: Mapping[str, str] | None = None
    name_schema: Mapping[str, Any] | None = None
    validations: tuple[Mapping[str, Any], ...] = ()
    columns: tuple[Mapping[str, Any], ...] = ()
    selectable_fields: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Name of the kind."""
        return self.resource.kind


def _column(name: str, path: str, *, kind: str = "string", wide: bool = False) -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"priority": 1} if wide else {})


_IMMUTABLE = {
    schema.VALIDATIONS: [
        {"rule": "self == oldSelf", "message": "a record is never changed: leave it as it is"}
    ]
}
_AGE = _column("Age", ".metadata.creationTimestamp", kind="date")

DEFINITIONS = (
    Definition(
        resource=ports.MODEL_DEPLOYMENT,
        short_name="mdep",
        purpose="One served model and the rules of its rollouts.",
        spec=types.Spec.model_json_schema(),
        status=schema_of(model.Status),
        scale={
            "specReplicasPath": ".spec.workload.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
        name_schema={
            "type": "string",
            "maxLength": types.NAME_MAX_LENGTH,
            "pattern": schema.DNS_LABEL,
        },
        validations=(
            types.ENTRY_SERVICE_IMMUTABLE,
            types.PROVIDER_IMMUTABLE,
            MODE_IMMUTABLE,
            ROUTE_KIND_IMMUTABLE,
        ),
        columns=(
            _column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            _column("Phase", ".status.phase"),
            _column("Step", ".status.rollout.step.name"),
            _column("Weight", ".status.rollout.traffic.candidate", kind="number"),
            _column("Stable", ".status.stable.modelVersion"),
            _column("Candidate", ".status.candidate.modelVersion"),
            _AGE,
            _column("Mirror", ".status.rollout.traffic.mirror", kind="number", wide=True),
            _column("Revision", ".status.desired.revision", wide=True),
            _column("Provider", ".spec.traffic.provider", wide=True),
            _column("Message", ".status.message", wide=True),
        ),
        selectable_fields=(".spec.model.name", ".spec.traffic.provider"),
    ),
    Definition(
        resource=ports.ROLLOUT_RECORD,
        short_name="rrec",
        purpose="How one rollout went; written once by the operator, owned by its ModelDeployment.",
        spec=schema_of(model.RolloutRecord, Form.RECORDED) | _IMMUTABLE,
        columns=(
            _column("Model", ".spec.modelDeployment.name"),
            _column("Revision", ".spec.revision"),
            _column("Result", ".spec.result"),
            _column("By", ".spec.by"),
            _column("Reason", ".spec.reason"),
            _column("Finished", ".spec.finishedAt", kind="date"),
            _column("Version", ".spec.model.version", wide=True),
            _column("Attempt", ".spec.attempt", kind="integer", wide=True),
            _column("Started", ".spec.startedAt", kind="date", wide=True),
        ),
        selectable_fields=(".spec.result", ".spec.revision"),
    ),
    *(
        Definition(
            resource=resource,
            short_name=short_name,
            purpose="How a number is read from a metric source.",
            spec=template_types.Spec.model_json_schema(),
            columns=(
                _column("Type", ".spec.type"),
                _column("Source", ".spec.provider.source"),
                _AGE,
            ),
        )
        for resource, short_name in (
            (ports.METRIC_TEMPLATE, "mtpl"),
            (ports.CLUSTER_METRIC_TEMPLATE, "cmtpl"),
        )
    ),
    *(
        Definition(
            resource=resource,
            short_name=short_name,
            purpose="What rollouts must keep to, and when they may go forward.",
            spec=spec.model_json_schema(),
            status=schema_of(model.PolicyStatus),
            columns=(
                _column("Action", ".spec.enforcementAction"),
                _column("Accepted", '.status.conditions[?(@.type=="Accepted")].status'),
                _column("Closed", ".status.freeze.closed", kind="boolean"),
                _column("Matched", ".status.matchedModelDeployments", kind="integer"),
                _column("Violating", ".status.violatingModelDeployments", kind="integer"),
                _AGE,
            ),
        )
        for resource, short_name, spec in (
            (ports.ROLLOUT_POLICY, "rpol", policy_types.PolicySpec),
            (ports.CLUSTER_ROLLOUT_POLICY, "crpol", policy_types.ClusterPolicySpec),
        )
    ),
    Definition(
        resource=ports.ROLLOUT_APPROVAL,
        short_name="rap",
        purpose="One person's decision about one gate of one rollout.",
        spec=approval_types.Spec.model_json_schema() | approval_types.IMMUTABLE,
        status=schema_of(model.ApprovalStatus),
        columns=(
            _column("Model", ".spec.modelDeployment"),
            _column("Revision", ".spec.revision"),
            _column("Gate", ".spec.gate"),
            _column("Decision", ".spec.decision"),
            _column("By", ".spec.approver.username"),
            _column("Counts", '.status.conditions[?(@.type=="Counts")].status'),
            _column("Reason", '.status.conditions[?(@.type=="Counts")].reason'),
            _AGE,
            _column("Comment", ".spec.comment", wide=True),
        ),
        selectable_fields=(".spec.modelDeployment",),
    ),
    Definition(
        resource=ports.NOTIFICATION_PROVIDER,
        short_name="nprov",
        purpose="Where news of the rollouts of a namespace goes.",
        spec=notification_types.Spec.model_json_schema(),
        status=schema_of(model.NotificationStatus),
        columns=(
            _column("Type", ".spec.type"),
            _column("Accepted", '.status.conditions[?(@.type=="Accepted")].status'),
            _column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            _column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
            _column("Delivered", ".status.delivered", kind="integer"),
            _AGE,
            _column("Severity", ".spec.minSeverity", wide=True),
        ),
    ),
)


def manifests() -> dict[str, str]:
    """File name to YAML text, one CRD each; equal input gives equal bytes."""
    return {f"{it.resource.plural}.yaml": documents.dump(manifest(it)) for it in DEFINITIONS}


def write(folder: Path) -> None:
    """Write the manifests into a folder that exists."""
    for name, text in manifests().items():
        (folder / name).write_text(text, encoding="utf-8")


def manifest(definition: Definition) -> Schema:
    """The CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{definition.resource.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": definition.kind,
                "listKind": f"{definition.kind}List",
                "plural": definition.resource.plural,
                "singular": definition.kind.lower(),
                "shortNames": [definition.short_name],
                "categories": ["ml", "tidegate"],
            },
            "scope": "Namespaced" if definition.resource.namespaced else "Cluster",
            "versions": [_version(definition)],
        },
    }


def _version(definition: Definition) -> Schema:
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": object_schema(definition)},
        "additionalPrinterColumns": [dict(column) for column in definition.columns],
    }
    if definition.status:
        version["subresources"] = {"status": {}}
    if definition.scale:
        version["subresources"]["scale"] = dict(definition.scale)
    if definition.selectable_fields:
        version["selectableFields"] = [{"jsonPath": it} for it in definition.selectable_fields]
    return version


def object_schema(definition: Definition) -> Schema:
    """The structural schema of whole objects of a kind."""
    metadata: Schema = {"type": "object"}
    if definition.name_schema:
        metadata["properties"] = {"name": dict(definition.name_schema)}
    properties: Schema = {
        "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
        "kind": {"type": "string", "description": f"{definition.kind}."},
        "metadata": metadata,
        "spec": structural(definition.spec),
    }
    if definition.status:
        properties["status"] = structural(definition.status)
    result: Schema = {
        "description": definition.purpose,
        "type": "object",
        "required": ["spec"],
        "properties": properties,
    }
    if definition.validations:
        result[schema.VALIDATIONS] = [dict(rule) for rule in definition.validations]
    return result


def structural(document: Schema) -> Schema:
    """A JSON Schema as an API server takes it."""
    return _structural(document, definitions=document.get("$defs", {}))


def resolved(node: Schema, *, definitions: Schema) -> Schema:
    """A node with its reference and its `null` alternative replaced by what they stand for."""
    siblings = {key: value for key, value in node.items() if key not in {"$ref", "anyOf"}}
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
    elif "anyOf" in node:
        (target,) = (it for it in node["anyOf"] if it != {"type": "null"})
    else:
        return node
    return resolved(target, definitions=definitions) | siblings


def default_text(node: Schema) -> str:
    """The built-in default in words; empty where there is none."""
    if schema.BUILT_IN in node:
        return str(node[schema.BUILT_IN])
    default = node.get("default")
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if isinstance(default, str | int) else ""


def _structural(node: Schema, *, definitions: Schema) -> Schema:
    node = resolved(node, definitions=definitions)
    result: Schema = {}
    if description := _description(node):
        result["description"] = description
    for key, value in node.items():
        if key not in _OWN_WORDS and key != "description":
            result |= _translated(key, value, definitions=definitions)
    if node.get(schema.KEEP_DEFAULT):
        result["default"] = node["default"]
    return result


def _description(node: Schema) -> str:
    text, default = node.get("description", ""), default_text(node)
    return f"{text} Default: {default}." if text and default else text


def _translated(key: str, value: Any, *, definitions: Schema) -> Schema:
    match key:
        case "properties":
            return {key: {it: _structural(value[it], definitions=definitions) for it in value}}
        case "items":
            return {key: _structural(value, definitions=definitions)}
        case "additionalProperties" if isinstance(value, bool):
            return {PRESERVE: True} if value else {}
        case "additionalProperties":
            return {key: _structural(value, definitions=definitions)}
        case "patternProperties":  # structural schemas know no patterns of keys: checked by us
            (inner,) = value.values()
            return _translated("additionalProperties", inner, definitions=definitions)
        case "const":
            return {"enum": [value]}
        case "exclusiveMinimum":
            return {"minimum": value, key: True}
        case "exclusiveMaximum":
            return {"maximum": value, key: True}
        case _:
            return {key: value}
