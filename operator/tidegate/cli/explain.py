"""`tidegate policy explain`: which policy asks for what of a ModelDeployment, and what is not kept.

Policies are judged here and now, by the operator's own evaluation. Whoever may not read those of
the cluster gets what the operator wrote of them in status. Source: api.md, 9.2; docs/adr/0086.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tidegate import model, ports
from tidegate.api import convert, policies, workload_ref
from tidegate.api.defaults import applied, unsaid
from tidegate.api.record import read_kept
from tidegate.api.revision import mapping
from tidegate.cli import kubectl, outcome, policy_views
from tidegate.cli.kubectl import Console, NamespacedName
from tidegate.cli.outcome import CliError
from tidegate.cli.render import fields, table
from tidegate.model import objects
from tidegate.policy import defaults, exemptions, judge
from tidegate.policy.case import Case
from tidegate.policy.effective import Effective, Term, effective, gate_terms
from tidegate.policy.selectors import Place, began_with, placed, selected
from tidegate.rollout.policies import case_of, rolled_back_at
from tidegate.rollout.waiting import BY_POLICIES

_CLUSTER = f"{ports.CLUSTER_ROLLOUT_POLICY.kind}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Policies that apply, what counts of them, and what they have against going forward.

    `hidden` names those that the operator found and that this person may not read.
    """

    place: str
    policies: tuple[str, ...]
    hidden: tuple[str, ...]
    values: tuple[Effective, ...]
    gates: tuple[Term, ...]
    defaults: tuple[model.DefaultValue, ...]
    exempt: tuple[str, ...]
    overridden: tuple[str, ...]
    found: model.PolicyVerdict
    waits_for: str

    def kept(self, one: Effective) -> bool:
        """No policy that this value is from finds it broken."""
        return not any(
            it.rule == one.rule and it.policy in one.policies for it in self.found.violations
        )


async def explain(console: Console, named: NamespacedName, *, output: str) -> int:
    """Print which policies apply to one ModelDeployment and what each value is from.

    Errors: CliError for what cannot be read, and for a spec that makes no sense.
    """
    body = await kubectl.read(console, named)
    near = await _policies(console, ports.ROLLOUT_POLICY, namespace=named.namespace)
    far = await _policies(console, ports.CLUSTER_ROLLOUT_POLICY, namespace="")
    if isinstance(near, ports.Fatal):
        raise outcome.trouble(near, doing="list RolloutPolicies")
    readable = () if isinstance(far, ports.Fatal) else far
    place = await _place(console, readable, namespace=named.namespace)
    labels = mapping(mapping(body.get("metadata")).get("labels"))
    status = convert.read_status(body.get("status"))
    kept = began_with(status)
    apply = selected((*placed(readable, place, kept=kept), *near), labels, kept=kept)
    hidden = isinstance(far, ports.Fatal)
    told = status.policy.defaults if hidden and status.policy is not None else None
    values = unsaid(defaults.known(status, apply) if told is None else told, body)
    spec, refused = convert.read_spec(applied(values, await _whole(console, body)))
    if spec is None:
        first = refused[0]
        raise CliError(f"{named.name}: {first.path}: {first.message}")
    now = console.clock.now()
    case = await _with_records(console, named, case_of(spec, status), apply, now=now)
    one = _explained(named, apply, case, status, now=now)
    one = _with_hidden(replace(one, defaults=values), status, hidden=hidden)
    _print(console, one, output=output)
    return outcome.DONE


def _explained(
    named: NamespacedName,
    apply: Sequence[model.Policy],
    case: Case,
    status: model.Status,
    *,
    now: datetime,
) -> Explained:
    rollout = status.active_rollout
    bound = exemptions.binding(apply, namespace=named.namespace, name=named.name, at=now)
    apply = exemptions.overridden(bound, rollout)
    passed = rollout.overrides if rollout is not None else ()
    waits = rollout.waiting_for if rollout is not None else None
    ours = waits is not None and waits.reason in BY_POLICIES
    return Explained(
        place=f"{named.namespace}/{named.name}",
        policies=tuple(it.source for it in apply),
        hidden=(),
        values=tuple(effective(apply)),
        gates=tuple(gate_terms(apply)),
        defaults=(),
        exempt=tuple(
            f"{policy.id}: {exemptions.text(it)}"
            for policy, it in exemptions.in_force(apply, at=now)
        ),
        overridden=tuple(map(exemptions.override_text, passed)),
        found=judge.judge(apply, case, at=now),
        waits_for=f"{waits.reason}: {waits.message}" if waits is not None and ours else "",
    )


def _with_hidden(one: Explained, status: model.Status, *, hidden: bool) -> Explained:
    """With what the operator says of policies that could not be read here."""
    if not hidden:
        return one
    state = status.policy or model.PolicyState()
    named = tuple(it for it in state.sources if it.startswith(_CLUSTER))
    told = [it for it in state.violations if it.policy.startswith(_CLUSTER)]
    return replace(
        one,
        hidden=named or ("ClusterRolloutPolicies, of which the operator names none",),
        found=replace(one.found, violations=(*told, *one.found.violations)),
    )


