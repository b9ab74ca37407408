"""One attempt to bring a revision into service: how far it is, and what it waits for."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.exposure import NO_TRAFFIC, Exposure, StageKind
from tidegate.model.fields import POLICY, TEXT, URI, About
from tidegate.model.policy import (
    DEFAULTS_MAX_ITEMS,
    OVERRIDES_MAX_ITEMS,
    SOURCES_MAX_ITEMS,
    DefaultValue,
    Override,
)
from tidegate.model.silence import Silence
from tidegate.model.smoke_test import SmokeTest
from tidegate.model.stages import PLAN_MAX_ITEMS, ActiveStep, Stage, StepState
from tidegate.model.steering import Recommendation


class RolloutResult(enum.StrEnum):
    """How a rollout ended."""

    PROMOTED = "Promoted"
    FAST_PROMOTED = "FastPromoted"
    ROLLED_BACK = "RolledBack"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"
    COMPLETED = "Completed"  # as far as the strategy goes, which gives it no traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A model with its pod template. `hash` is the first 10 hex digits of `digest`."""

    hash: Annotated[str, About("Short hash of model and pod template.", name="revision")]
    digest: Annotated[str, About("Full hash, SHA-256 in hexadecimal digits.", absent="")]
    model_version: Annotated[str, About("Version of its model, for people.", absent="")]


