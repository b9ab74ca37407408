"""`tidegate check`: ModelDeployments of files held against the policies beside them.

It is the evaluation that the operator asks before every step, on the rollout that would begin now.
Source: api.md, 9.3; docs/adr/0086.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tidegate import model, ports
from tidegate.api import convert, policies, workload_ref
from tidegate.api.defaults import applied, unsaid
from tidegate.api.revision import mapping
from tidegate.cli import offline, outcome, policy_views
from tidegate.cli.outcome import CliError
from tidegate.cli.render import escaped, table
from tidegate.policy import defaults, exemptions, judge
from tidegate.policy.case import Case
from tidegate.policy.selectors import Place, placed, selected
from tidegate.rollout.strategy.compile import plan_of

Say = Callable[[str], None]
Body = Mapping[str, Any]
# Written by the API server on every namespace (well-known labels of Kubernetes).
_NAME_LABEL = "kubernetes.io/metadata.name"
_DEPLOYMENT = "Deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One ModelDeployment, the policies that apply to it, and what they have against it.

    `problem` is what the files lack to judge it.
    """

    namespace: str
    name: str
    policies: tuple[str, ...] = ()
    found: model.PolicyVerdict = field(default_factory=model.PolicyVerdict)
    defaults: tuple[model.DefaultValue, ...] = ()
    problem: str = ""

    @property
    def forbidden(self) -> bool:
        """It would not go forward, however long one waits."""
        enforce = model.EnforcementAction.ENFORCE
        broken = any(it.action is enforce for it in self.found.violations)
        return broken or bool(self.found.conflict or self.problem)


