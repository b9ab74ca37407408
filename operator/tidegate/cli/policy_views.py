"""What policies found, as `tidegate check` and `tidegate policy explain` show it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate import model
from tidegate.api import durations
from tidegate.cli.render import instant, number
from tidegate.policy.effective import Effective, Term

HEADS = ("ACTION", "POLICY", "RULE", "MESSAGE")
DEFAULT_HEADS = ("DEFAULT", "VALUE", "FROM")


def cells(violation: model.PolicyViolation) -> list[str]:
    """The row of a violation below HEADS."""
    return [str(violation.action), violation.policy, violation.rule, violation.message]


def window(freeze: model.Freeze) -> str:
    """Whether windows are closed now, by whom, and until when that stays so."""
    until = f" until {instant(freeze.changes_at)}" if freeze.changes_at else ""
    return f"closed now{until} by {freeze.closed_by}" if freeze.closed_by else f"open{until}"


def value(of: Effective) -> str:
    """The value of a constraint as a policy would have it."""
    found = of.value
    if isinstance(found, frozenset):
        separator = "; " if of.field == "uri_prefixes" else ", "
        return separator.join(sorted(_member(it) for it in found)) or "nothing"
    if isinstance(found, bool):
        return "true"
    return durations.text_of(found) if of.field.endswith("_seconds") else number(found)


def term(of: Term) -> str:
    """The value of a term of a gate as a policy would have it."""
    if of.field == "before_weight":
        return (
            "beforePromotion" if of.value is None else f"beforeWeight {number(_number(of.value))}"
        )
    if isinstance(of.value, frozenset):
        return ", ".join(sorted(map(str, of.value))) or "nobody"
    if isinstance(of.value, bool):
        return "true"
    found = _number(of.value)
    return durations.text_of(found) if of.field.endswith("_seconds") else number(found)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _member(of: object) -> str:
    match of:
        case model.MandatoryCheck():
            limit = "" if of.max_threshold is None else f" (at most {of.max_threshold:g})"
            return f"{of.metric}{limit}{' with a baseline' if of.require_baseline else ''}"
        case model.MetricGroup():
            return f"{of.at_least} of {'/'.join(sorted(of.any_of))}"
        case frozenset():
            return " or ".join(sorted(of))
        case _:
            return str(of)


def default_cells(of: model.DefaultValue) -> list[str]:
    """The row of a default below DEFAULT_HEADS."""
    return [of.field, of.value, of.policy]


def default_documents(values: Iterable[model.DefaultValue]) -> list[dict[str, str]]:
    """Defaults in a JSON answer."""
    return [{"field": it.field, "value": it.value, "from": it.policy} for it in values]


def document(found: model.PolicyVerdict) -> dict[str, Any]:
    """The members of a JSON answer that say what was found."""
    return {
        "violations": [
            {"policy": it.policy, "rule": it.rule, "action": it.action, "message": it.message}
            for it in found.violations
        ],
        "conflict": found.conflict,
        "closed": {"by": found.freeze.closed_by, "changesAt": instant(found.freeze.changes_at)},
    }