# --- what is read --------------------------------------------------------------------------------


async def _policies(
    console: Console, kind: ports.Kind, *, namespace: str
) -> tuple[model.Policy, ...] | ports.Fatal:
    """By name; the failure where this person may not see them."""
    listed = await console.api.list_objects(kind, namespace=namespace, label_selector="")
    if isinstance(listed, ports.Fatal) and listed.reason == "Forbidden":
        return listed
    if not isinstance(listed, ports.Ok):
        raise outcome.trouble(listed, doing=f"list {kind.plural}")
    read = (policies.read_policy(it)[0] for it in listed.value)
    return tuple(sorted(read, key=lambda it: it.name))


async def _place(console: Console, far: Sequence[model.Policy], *, namespace: str) -> Place:
    if not any(it.namespace_selector for it in far):
        return Place()
    answer = await console.api.get(ports.NAMESPACE, namespace="", name=namespace)
    if not isinstance(answer, ports.Ok):
        return Place.unknown(namespace, answer.message)
    metadata = mapping(mapping(answer.value).get("metadata"))
    return Place(labels=mapping(metadata.get("labels")))


async def _with_records(
    console: Console,
    named: NamespacedName,
    case: Case,
    apply: Sequence[model.Policy],
    *,
    now: datetime,
) -> Case:
    """With the last rollback, where a policy asks for one and this person may see records."""
    if all(it.constraints.rehearsed_within_seconds is None for it in apply):
        return case
    listed = await console.api.list_objects(
        ports.ROLLOUT_RECORD,
        namespace=named.namespace,
        label_selector=f"{objects.LABEL_MODEL_DEPLOYMENT}={named.name}",
    )
    if not isinstance(listed, ports.Ok):
        return case
    kept = [it for body in listed.value if (it := read_kept(body)) is not None]
    return replace(case, rolled_back_at=rolled_back_at(kept), now=now)


async def _whole(console: Console, body: ports.Object) -> Mapping[str, Any]:
    """With the pod template that it refers to, since images are judged, too."""
    source = workload_ref.source_name(body)
    if not source:
        return body
    namespace = body["metadata"]["namespace"]
    answer = await console.api.get(ports.DEPLOYMENT, namespace=namespace, name=source)
    if not isinstance(answer, ports.Ok):
        raise outcome.trouble(answer, doing=f"read Deployment {source}")
    made = workload_ref.with_template(body, answer.value)
    if isinstance(made, model.Violation):
        raise CliError(f"{made.path}: {made.message}")
    return made


# --- what is said --------------------------------------------------------------------------------


def _print(console: Console, one: Explained, *, output: str) -> None:
    if output == "json":
        console.say(json.dumps(_as_document(one), indent=2))
        return
    for line in _as_text(one):
        console.say(line)


def _as_text(one: Explained) -> list[str]:
    part = " by those that can be read" if one.hidden else ""
    lines = fields(
        (
            ("Name", one.place),
            ("Policies", ", ".join(one.policies) or "none that can be read"),
            ("Not readable", ", ".join(one.hidden)),
            ("Windows", f"{policy_views.window(one.found.freeze)}{part}"),
            ("Exempt", "; ".join(one.exempt)),
            ("Overridden", "; ".join(one.overridden)),
            ("Conflict", one.found.conflict),
            ("Waits for", one.waits_for),
        )
    )
    if one.values:
        heads = ["CONSTRAINT", "VALUE", "ACTION", "KEPT", "FROM"]
        lines += ["", *table(heads, [_row(one, it) for it in one.values])]
    if one.gates:
        heads = ["GATE", "VALUE", "ACTION", "FROM"]
        lines += ["", *table(heads, [_gate_row(it) for it in one.gates])]
    if one.defaults:
        rows = [policy_views.default_cells(it) for it in one.defaults]
        lines += ["", *table(policy_views.DEFAULT_HEADS, rows)]
    if one.found.violations:
        rows = [policy_views.cells(it) for it in one.found.violations]
        lines += ["", *table(policy_views.HEADS, rows)]
    return lines


def _row(one: Explained, it: Effective) -> list[str]:
    kept = "yes" if one.kept(it) else "no"
    return [it.name, policy_views.value(it), str(it.action), kept, ", ".join(it.policies)]


def _gate_row(it: Term) -> list[str]:
    return [it.name, policy_views.term(it), str(it.action), ", ".join(it.policies)]


def _as_document(one: Explained) -> dict[str, Any]:
    return {
        "modelDeployment": one.place,
        "policies": list(one.policies),
        "notReadable": list(one.hidden),
        "values": [
            {
                "constraint": it.name,
                "value": policy_views.value(it),
                "action": it.action,
                "kept": one.kept(it),
                "from": list(it.policies),
            }
            for it in one.values
        ],
        "gates": [
            {
                "term": it.name,
                "value": policy_views.term(it),
                "action": it.action,
                "from": list(it.policies),
            }
            for it in one.gates
        ],
        "defaults": policy_views.default_documents(one.defaults),
        "exempt": list(one.exempt),
        "overridden": list(one.overridden),
        "waitsFor": one.waits_for,
        **policy_views.document(one.found),
    }