def check(names: Sequence[str], *, namespace: str, output: str, now: datetime, say: Say) -> int:
    """Say for each ModelDeployment of the files what their policies have against its next rollout.

    Objects without a namespace are taken as of `namespace`.
    Result: NEGATIVE where one is invalid or an enforced rule is not kept, else DONE. A window that
    is closed at the moment ends by itself, and is only told.
    Errors: CliError for what cannot be read, and when there is no ModelDeployment.
    """
    given = list(offline.texts(names))
    invalid = [it.line for file, text in given for it in offline.check_text(file, text).findings]
    files = Files.of([text for _, text in given], namespace=namespace)
    if not files.deployments and not invalid:
        raise CliError(f"no ModelDeployment in {', '.join(names)}: nothing was checked")
    checked = [it for body in files.deployments if (it := files.checked(body, now=now))]
    if output == "json":
        items = [_as_document(it) for it in checked]
        say(json.dumps({"invalid": invalid, "modelDeployments": items}, indent=2))
    else:
        for line in (*invalid, *_as_text(checked)):
            say(line)
    forbidden = any(it.forbidden for it in checked)
    return outcome.NEGATIVE if invalid or forbidden else outcome.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The objects of all files, each in its namespace."""

    objects: tuple[Body, ...]

    @staticmethod
    def of(texts: Sequence[bytes], *, namespace: str) -> Files:
        """All objects; a file that cannot be read has none."""
        read = [offline.objects_of(text) for text in texts]
        bodies = [mapping(it) for found in read if not isinstance(found, str) for it in found]
        return Files(objects=tuple(_housed(body, namespace=namespace) for body in bodies))

    @property
    def deployments(self) -> list[Body]:
        """The ModelDeployments, in their order."""
        return self._of_kind(ports.MODEL_DEPLOYMENT.kind)

    def checked(self, body: Body, *, now: datetime) -> Checked | None:
        """What policies say of one of them; None where it cannot be read at all."""
        meta = convert.read_meta(body)
        apply = self.policies_of(body)
        known = Checked(
            namespace=meta.namespace, name=meta.name, policies=tuple(it.id for it in apply)
        )
        whole = self._whole(body) if apply else body
        if isinstance(whole, str):
            return replace(known, problem=whole)
        values = unsaid(defaults.merged(apply), whole)
        spec, _ = convert.read_spec(applied(values, whole))
        if spec is None:
            return None
        known = replace(known, defaults=values)
        case = Case(spec=spec, plan=plan_of(spec))
        bound = exemptions.binding(apply, namespace=meta.namespace, name=meta.name, at=now)
        return replace(known, found=judge.judge(bound, case, at=now))

    def policies_of(self, body: Body) -> tuple[model.Policy, ...]:
        """Those that apply to it, as the operator would find them in a cluster."""
        namespace, labels = _namespace(body), _labels(body)
        near = self._read(ports.ROLLOUT_POLICY.kind, namespace=namespace)
        far = self._read(ports.CLUSTER_ROLLOUT_POLICY.kind)
        here = placed(far, self._place(namespace))
        return selected((*here, *near), labels)

    def _read(self, kind: str, *, namespace: str = "") -> list[model.Policy]:
        bodies = [it for it in self._of_kind(kind) if namespace in {"", _namespace(it)}]
        return sorted((policies.read_policy(it)[0] for it in bodies), key=lambda it: it.name)

    def _place(self, namespace: str) -> Place:
        for body in self._of_kind(ports.NAMESPACE.kind):
            if mapping(body.get("metadata")).get("name") == namespace:
                return Place(labels={_NAME_LABEL: namespace, **_labels(body)})
        return Place.unknown(namespace, "add its Namespace to the files")

    def _whole(self, body: Body) -> Body | str:
        """With the pod template that it refers to; in words what is missing."""
        name = workload_ref.source_name(body)
        if not name:
            return body
        source = next(
            (
                it
                for it in self._of_kind(_DEPLOYMENT)
                if (_namespace(it), mapping(it.get("metadata")).get("name"))
                == (_namespace(body), name)
            ),
            None,
        )
        if source is None:
            return (
                f"{workload_ref.PATH}: add Deployment {name} to the files: its pods are judged, too"
            )
        made = workload_ref.with_template(body, source)
        return made.message if isinstance(made, model.Violation) else made

    def _of_kind(self, kind: str) -> list[Body]:
        return [it for it in self.objects if it.get("kind") == kind]


def _housed(body: Body, *, namespace: str) -> Body:
    metadata = mapping(body.get("metadata"))
    return {**body, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}


def _namespace(body: Body) -> str:
    return str(mapping(body.get("metadata")).get("namespace", ""))


def _labels(body: Body) -> dict[str, str]:
    given = mapping(mapping(body.get("metadata")).get("labels"))
    return {str(key): str(value) for key, value in given.items()}


# --- what is said --------------------------------------------------------------------------------


def _as_text(checked: Sequence[Checked]) -> list[str]:
    heads = ["MODELDEPLOYMENT", *policy_views.HEADS]
    rows = [
        [_place_of(it), *policy_views.cells(one)] for it in checked for one in it.found.violations
    ]
    lines = table(heads, rows) if rows else []
    rows = [
        [_place_of(it), *policy_views.default_cells(one)] for it in checked for one in it.defaults
    ]
    lines += table(["MODELDEPLOYMENT", *policy_views.DEFAULT_HEADS], rows) if rows else []
    lines += [f"{_place_of(it)}: {it.problem}" for it in checked if it.problem]
    lines += [f"{_place_of(it)}: {it.found.conflict}" for it in checked if it.found.conflict]
    lines += [
        f"{_place_of(it)}: {policy_views.window(it.found.freeze)}"
        for it in checked
        if it.found.freeze.closed_by
    ]
    asked = {name for it in checked for name in it.policies}
    forbidden = sum(it.forbidden for it in checked)
    summary = (
        f"checked {len(checked)} ModelDeployment(s), policies that apply: {len(asked)}, "
        f"forbidden: {forbidden}"
    )
    return [*map(escaped, lines), summary]


def _place_of(it: Checked) -> str:
    return f"{it.namespace}/{it.name}"


def _as_document(it: Checked) -> dict[str, Any]:
    return {
        "namespace": it.namespace,
        "name": it.name,
        "policies": list(it.policies),
        "allowed": not it.forbidden,
        "problem": it.problem,
        "defaults": policy_views.default_documents(it.defaults),
        **policy_views.document(it.found),
    }
