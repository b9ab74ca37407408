"""The plan of a rollout: its stages as fixed at the start, and the one being walked."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.analysis import Agreement, StepLimit
from tidegate.model.baseline import Baseline
from tidegate.model.exposure import ROUTES_MAX_ITEMS, Control, Exposure, StageKind
from tidegate.model.fields import PER_METRIC, TEXT, About
from tidegate.model.headers import HeaderRoute
from tidegate.model.judgement import MetricResult
from tidegate.model.steering import GATES_MAX_ITEMS, Gate

PLAN_MAX_ITEMS = 34  # the steps, the switch and the bake


class StepState(enum.StrEnum):
    """What became of a planned step."""

    PENDING = "Pending"
    ACTIVE = "Active"
    PASSED = "Passed"
    FAILED = "Failed"
    SKIPPED = "Skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage as fixed when the rollout began.

    `control` says what it is judged by, `kept_percent` how many pods of stable stay as the way back.
    The instants and the evidence, the judgements with which it ended, are filled in as it is
    walked.
    """

    name: Annotated[str, About("Name of the step.", recorded=True)]
    kind: Annotated[
        StageKind, About("First, Shadow, Preview, Live, Switch or Bake.", vital=True, recorded=True)
    ] = StageKind.LIVE
    control: Annotated[
        Control,
        About("What it is judged against: Concurrent, Recorded, LimitsOnly or None.", vital=True),
    ] = Control.CONCURRENT
    weight_percent: Annotated[
        float, About("Wanted share of the candidate in percent.", name="weight")
    ]
    effective_weight_percent: Annotated[
        float,
        About(
            "Share of the candidate in percent, after rounding to what is possible.",
            name="effectiveWeight",
            recorded=True,
            recorded_as="weight",
        ),
    ]
    mirror_percent: Annotated[
        float,
        About(
            "Share of requests copied to the candidate.", name="mirror", quiet=True, recorded=True
        ),
    ] = 0.0
    routes: Annotated[
        tuple[HeaderRoute, ...],
        About("Requests that fit one of these go to it.", limit=ROUTES_MAX_ITEMS, quiet=True),
    ] = ()
    preview: Annotated[bool, About("It has an address of its own.", quiet=True)] = False
    smoke_test: Annotated[
        bool, About("A Job has to succeed before it ends.", name="smokeTest", quiet=True)
    ] = False
    isolated: Annotated[
        bool, About("A NetworkPolicy keeps the candidate's pods from sending.", quiet=True)
    ] = False
    awaits_request: Annotated[
        bool, About("A person ends it, once it is proven.", name="awaitsRequest", quiet=True)
    ] = False
    kept_percent: Annotated[
        float,
        About("Pods of stable that stay meanwhile, in percent.", name="keptPercent", quiet=True),
    ] = 100.0
    hold_seconds: Annotated[
        float, About("Least time at this weight.", name="hold", duration=True)
    ] = 0.0
    deadline_seconds: Annotated[
        float, About("Longest wait for proof.", name="deadline", duration=True)
    ] = 0.0
    min_requests: Annotated[int, About("Candidate requests needed.", vital=True)] = 0
    gates: Annotated[
        tuple[Gate, ...],
        About("What a person opens before it begins.", limit=GATES_MAX_ITEMS, quiet=True),
    ] = ()
    limits: Annotated[
        tuple[StepLimit, ...],
        About(
            "Metrics with limits of their own in this step.",
            name="metrics",
            limit=PER_METRIC,
            quiet=True,
        ),
    ] = ()
    agreement: Annotated[
        Agreement | None,
        About("How far its answers must agree with those of others.", quiet=True, vital=True),
    ] = None
    baseline: Annotated[
        tuple[Baseline, ...],
        About("What stable showed last, where it is judged by that.", limit=PER_METRIC, quiet=True),
    ] = ()
    replicas: Annotated[
        int, About("Pods of the candidate; absent: as the weight needs.", quiet=True)
    ] = 0
    replicas_percent: Annotated[
        float, About("The same in percent of workload.replicas.", quiet=True)
    ] = 0.0
    state: Annotated[
        StepState,
        About("Pending, Active, Passed, Failed or Skipped.", vital=True, recorded=True, told=True),
    ] = StepState.PENDING
    started_at: Annotated[datetime | None, About("When its weight was decided.", recorded=True)] = (
        None
    )
    confirmed_at: Annotated[
        datetime | None, About("When its weight was seen in the data plane.", recorded=True)
    ] = None
    ended_at: Annotated[datetime | None, About("When it ended.", recorded=True)] = None
    ended_by: Annotated[
        str, About("Who ended it, where no evidence did.", quiet=True, recorded=True)
    ] = ""
    evidence: Annotated[
        tuple[MetricResult, ...],
        About("Judgements with which it ended, the worst first.", limit=PER_METRIC, recorded=True),
    ] = ()

    @property
    def is_left(self) -> bool:
        """It is still to be walked, or is being walked."""
        return self.state in {StepState.PENDING, StepState.ACTIVE}

    @property
    def asks_people(self) -> bool:
        """People may be asked before it: not before a first version serves, nor while one is only watched."""
        return self.kind not in {StageKind.FIRST, StageKind.BAKE}

    @property
    def exposure(self) -> Exposure:
        """What the candidate is exposed to, as the data plane can give it."""
        return Exposure(
            live_percent=self.effective_weight_percent,
            mirror_percent=self.mirror_percent,
            routes=self.routes,
            preview=self.preview,
        )

    @property
    def needs_proof(self) -> bool:
        """Time alone does not end it: it goes on when the evidence says so.

        Nobody has to visit a preview, unless the plan says how many requests it takes.
        """
        proves = self.kind in {StageKind.SHADOW, StageKind.LIVE}
        proves = proves or (self.kind is StageKind.PREVIEW and self.min_requests > 0)
        return proves and self.control is not Control.NONE

    @property
    def is_held(self) -> bool:
        """It lasts, so that judgements are its own; the others end once they are confirmed."""
        return self.needs_proof or self.kind in {StageKind.PREVIEW, StageKind.BAKE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveStep:
    """The step being walked. `confirmed_at` is when the wanted weight was seen in the data plane.

    `estimate` says in words what the step can find out in its time.
    """

    index: Annotated[int, About("Position in the plan, from 0.")]
    name: Annotated[str, About("Name of the step.")]
    started_at: Annotated[datetime, About("When its weight was decided.")]
    confirmed_at: Annotated[
        datetime | None, About("When its weight was seen in the data plane.", vital=True)
    ] = None
    hold_until: Annotated[datetime | None, About("End of its hold.", vital=True)] = None
    deadline_at: Annotated[datetime | None, About("End of the wait for proof.", vital=True)] = None
    estimate: Annotated[str, About("What it can find out in its time.", limit=TEXT)] = ""
    covered_since: Annotated[
        datetime | None,
        About("Since when, in a bake, the promoted version has the pods for its load."),
    ] = None
