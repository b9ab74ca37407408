"""What the API server itself can say of policies: their rules on a spec, in CEL, with one source.

The chart makes admission policies of it, with our kinds as parameters. Each rule stands here once, beside
`tidegate.policy.rules`, and takes its built-in values from the types; one table of cases is played on
both. What CEL cannot see is left to the step, so nothing is refused here that a step would allow.
Source: api.md, 9.3; docs/adr/0107.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from tools import admission_facts as facts

FOLDER: Final = Path("charts/tidegate/files/admission")
_UNSET: Final = "not set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`kept` is true where a spec keeps it, or does not keep it less than before; `says` what to change.

    `wanted` is true where the policy asks for it at all. All are CEL over the variables of a policy.
    """

    kept: str
    says: str
    wanted: str = "true"


def _allowed(value: str, *, rule: str, field: str) -> Rule:
    """One of several values; what stood there before stays."""
    return Rule(
        wanted=f"has(variables.asked.{rule})",
        kept=(
            f"variables.{value} in variables.asked.{rule} || variables.{value} == variables.{value}Before"
        ),
        says=(
            f"'{field} is ' + (variables.{value} == '' ? '{_UNSET}' : variables.{value}) + ', allowed: ' "
            f"+ variables.asked.{rule}.join(', ')"
        ),
    )


RULES: Final[Mapping[str, Rule]] = {
    "allowedStrategies": _allowed("strategy", rule="allowedStrategies", field="strategy.type"),
    "minHold": Rule(
        wanted="has(variables.asked.minHold) && variables.pods > 0",
        kept=(
            "variables.shortest >= duration(variables.asked.minHold) "
            "|| !variables.made && variables.shortest >= variables.shortestBefore"
        ),
        says=(
            "'the hold of step ' + variables.steps.filter(it, duration(it.?hold.orValue("
            f"'{facts.HOLD}')) < duration(variables.asked.minHold)).map(it, it.name).join(', ') "
            "+ ' is shorter than ' + variables.asked.minHold + ': raise it'"
        ),
    ),
}


def variables() -> list[dict[str, str]]:
    """Everything that the rules speak about, and what each of them says; empty where all is well."""
    found = [*facts.variables(RULES)]
    found += [(name, _says(name, rule)) for name, rule in RULES.items()]
    listed = ", ".join(f"variables.{name}" for name in RULES)
    found.append(("found", f"[{listed}].filter(it, it != '')"))
    found.append(("said", "variables.id + ', ' + variables.found.join('; ')"))
    return [{"name": name, "expression": text} for name, text in found]


def _says(name: str, rule: Rule) -> str:
    return (
        f"!('{name}' in variables.bound) || !({rule.wanted}) || {rule.kept} "
        f"? '' : '{name}: ' + {rule.says}"
    )


def texts() -> Mapping[Path, str]:
    """The files that the chart reads, by path."""
    head = "# Made by tools/admission.py: make generate.\n"
    return {
        FOLDER / "variables.yaml": head + _Dumper.text(variables()),
    }


class _Dumper(yaml.SafeDumper):
    """Expressions in lines of readable length."""

    @staticmethod
    def text(value: Any) -> str:
        return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=110)