class Waiting(enum.StrEnum):
    """Why a rollout stands still although time and evidence alone would not stop it."""

    REQUEST = "Request"
    MANUAL_STEP = "ManualStep"
    APPROVAL = "Approval"
    AUTOMATION_LEVEL = "AutomationLevel"
    SPEC_PAUSED = "SpecPaused"
    INCONCLUSIVE = "Inconclusive"
    STALLED = "Stalled"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    NO_DATA = "NoData"
    EVIDENCE = "Evidence"
    CAPACITY = "Capacity"
    PODS_NOT_READY = "PodsNotReady"
    PROBE = "Probe"
    SMOKE_TEST = "SmokeTest"
    ISOLATION = "Isolation"
    ROUTE_NOT_READY = "RouteNotReady"
    DRAIN = "Drain"
    WITHDRAWN = "Withdrawn"
    POLICY = "Policy"
    FREEZE = "Freeze"
    CONCURRENCY_QUOTA = "ConcurrencyQuota"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFor:
    """What the rollout waits for, since when, and in words."""

    reason: Annotated[Waiting, About("Why it stands still, as one word.")]
    since: Annotated[datetime, About("Since when.")]
    message: Annotated[str, About("Why it stands still, in words.", limit=TEXT)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One attempt to bring a revision into service; `active` until its result stands.

    `exposure` is the intent, written before the data plane is; `observed_candidate_percent` the
    measured share. `progress_at` restarts the progress deadline. `judged_since` is the last
    confirmation of a weight; evidence of earlier steps counts from `evidence_since` on, and
    `evidence_digest` is the SHA-256 of the rows that it came from. The `from_` fields name what
    served when it began, empty for the first revision. With a `cause` it is a way back that the
    operator takes by itself although spec asks for what has drifted.
    """

    id: Annotated[str, About("Name, revision and attempt.")]
    revision: Annotated[Revision, About(inline=True)]
    attempt: Annotated[int, About("From 1; rises with retry.", absent=1, vital=True)]
    active: Annotated[bool, About("True until its result stands.", absent=False, vital=True)]
    started_at: Annotated[datetime, About("When it began.")]
    progress_at: Annotated[datetime, About("Last progress of pods or route.")]
    plan: Annotated[
        tuple[Stage, ...],
        About("Stages as fixed at the start.", limit=PLAN_MAX_ITEMS, absent=(), vital=True),
    ]
    step: Annotated[ActiveStep | None, About("The step being walked.", vital=True)] = None
    exposure: Annotated[
        Exposure,
        About("Shares of the requests in percent.", name="traffic", inline=True, vital=True),
    ] = NO_TRAFFIC
    observed_candidate_percent: Annotated[
        float | None,
        About("Measured share of the candidate.", name="traffic.observedCandidate"),
    ] = None
    observed_mirror_percent: Annotated[
        float | None,
        About("Measured share of requests that were copied.", name="traffic.observedMirror"),
    ] = None
    first_traffic_at: Annotated[
        datetime | None, About("When the candidate got its first traffic.", vital=True)
    ] = None
    judged_since: Annotated[
        datetime | None,
        About("Evidence counts from here: the last confirmation of a weight."),
    ] = None
    evidence_since: Annotated[
        datetime | None,
        About("Evidence of steps confirmed from here on counts together."),
    ] = None
    evidence_digest: Annotated[
        str, About("SHA-256 of the counting intervals behind the last decision.")
    ] = ""
    inconclusive_since: Annotated[
        datetime | None,
        About(
            "No look at the step was conclusive since; kept where analysis says how long it may last."
        ),
    ] = None
    waiting_for: Annotated[
        WaitingFor | None, About("Absent while only time and evidence are needed.")
    ] = None
    silence: Annotated[
        Silence | None, About("Its traffic was taken back, as it showed no data.")
    ] = None
    smoke_test: Annotated[
        SmokeTest | None,
        About("The Job that has to succeed before the switch.", vital=True),
    ] = None
    recommendation: Annotated[
        Recommendation | None, About("What the evidence advises where a person decides.")
    ] = None
    analysis_key: Annotated[str, About("Hash of the analysis that the evidence belongs to.")] = ""
    repinned: Annotated[int, About("How often an edited plan was adopted.", quiet=True)] = 0
    rollback_reason: Annotated[str, About("Why it is rolled back.", limit=TEXT)] = ""
    rollback_by: Annotated[str, About("Who or what rolled it back.")] = ""
    policies: Annotated[
        tuple[str, ...],
        About(
            "Policies that applied when it began, each as Kind/name@generation.",
            limit=SOURCES_MAX_ITEMS,
            each=POLICY,
            quiet=True,
        ),
    ] = ()
    defaults: Annotated[
        tuple[DefaultValue, ...],
        About(
            "Values of policies that it began with, where spec said nothing.",
            limit=DEFAULTS_MAX_ITEMS,
            quiet=True,
        ),
    ] = ()
    overrides: Annotated[
        tuple[Override, ...],
        About("Policies that it need not keep, and who said so.", limit=OVERRIDES_MAX_ITEMS),
    ] = ()
    admitted_at: Annotated[
        datetime | None,
        About("When it got its place among the rollouts that policies allow at once.", quiet=True),
    ] = None
    author: Annotated[
        str,
        About(
            "Who made the change, as was said first; kept where a gate asks for somebody else.",
            quiet=True,
        ),
    ] = ""
    model_name: Annotated[str, About("Name of its model.")] = ""
    model_uri: Annotated[str, About("Place of its model.", limit=URI)] = ""
    from_revision: Annotated[str, About("Revision that served when it began.", vital=True)] = ""
    from_model_version: Annotated[str, About("Version of that revision's model.")] = ""
    cause: Annotated[
        str,
        About(
            "Drift of what served then, for which this one returns; empty: spec asks for it.",
            limit=TEXT,
            quiet=True,
            vital=True,
        ),
    ] = ""

    @property
    def frozen_name(self) -> str:
        """The ControllerRevision with the spec that its plan was made of."""
        return f"{self.id}-{self.repinned}" if self.repinned else self.id

    @property
    def stage(self) -> Stage | None:
        """The stage of the plan that is worked on."""
        if self.step is None or not 0 <= self.step.index < len(self.plan):
            return None
        return self.plan[self.step.index]

    @property
    def judged_stage(self) -> Stage | None:
        """The stage by whose limits the evidence is judged: the last whose weight was confirmed."""
        reached = [one for one in self.plan if one.is_held and one.confirmed_at is not None]
        return reached[-1] if reached else self.stage

    @property
    def ending(self) -> bool:
        """It goes no further; its traffic is given back."""
        return self.active and bool(self.rollback_by)

    @property
    def begun(self) -> bool:
        """Requests have reached it, or are meant to."""
        return self.exposure.is_visited or self.first_traffic_at is not None

    @property
    def switched(self) -> bool:
        """All users were given to it; what comes after that only watches."""
        passed = (it.kind for it in self.plan if it.state is StepState.PASSED)
        return StageKind.SWITCH in passed

    @property
    def withdrawn(self) -> bool:
        """It had traffic and is to get it again once its pods are back; nobody blames it."""
        had = self.first_traffic_at is not None
        return self.active and not self.ending and had and not self.exposure.is_visited

    @property
    def is_taken_again(self) -> bool:
        """The active stage had its exposure before, lost it, and has yet to be confirmed again.

        The time between belongs to no weight, so nothing from before may be joined to what follows.
        """
        step, stage = self.step, self.stage
        if step is None or stage is None or step.confirmed_at is not None:
            return False
        return stage.confirmed_at is not None or self.silence is not None
