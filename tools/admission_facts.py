"""What rules of admission speak about, in CEL: a spec before and after a request, and one policy.

`$name` is a variable. Facts of a spec are there twice: of what is asked for, and with `Before` of what was
there. Built-in values are those of the types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tidegate.api import analysis_types, blue_green_types, steering_types, types
from tidegate.api.step_types import Step
from tidegate.policy import rules as python_rules

HOLD: Final = str(Step.model_fields["hold"].default)
_NAME: Final = re.compile(r"\$(\w+)")
# Not of a spec, so there once.
_ONCE: Final = ("asked", "bakeElse", "levelElse")


def literal(value: Any) -> str:
    """A value as CEL writes it; members of a map may be of several types."""
    if isinstance(value, dict):
        members = (f"'{key}': dyn({literal(it)})" for key, it in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


_STEPS: Final = literal([{"name": it.name, "weight": it.weight} for it in types.Canary().steps])
_METRICS: Final = literal(
    [{"name": it.name, "preset": it.preset} for it in analysis_types.Analysis().metrics]
)
_PRESETS: Final = literal(sorted(python_rules.PRESETS))
_PREVIEW: Final = blue_green_types.PrePromotion().duration

# A Git revert brings back a version that serves, or did, with all that stood beside it: going back is
# never refused. Which revision it really is, the operator knows.
_REQUEST: Final = {
    "made": "request.operation == 'CREATE'",
    "after": "object.?spec.orValue(dyn({}))",
    "before": "$made ? dyn({}) : oldObject.?spec.orValue(dyn({}))",
    "status": "$made ? dyn({}) : oldObject.?status.orValue(dyn({}))",
    "version": "$after.?model.?version.orValue('')",
    "returns": (
        "!$made && $version != $before.?model.?version.orValue('') "
        "&& $version in [$status.?stable.?modelVersion.orValue(''), "
        "$status.?previous.?modelVersion.orValue(''), $status.?rollout.?fromModelVersion.orValue('')]"
    ),
}


def _fits(selector: str, owner: str) -> str:
    """A label selector as in Kubernetes, over labels of an object; without conditions it fits all."""
    asked, labels = f"params.?spec.?{selector}", f"{owner}.metadata.?labels"
    return (
        f"(!{asked}.hasValue() || {asked}.?matchLabels.orValue(dyn({{}})).all(key, "
        f"{labels}[?key] == optional.of(params.spec.{selector}.matchLabels[key])) "
        f"&& {asked}.?matchExpressions.orValue([]).all(it, "
        f"it.operator == 'In' ? {labels}[?it.key].hasValue() && {labels}[?it.key].value() in it.values "
        f": it.operator == 'NotIn' ? !{labels}[?it.key].hasValue() "
        f"|| !({labels}[?it.key].value() in it.values) "
        f": (it.operator == 'Exists') == {labels}[?it.key].hasValue()))"
    )


def _default(path: str, *, built_in: str) -> str:
    """What counts where the spec is silent, as far as it is known: by status, else by this policy."""
    own = ".?".join(path.split("."))
    known = (
        f"$status.?policy.?defaults.orValue([]).filter(it, it.field == '{path}').map(it, it.value)"
    )
    return f"{known} + [params.?spec.?defaults.?{own}.orValue('{built_in}')]"


def _with_action(action: str) -> str:
    return (
        "$rules.filter(it, $actions.exists(one, one.rule == it) "
        f"? $actions.exists(one, one.rule == it && one.action == '{action}') : $usual == '{action}')"
    )


def _policy(rules: Iterable[str]) -> dict[str, str]:
    """What a policy asks of this object, and what of it this admission policy, Deny or Warn, speaks of.

    Whoever is exempt is left alone, whenever that ends: CEL has no clock. What people may let through, and
    what another policy may give by its defaults, is a warning.
    """
    return {
        "id": "$kind + '/' + params.metadata.name",
        "asked": "params.?spec.?constraints.orValue(dyn({}))",
        # In one expression: most policies are about others, and each variable costs time.
        "applies": (
            f"{_fits('selector', 'object')} && {_fits('namespaceSelector', 'namespaceObject')} "
            f"|| request.operation == 'UPDATE' && oldObject.?status.?rollout.?active.orValue(false) "
            "&& oldObject.?status.?rollout.?policies.orValue([]).exists(it, it.startsWith($id + '@'))"
        ),
        "exempt": (
            "params.?spec.?exemptions.orValue([]).filter(it, it.namespace == request.namespace "
            "&& it.?modelDeployment.orValue(object.metadata.name) == object.metadata.name)"
        ),
        "rules": (
            f"$returns ? [] : {literal(list(rules))}.filter(it, it in $asked "
            "&& !$exempt.exists(one, it in one.rules))"
        ),
        "actions": "params.?spec.?ruleActions.orValue([])",
        "usual": "params.?spec.?enforcementAction.orValue('Enforce')",
        "enforced": _with_action("Enforce"),
        "warned": _with_action("Warn"),
        "overridable": "size(params.?spec.?overrides.?approverGroups.orValue([])) > 0",
        "unsaid": (
            "($after.?automation.?level.hasValue() ? [] : ['allowedAutomationLevels']) "
            "+ ($after.?strategy.?postPromotion.?bake.hasValue() ? [] : ['minBake'])"
        ),
        "bound": (
            "$denies ? $enforced.filter(it, !$overridable && !(it in $unsaid)) "
            ": $warned + $enforced.filter(it, $overridable || it in $unsaid)"
        ),
        "bakeElse": _default("strategy.postPromotion.bake", built_in=types.PostPromotion().bake),
        "levelElse": _default("automation.level", built_in=steering_types.Automation().level),
    }


def _known_as(name: str) -> str:
    """A metric `it` has this preset, or this name unless that is the name of a preset."""
    return f"it.?preset.orValue('') == {name} || it.name == {name} && !({name} in {_PRESETS})"


def _below(limit: str, most: str) -> str:
    return f"has({limit}.threshold) && has({limit}.threshold.max) && double({limit}.threshold.max) <= double({most})"


_MEETS: Final = (
    f"({_known_as('check.metric')}) && (!has(check.maxThreshold) || {_below('it', 'check.maxThreshold')} "
    "&& !$steps.exists(step, step.?metrics.orValue([]).exists(one, one.name == it.name "
    f"&& !({_below('one', 'check.maxThreshold')})))) "
    "&& (!check.?requireBaseline.orValue(false) || has(it.preset) || has(it.compare) || has(it.drift))"
)
_BELOW: Final = (
    "it.uri.startsWith(prefix) && (prefix.endsWith('/') || size(it.uri) == size(prefix) "
    "|| it.uri.substring(size(prefix), size(prefix) + 1) in ['/', '?', '#'])"
)
# Encoded ones are left to the step.
_CLIMBS: Final = r"it.uri.matches(r'(^|[/\\?#;])\s*\.\s*(\.\s*)?([/\\?#;]|$)')"
_PINNED: Final = r"it.matches(r'^[^@\s]+@sha256:[0-9a-f]{64}$')"


def _images_of(pods: str) -> str:
    """Images of a pod spec: where `tidegate.policy.origins` looks for them."""
    lists = (
        f"{pods}.?{part}.orValue([]).map(it, it.?image.orValue(''))"
        for part in ("containers", "initContainers", "ephemeralContainers")
    )
    volumes = f"{pods}.?volumes.orValue([]).filter(it, has(it.image)).map(it, it.image.?reference.orValue(''))"
    return " + ".join((*lists, volumes))


_FACTS: Final = {
    "strategy": "$spec.?strategy.?type.orValue('Canary')",
    "then": "$spec.?strategy.?shadow.?then.orValue('Hold')",
    "promotes": "$strategy != 'Shadow' || $then != 'Stop'",
    "provider": "$spec.?traffic.?provider.orValue('ReplicaRatio')",
    "level": "$spec.?automation.?level.orValue($levelElse[0])",
    "mode": "$spec.?automation.?decisionMode.orValue('')",
    "least": "int($spec.?workload.?autoscaling.?minReplicas.orValue(1))",
    "given": "int($spec.?workload.?replicas.orValue(1))",
    "pods": (
        "$given == 0 || !$spec.?workload.?autoscaling.hasValue() ? $given "
        ": $given < $least ? $least : $given < int($spec.workload.autoscaling.maxReplicas) ? $given "
        ": int($spec.workload.autoscaling.maxReplicas)"
    ),
    "surges": "$spec.?strategy.?scaling.?surgePolicy.orValue('Surge')",
    "surge": (
        "$strategy == 'BlueGreen' ? 100.0 "
        ": $spec.?strategy.?scaling.?maxSurgePercent.hasValue() ? double($spec.strategy.scaling.maxSurgePercent) "
        ": $surges != 'Surge' ? 0.0 : $provider == 'ReplicaRatio' ? 25.0 : 100.0"
    ),
    # Whether a weight is given as it is asked for: pods round it.
    "exact": "$provider != 'ReplicaRatio' && !($surges == 'Recreate' && $pods == 1)",
    "steps": (
        "$strategy == 'Canary' || $strategy == 'Shadow' && $then == 'Canary' "
        f"? $spec.?strategy.?canary.?steps.orValue(dyn({_STEPS})) : dyn([])"
    ),
    "shares": (
        "$steps.map(it, double(it.weight)).filter(it, it > 0.0) + ($promotes ? [100.0] : [])"
    ),
    "first": "size($shares) > 0 ? $shares[0] : 0.0",
    "jumps": (
        "$shares.filter(it, !(([0.0] + $shares).exists(one, one < it "
        "&& it - one <= double($asked.maxStepIncrease) + 0.000001)))"
    ),
    "holds": f"$steps.map(it, duration(it.?hold.orValue('{HOLD}')))",
    "shortest": "size($holds) > 0 ? $holds.min() : duration('8760h')",
    "bake": "duration($spec.?strategy.?postPromotion.?bake.orValue($bakeElse[0]))",
    "total": (
        "$strategy == 'BlueGreen' "
        f"? duration($spec.?strategy.?blueGreen.?prePromotion.?duration.orValue('{_PREVIEW}')) "
        ": duration($strategy == 'Shadow' ? $spec.?strategy.?shadow.?duration.orValue('0s') "
        ": $spec.?strategy.?canary.?warmup.?duration.orValue('0s')) + $holds.sum()"
    ),
    "copied": (
        "$strategy == 'Shadow' || $spec.?strategy.?canary.?warmup.hasValue() "
        "|| double($spec.?strategy.?blueGreen.?prePromotion.?mirrorPercent.orValue(0.0)) > 0.0 "
        "|| $steps.exists(it, double(it.?mirrorPercent.orValue(0.0)) > 0.0 "
        "&& !$shares.exists(one, one < double(it.weight)))"
    ),
    "source": f"$spec.?analysis.?source.orValue('{analysis_types.Analysis().source}')",
    "metrics": f"$spec.?analysis.?metrics.orValue(dyn({_METRICS}))",
    "acting": (
        "$metrics.filter(it, !it.?dryRun.orValue(false) && it.?onBreach.orValue('') != 'Alert')"
    ),
    "lacking": (
        f"$asked.mandatoryChecks.filter(check, !$acting.exists(it, {_MEETS})).map(check, check.metric "
        "+ (has(check.maxThreshold) ? ' (threshold.max of ' + string(check.maxThreshold) "
        "+ ' or less, in each step)' : '') "
        "+ (check.?requireBaseline.orValue(false) ? ' (with compare or drift)' : ''))"
    ),
    "groups": (
        "$asked.metricGroups.filter(group, size(group.anyOf.filter(name, $acting.exists(it, "
        f"{_known_as('name')}))) < int(group.?atLeast.orValue(1))).map(group, "
        "'at least ' + string(group.?atLeast.orValue(1)) + ' of ' + group.anyOf.join(', '))"
    ),
    "otherSource": (
        "$asked.metricSources.?allowed.hasValue() && !($source in $asked.metricSources.allowed)"
    ),
    "free": (
        "$asked.metricSources.?forbidFreeQueries.orValue(false) "
        "? $metrics.filter(it, has(it.query)).map(it, it.name + ': ' + it.query) : []"
    ),
    "pod": "$spec.?workload.?template.?spec.orValue(dyn({}))",
    "job": "$spec.?strategy.?blueGreen.?prePromotion.?job.?template.?spec.orValue(dyn({}))",
    "loose": f"({_images_of('$pod')} + {_images_of('$job')}).filter(it, !{_PINNED})",
    "files": (
        "[{'field': dyn('model'), 'uri': $spec.?model.?uri.orValue(''), "
        "'digest': $spec.?model.?digest.orValue(''), 'of': $spec.?model.?version.orValue('')}] "
        "+ $spec.?model.?artifacts.orValue([]).map(it, {'field': dyn('model.artifacts[' + it.name + ']'), "
        "'uri': it.?uri.orValue(''), 'digest': it.?digest.orValue(''), 'of': dyn('')})"
    ),
    "foreign": (
        "!$asked.modelURIs.?allowedPrefixes.hasValue() ? [] : $files.filter(it, "
        f"(it.field == 'model' || it.uri != '') && ({_CLIMBS} "
        f"|| !$asked.modelURIs.allowedPrefixes.exists(prefix, {_BELOW}))).map(it, it.field + '.uri ' + it.uri)"
    ),
    "undigested": (
        "!$asked.modelURIs.?requireDigest.orValue(false) ? [] "
        ": $files.filter(it, it.digest == '').map(it, it.field + ' ' + it.uri + ' ' + it.of)"
    ),
}


def variables(rules: Iterable[str]) -> Mapping[str, str]:
    """Expressions by name, each after those that it names."""
    found = {name: of(text) for name, text in (_REQUEST | _policy(rules)).items()}
    for name, text in _FACTS.items():
        found[name] = _of_spec(text, spec="after", suffix="")
        found[f"{name}Before"] = _of_spec(text, spec="before", suffix="Before")
    return found


def of(text: str) -> str:
    """CEL in which `$name` is a variable."""
    return _NAME.sub(r"variables.\1", text)


def _of_spec(text: str, *, spec: str, suffix: str) -> str:
    def named(found: re.Match[str]) -> str:
        name = found[1]
        if name == "spec":
            return f"variables.{spec}"
        return f"variables.{name}" if name in _ONCE else f"variables.{name}{suffix}"

    return _NAME.sub(named, text)
