"""What is kept of an ended rollout, for years: the spec of a RolloutRecord."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.fields import TEXT, URI, About
from tidegate.model.policy import Override
from tidegate.model.rollout import RolloutResult
from tidegate.model.stages import PLAN_MAX_ITEMS, Stage

RECORDED_OVERRIDES_MAX_ITEMS = 8  # a record is small


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOwner:
    """A ModelDeployment."""

    name: Annotated[str, About("Its name.")]
    uid: Annotated[str, About("Its uid.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedBefore:
    """What served when the rollout began."""

    revision: Annotated[str, About("Short hash of the revision.")]
    model_version: Annotated[str, About("Version of its model, for people.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedModel:
    """What was rolled out."""

    name: Annotated[str, About("Name of the model.")] = ""
    version: Annotated[str, About("Version of the model.")] = ""
    uri: Annotated[str, About("Place of the model.", limit=URI)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRecord:
    """How one rollout went."""

    owner: Annotated[RecordOwner, About("Whose rollout it was.", name="modelDeployment")]
    revision: Annotated[str, About("Short hash of the revision.")]
    attempt: Annotated[int, About("From 1; rises with every try of the revision.")]
    spec_hash: Annotated[str, About("Full hash of the revision.")] = ""
    result: Annotated[
        RolloutResult,
        About("Promoted, FastPromoted, RolledBack, Aborted, Superseded, Failed or Completed."),
    ]
    by: Annotated[str, About("Analysis, User, Deadline, Spec, Readiness or Watch.")] = ""
    reason: Annotated[str, About("Why, in words.", limit=TEXT)] = ""
    served_before: Annotated[
        ServedBefore | None,
        About("What served when it began; absent for the first revision.", name="from"),
    ] = None
    model: Annotated[RecordedModel, About("What was rolled out.")] = RecordedModel()
    started_at: Annotated[datetime | None, About("When it began.")] = None
    finished_at: Annotated[datetime, About("When it ended.")]
    strategy: Annotated[str, About("Canary, Shadow, or Direct for the first revision.")] = ""
    operator_version: Annotated[str, About("Version that wrote the record.")] = ""
    steps: Annotated[
        tuple[Stage, ...],
        About("The plan and what became of it.", limit=PLAN_MAX_ITEMS),
    ] = ()
    overrides: Annotated[
        tuple[Override, ...],
        About("Policies that it did not have to keep.", limit=RECORDED_OVERRIDES_MAX_ITEMS),
    ] = ()
    evidence_digest: Annotated[
        str, About("SHA-256 of the counting intervals, which are in the operator's log.")
    ] = ""
    omitted: Annotated[
        str,
        About("What was left out to keep the record small; empty: nothing.", limit=TEXT),
    ] = ""
