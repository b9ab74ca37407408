"""The spec in effect where the newest one cannot be carried out.

An edit that cannot be carried out must not take away the way back: what it breaks stays as the last
rollout froze it, and what it leaves whole is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tidegate import model
from tidegate.api.revision import canonical, mapping

_PART = re.compile(r"spec\.(\w+)")
# In place of a template that cannot be read: every revision has its own, and none is made meanwhile.
_NO_TEMPLATE = {"spec": {"containers": [{"name": "unreadable", "image": "unreadable"}]}}


def parts_of(violations: Iterable[model.Violation]) -> frozenset[str]:
    """The parts of a spec, such as `analysis`, that what blocks it speaks of."""
    found = (_PART.match(one.path) for one in violations if one.blocks)
    return frozenset(one[1] for one in found if one)


def mended(
    body: Mapping[str, Any], *, frozen: model.FrozenRollout, parts: frozenset[str]
) -> dict[str, Any]:
    """The object with these parts of its spec as the rollout froze them."""
    given: dict[str, Any] = dict(mapping(canonical(mapping(body).get("spec"))))
    for part in parts:
        given.pop(part, None)
        if part in frozen.spec:
            given[part] = frozen.spec[part]
    workload = dict(mapping(given.get("workload")))
    if "workloadRef" not in workload and not _is_template(workload.get("template")):
        workload["template"] = _NO_TEMPLATE
    return {**body, "spec": {**given, "workload": _with_replicas(workload, body=body)}}


def as_frozen(body: Mapping[str, Any], *, frozen: model.FrozenRollout) -> dict[str, Any]:
    """The object with the whole spec as the rollout froze it."""
    return mended({**body, "spec": frozen.spec}, frozen=frozen, parts=frozenset())


def _with_replicas(workload: dict[str, Any], *, body: Mapping[str, Any]) -> dict[str, Any]:
    """The newest number of pods, where it is one: it is no part of what is wrong."""
    newest = mapping(mapping(mapping(body).get("spec")).get("workload")).get("replicas")
    known = isinstance(newest, int) and not isinstance(newest, bool) and newest >= 0
    return {**workload, "replicas": newest} if known else workload


def _is_template(value: object) -> bool:
    return bool(mapping(mapping(value).get("spec")).get("containers"))
