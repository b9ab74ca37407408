"""What was frozen when a revision and its rollout began, so that no later edit changes its past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.model.document import Document
from tidegate.model.rollout import Revision
from tidegate.model.spec import Model, Server


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPort:
    """Where the pods of a revision answer requests; `name` is empty where they do not name it."""

    number: int
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenRevision:
    """What makes and reads a revision.

    `template` is the pod template as rendered, so that lost pods come back the same under every
    release of the operator; it is empty where nobody has to make them. `kept` says that it stands in
    a ControllerRevision, and was not only worked out from live objects. `config_maps` are the digests of the
    ConfigMaps that it has copies of, by their own names.
    """

    revision: Revision
    model: Model
    server: Server
    port: PodPort
    template: Document = field(default_factory=dict)
    kept: bool = True
    config_maps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenRollout:
    """The spec that a rollout began with, as the user wrote it, but for its pod template.

    `name` is the rollout's id, with a number behind it where an edited plan was adopted;
    `from_revision` is what served then, or empty.
    """

    name: str
    revision: str
    attempt: int
    from_revision: str
    spec: Document
