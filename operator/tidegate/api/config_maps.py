"""`workload.trackConfigMaps`: what the ConfigMaps of a template hold is a part of its revision.

Each revision has its own copies, so a change of one makes a new revision and a rollback brings the old
content back. Secrets are never read. Source: api.md, 2.3 and 5.1; docs/adr/0088.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidegate import model
from tidegate.api import revision
from tidegate.api.revision import mapping
from tidegate.model import config_maps as references
from tidegate.revisions import config_maps as copies

PATH: Final = "spec.workload.trackConfigMaps"
SNAPSHOT: Final = "Snapshot"
NOT_FOUND: Final = "SourceNotFound"
UNREADABLE: Final = "SourceUnusable"
MOST: Final = 16
ABSENT: Final = ""  # in place of a digest: pods start without it


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a ConfigMap held when it was read last, by its digest; absent where there is none.

    `failure` says why it could not be read.
    """

    digest: str = ABSENT
    failure: str = ""


NOT_YET: Final = Held(failure="it was not read yet")


def is_asked(body: Mapping[str, Any]) -> bool:
    """Whether any ConfigMap is a part of a revision."""
    workload = mapping(mapping(mapping(body).get("spec")).get("workload"))
    return workload.get("trackConfigMaps") == SNAPSHOT


def tracked(body: Mapping[str, Any]) -> dict[str, bool]:
    """The ConfigMaps that are a part of a revision, and which of them its pods need to start.

    `body` has its pod template in place. Empty where nothing is tracked.
    """
    if not is_asked(body):
        return {}
    workload = mapping(mapping(body["spec"]).get("workload"))
    return references.named(mapping(mapping(workload.get("template")).get("spec")))


def digest_of(source: Mapping[str, Any]) -> str:
    """Names the content of a ConfigMap, however it is spelled."""
    return revision.digest_of(revision.canonical(copies.content(source)))


def violation(wanted: Mapping[str, bool], held: Mapping[str, Held]) -> model.Violation | None:
    """Why no revision can be made of them now; None where it can.

    Shapes: `held` has each of the wanted, but for one that the template names since a moment.
    """
    if len(wanted) > MOST:
        return _violation(
            f"the template names {len(wanted)} ConfigMaps, of which at most {MOST} can be kept: name "
            "fewer, or set trackConfigMaps to Ignore"
        )
    for name, needed in sorted(wanted.items()):
        found = held.get(name, NOT_YET)
        if found.failure:
            return _violation(f"ConfigMap {name} could not be read: {found.failure}")
        if needed and found.digest == ABSENT:
            return _violation(
                f"ConfigMap {name}, which the template names, does not exist in this namespace: create "
                "it, or mark its reference optional; what serves stays as it is meanwhile",
                reason=NOT_FOUND,
            )
    return None


def _violation(message: str, *, reason: str = UNREADABLE) -> model.Violation:
    return model.Violation(path=PATH, message=message, reason=reason)
