"""What the API server itself can say of policies: their rules on a spec, in CEL, from one source.

The chart makes admission policies of it, with our kinds as parameters. Each rule stands here once, beside
`tidegate.policy.rules`, and has its built-in values from the types; one table of cases is played on both.
What CEL cannot see is left to the step, so nothing is refused here that a step would let go.
Source: api.md, 9.3; docs/adr/0107.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from tools import admission_facts as facts

FOLDER: Final = Path("charts/tidegate/files/admission")
_BY_STEPS: Final = "$pods > 0"  # nobody is served in steps where there are no pods
_ROUNDING: Final = "0.000001"
# Why these are left to the step.
LEFT_TO_THE_STEP: Final[Mapping[str, str]] = {
    "requireRehearsedRollback": "asks RolloutRecords",
    "requireRepresentableWeights": "asks which shares the pods can give",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`kept` is true where a spec keeps it, `no_worse` where an old one kept it no better.

    `when` is true where it is asked for at all; `says` is what to change. All are CEL, in which `$name`
    is a variable of the admission policy.
    """

    kept: str
    no_worse: str
    says: str
    when: str = "true"


def _choice(fact: str, rule: str, *, field: str) -> Rule:
    """One of several values; what was there before may stay."""
    return Rule(
        kept=f"${fact} in $asked.{rule}",
        no_worse=f"${fact} == ${fact}Before",
        says=(
            f"'{field} is ' + (${fact} == '' ? 'not set' : ${fact}) + ', allowed: ' + $asked.{rule}.join(', ')"
        ),
    )


def _lacks(*found: str, says: str, when: str = "true") -> Rule:
    """Lists of what is against the rule; whatever was there before may stay."""
    return Rule(
        when=when,
        kept=" && ".join(f"size(${it}) == 0" for it in found),
        no_worse=" && ".join(f"${it}.all(it, it in ${it}Before)" for it in found),
        says=says,
    )


