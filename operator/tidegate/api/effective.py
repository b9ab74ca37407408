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
# Parts that say neither how users reach what serves nor what its pods are, with what stands in for each where
# nothing else is known: nobody is judged by limits that nobody chose, and nothing is cleared away.
_APART: Mapping[str, object] = {
    "analysis": {"metrics": [{"name": "error-ratio", "preset": "error-ratio", "dryRun": True}]},
    "automation": None,
    "monitoring": None,
    "paused": None,
    "progressDeadline": None,
    "revisionHistoryLimit": 50,
    "rollback": None,
    "rolloutHistoryLimit": 50,
    "strategy": None,
}
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


def reduced(body: Mapping[str, Any], *, parts: frozenset[str]) -> dict[str, Any] | None:
    """The object without these parts of its spec, where nothing that was frozen can stand in for them.

    None where one of them is needed to bring users back to what serves.
    """
    if not parts or not parts <= _APART.keys():
        return None
    given = {k: v for k, v in mapping(mapping(body).get("spec")).items() if k not in parts}
    stand_ins = {part: _APART[part] for part in parts if _APART[part] is not None}
    return {**body, "spec": {**given, **stand_ins}}


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
