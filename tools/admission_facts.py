"""What rules of admission speak about, in CEL: a spec before and after a request, and one policy.

`$name` stands for a fact of the spec that is asked for, and in a second copy for the same of the spec that
was there before. Built-in values are those of the types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tidegate.api import types
from tidegate.api.step_types import Step

HOLD: Final = str(Step.model_fields["hold"].default)
_NAME: Final = re.compile(r"\$(\w+)")


def literal(value: Any) -> str:
    """A value as CEL writes it; members of a map may be of several types."""
    if isinstance(value, dict):
        members = (f"'{key}': dyn({literal(it)})" for key, it in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


_STEPS: Final = literal([{"name": it.name, "weight": it.weight} for it in types.Canary().steps])

# The request. A Git revert brings back a version that serves, or did: going back is never refused.
_REQUEST: Final = {
    "made": "request.operation == 'CREATE'",
    "after": "object.?spec.orValue(dyn({}))",
    "before": "variables.made ? dyn({}) : oldObject.?spec.orValue(dyn({}))",
    "status": "variables.made ? dyn({}) : oldObject.?status.orValue(dyn({}))",
    "version": "variables.after.?model.?version.orValue('')",
    "returns": (
        "!variables.made && variables.version != variables.before.?model.?version.orValue('') "
        "&& variables.version in [variables.status.?stable.?modelVersion.orValue(''), "
        "variables.status.?previous.?modelVersion.orValue(''), "
        "variables.status.?rollout.?fromModelVersion.orValue('')]"
    ),
}


def _fits(selector: str, labels: str) -> str:
    """A label selector as in Kubernetes; without conditions it fits all."""
    asked = f"params.?spec.?{selector}"
    return (
        f"{asked}.?matchLabels.orValue(dyn({{}})).all(key, key in variables.{labels} "
        f"&& variables.{labels}[key] == params.spec.{selector}.matchLabels[key]) "
        f"&& {asked}.?matchExpressions.orValue([]).all(it, "
        f"it.operator == 'In' ? it.key in variables.{labels} && variables.{labels}[it.key] in it.values "
        f": it.operator == 'NotIn' ? !(it.key in variables.{labels}) "
        f"|| !(variables.{labels}[it.key] in it.values) "
        f": (it.operator == 'Exists') == (it.key in variables.{labels}))"
    )


def _policy(rules: Iterable[str]) -> dict[str, str]:
    """What a policy asks of this object, and which of it this copy of the admission policy is about.

    Rules that the object is exempt from are left out, whenever that ends: CEL has no clock.
    """
    names = literal(list(rules))
    return {
        "id": "variables.kind + '/' + params.metadata.name",
        "asked": "params.?spec.?constraints.orValue(dyn({}))",
        "labels": "object.metadata.?labels.orValue(dyn({}))",
        "places": "namespaceObject.metadata.?labels.orValue(dyn({}))",
        "begunWith": (
            "variables.status.?rollout.?active.orValue(false) "
            "&& variables.status.?rollout.?policies.orValue([]).exists(it, it.startsWith(variables.id + '@'))"
        ),
        "applies": (
            f"variables.begunWith || {_fits('selector', 'labels')} "
            f"&& {_fits('namespaceSelector', 'places')}"
        ),
        "exempt": (
            "params.?spec.?exemptions.orValue([]).filter(it, it.namespace == request.namespace "
            "&& it.?modelDeployment.orValue(object.metadata.name) == object.metadata.name)"
        ),
        "rules": (
            f"variables.returns || !variables.applies ? [] : {names}.filter(it, it in variables.asked "
            "&& !variables.exempt.exists(one, it in one.rules))"
        ),
        "actions": "params.?spec.?ruleActions.orValue([])",
        "usual": "params.?spec.?enforcementAction.orValue('Enforce')",
        "enforced": _with_action("Enforce"),
        "warned": _with_action("Warn"),
        "overridable": "size(params.?spec.?overrides.?approverGroups.orValue([])) > 0",
        "unsaid": _UNSAID,
        "bound": (
            "variables.denies ? variables.enforced.filter(it, !variables.overridable "
            "&& !(it in variables.unsaid)) : variables.warned + variables.enforced.filter(it, "
            "variables.overridable || it in variables.unsaid)"
        ),
    }


def _with_action(action: str) -> str:
    return (
        "variables.rules.filter(it, variables.actions.exists(one, one.rule == it) "
        f"? variables.actions.exists(one, one.rule == it && one.action == '{action}') "
        f": variables.usual == '{action}')"
    )


_UNSAID: Final = "dyn([])"

FACTS: Final = {
    "strategy": "$spec.?strategy.?type.orValue('Canary')",
    "then": "$spec.?strategy.?shadow.?then.orValue('Hold')",
    "steps": (
        "$strategy == 'Canary' || $strategy == 'Shadow' && $then == 'Canary' "
        f"? $spec.?strategy.?canary.?steps.orValue(dyn({_STEPS})) : dyn([])"
    ),
    "holds": f"$steps.map(it, duration(it.?hold.orValue('{HOLD}')))",
    "shortest": "size($holds) > 0 ? $holds.min() : duration('8760h')",
    "pods": "int($spec.?workload.?replicas.orValue(1))",
}


def variables(rules: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and expression of each variable, in an order in which each knows those that it names."""
    yield from _REQUEST.items()
    yield from _policy(rules).items()
    for name, text in FACTS.items():
        yield name, _of(text, "")
        yield f"{name}Before", _of(text, "Before")


def _of(text: str, when: str) -> str:
    spec = "before" if when else "after"
    return _NAME.sub(
        lambda it: f"variables.{spec}" if it[1] == "spec" else f"variables.{it[1]}{when}", text
    )
