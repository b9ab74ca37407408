"""Values that policies give where a ModelDeployment says nothing, laid under its spec.

They are never written into the object: it is read as if it said so. Source: api.md, 9.2; docs/adr/0103.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tidegate import model
from tidegate.api.revision import canonical, mapping

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def flat(given: object, *, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value of the `defaults` of a policy by its path in a spec, as a text."""
    for name, value in mapping(canonical(given)).items():
        below = f"{path}.{name}".removeprefix(".")
        if isinstance(value, Mapping):
            yield from flat(value, path=below)
        else:
            yield below, value if isinstance(value, str) else json.dumps(value)


def unsaid(
    values: Iterable[model.DefaultValue], body: Mapping[str, Any]
) -> tuple[model.DefaultValue, ...]:
    """Those of which the spec of a ModelDeployment says nothing itself."""
    spec = mapping(mapping(body).get("spec"))
    return tuple(it for it in values if not _says(spec, it.field.split(".")))


def applied(values: Sequence[model.DefaultValue], body: Mapping[str, Any]) -> dict[str, Any]:
    """The object as if its spec said these values; what it says itself stays. Errors: none."""
    spec = dict(mapping(mapping(body).get("spec")))
    for one in unsaid(values, body):
        spec = _with(spec, one.field.split("."), _value(one.value))
    return {**body, "spec": spec}


def blamed(
    found: Iterable[model.Violation], values: Sequence[model.DefaultValue]
) -> tuple[model.Violation, ...]:
    """What is wrong with a spec, with the policy of a value that its author never wrote."""
    owners = {f"spec.{it.field}": it.policy for it in values}
    return tuple(
        replace(it, message=f"{it.message} (a default of {owners[it.path]})")
        if it.path in owners
        else it
        for it in found
    )


def _says(spec: Mapping[str, Any], path: Sequence[str]) -> bool:
    """A member on the way that is no object says something, too: nothing can be laid under it."""
    node: Any = spec
    for name in path:
        if not isinstance(node, Mapping):
            return True
        node = node.get(name)
        if node is None:
            return False
    return True


def _with(node: Mapping[str, Any], path: Sequence[str], value: object) -> dict[str, Any]:
    name, *rest = path
    below = _with(mapping(node.get(name)), rest, value) if rest else value
    return {**node, name: below}


def _value(text: str) -> object:
    """Numbers stand in status as texts; no default that is a text looks like one."""
    return json.loads(text) if _NUMBER.fullmatch(text) else text