RULES: Final[Mapping[str, Rule]] = {
    "allowedStrategies": _choice("strategy", "allowedStrategies", field="strategy.type"),
    "allowedAutomationLevels": _choice(
        "level", "allowedAutomationLevels", field="automation.level"
    ),
    "allowedDecisionModes": _choice(
        "mode", "allowedDecisionModes", field="automation.decisionMode"
    ),
    "allowedTrafficProviders": _choice(
        "provider", "allowedTrafficProviders", field="traffic.provider"
    ),
    "maxInitialWeight": Rule(
        when=f"{_BY_STEPS} && $exact && $strategy != 'BlueGreen'",
        kept=f"$first <= double($asked.maxInitialWeight) + {_ROUNDING}",
        no_worse="$first <= $firstBefore",
        says=(
            "'the first weight is ' + string($first) + ' %, at most ' + string($asked.maxInitialWeight) "
            "+ ' % are allowed: lower it, or add a step before it'"
        ),
    ),
    "maxStepIncrease": Rule(
        when=f"{_BY_STEPS} && $exact && $strategy != 'BlueGreen'",
        kept="size($jumps) == 0",
        no_worse="$shares == $sharesBefore",
        says=(
            "'the weight jumps to ' + $jumps.map(it, string(it)).join(', ') + ' %, at most ' "
            "+ string($asked.maxStepIncrease) + ' percent points at once are allowed: add a step in between'"
        ),
    ),
    "maxSurgePercent": Rule(
        kept="$surge <= double($asked.maxSurgePercent)",
        no_worse="$surge <= $surgeBefore",
        says=(
            "'strategy.scaling.maxSurgePercent is ' + string($surge) + ', at most ' "
            "+ string($asked.maxSurgePercent) + ' is allowed: lower it'"
        ),
    ),
    "minSteps": Rule(
        when=f"{_BY_STEPS} && $strategy != 'BlueGreen'",
        kept="size($steps) >= int($asked.minSteps)",
        no_worse="size($steps) >= size($stepsBefore)",
        says=(
            "'steps with users before the promotion: ' + string(size($steps)) + ', at least ' "
            "+ string($asked.minSteps) + ' are asked for: add some'"
        ),
    ),
    "minReplicas": Rule(
        kept="$pods == 0 || $pods >= int($asked.minReplicas)",
        no_worse="$podsBefore > 0 && $pods >= $podsBefore",
        says=(
            "'workload.replicas is ' + string($pods) + ', at least ' + string($asked.minReplicas) "
            "+ ' are asked for: raise it'"
        ),
    ),
    "minHold": Rule(
        when=_BY_STEPS,
        kept="$shortest >= duration($asked.minHold)",
        no_worse="$shortest >= $shortestBefore",
        says=(
            f"'the hold of step ' + $steps.filter(it, duration(it.?hold.orValue('{facts.HOLD}')) "
            "< duration($asked.minHold)).map(it, it.name).join(', ') + ' is shorter than ' + $asked.minHold "
            "+ ': raise it'"
        ),
    ),
    "minBake": Rule(
        when=f"{_BY_STEPS} && $promotes",
        kept="$bake >= duration($asked.minBake)",
        no_worse="$bake >= $bakeBefore",
        says=(
            "'strategy.postPromotion.bake is shorter than ' + $asked.minBake + ': raise it'"
            " + ('minBake' in $unsaid ? ', unless a default of another policy does' : '')"
        ),
    ),
    "minTotalDuration": Rule(
        when=_BY_STEPS,
        kept="$total >= duration($asked.minTotalDuration)",
        no_worse="$total >= $totalBefore",
        says=(
            "'all steps until the promotion last shorter than ' + $asked.minTotalDuration "
            "+ ': raise their hold'"
        ),
    ),
    "requireShadow": Rule(
        when=f"{_BY_STEPS} && $asked.requireShadow",
        kept="$copied",
        no_worse="!$copiedBefore",
        says=(
            "'no requests are copied to it before the first users: add strategy.canary.warmup, or a Shadow'"
        ),
    ),
    "mandatoryChecks": _lacks(
        "lacking", says="'analysis.metrics: add ' + $lacking.join(', ') + ', without dryRun'"
    ),
    "metricGroups": _lacks("groups", says="'analysis.metrics: add ' + $groups.join(', ')"),
    "metricSources": Rule(
        kept="!$otherSource && size($free) == 0",
        no_worse=(
            "(!$otherSource || $source == $sourceBefore) && $free.all(it, it in $freeBefore)"
        ),
        says=(
            "[$otherSource ? 'analysis.source is ' + $source + ', allowed: ' "
            "+ $asked.metricSources.allowed.join(', ') : '', size($free) > 0 ? 'metric ' "
            "+ $free.map(it, it.split(':')[0]).join(', ') + ' has a query of its own: use a preset or a "
            "template' : ''].filter(it, it != '').join('; ')"
        ),
    ),
    "images": _lacks(
        "loose",
        when="$asked.images.?requireDigest.orValue(false)",
        says="'image ' + $loose.join(', ') + ' has no digest: name it as image@sha256:...'",
    ),
    "modelURIs": _lacks(
        "foreign",
        "undigested",
        says=(
            "[size($foreign) > 0 ? $foreign.map(it, it.split(' ')[0]).join(', ') + ' begins with none of ' "
            "+ $asked.modelURIs.allowedPrefixes.join(', ') + ', or has a segment . or ..' : '', "
            "size($undigested) > 0 ? $undigested.map(it, it.split(' ')[0]).join(', ') "
            "+ ' has no digest: add it' : ''].filter(it, it != '').join('; ')"
        ),
    ),
}


def variables() -> list[dict[str, str]]:
    """All that rules speak about, and what each of them says; empty where all is well."""
    # Guarded here, so that only rules cost time that somebody asks for.
    listed = ", ".join(f"'{name}' in variables.bound ? variables.{name} : ''" for name in RULES)
    found = {
        **facts.variables(RULES),
        **{name: facts.of(_says(name, rule)) for name, rule in RULES.items()},
        "found": f"[{listed}].filter(it, it != '')",
        "said": "variables.id + ', ' + variables.found.join('; ')",
    }
    return [{"name": name, "expression": text} for name, text in found.items()]


def _says(name: str, rule: Rule) -> str:
    return (
        f"!({rule.when}) || ({rule.kept}) || !$made && ({rule.no_worse}) "
        f"? '' : '{name}: ' + {rule.says}"
    )


def texts() -> Mapping[Path, str]:
    """The files that the chart reads, by path."""
    head = "# Made by tools/admission.py: make generate.\n"
    body = yaml.safe_dump(variables(), sort_keys=False, width=110)
    return {FOLDER / "variables.yaml": head + body}
