"""What the evidence engine says of a candidate: per metric, and of the running step."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from tidegate.model.spec import NO_THRESHOLD, Threshold


class Outcome(enum.StrEnum):
    """Judgement of one metric (api.md, 1)."""

    PASS = "Pass"  # noqa: S105  (an outcome, not a password)
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    NO_DATA = "NoData"
    ERROR = "Error"


class Verdict(enum.StrEnum):
    """All metrics of a step together."""

    ADVANCE = "Advance"
    HOLD = "Hold"
    ROLL_BACK = "RollBack"


class IdentityMode(enum.StrEnum):
    """By which labels series are told to be of a revision (api.md, 8.2).

    `Label`: `revision` and `model_deployment`, from a relabeling made for it. `PodLabel`: what a
    relabeling of pod labels makes of them, `tidegate_dev_...`. `Pod`: the name of the pod.
    `Gateway`: as `Label`, but reported by a proxy, whose pod says nothing.
    """

    LABEL = "Label"
    POD_LABEL = "PodLabel"
    POD = "Pod"
    GATEWAY = "Gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIdentity:
    """How a metric source tells the revisions of a ModelDeployment apart."""

    source: str
    mode: IdentityMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A confidence interval; None is an open end."""

    lower: float | None = None
    upper: float | None = None


OPEN_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """Requests of a revision, and those of them that speak against it."""

    total: float = 0.0
    bad: float = 0.0


NO_COUNTS = ArmCounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricResult:
    """Judgement of one metric with the numbers behind it.

    `value_bounds` belong to the candidate's value, `ratio_bounds` to its ratio to stable; neither
    decides. `evidence` is the logarithm of an e-value against the candidate and acts at
    `evidence_limit`, `proof` that of the proof that it does no harm, needed is `proof_limit`.
    `edge` is the bucket bound (seconds) of a latency that the counts speak of.
    """

    name: str
    outcome: Outcome
    reason: str = ""
    message: str = ""
    value: float | None = None
    value_bounds: Bounds = OPEN_BOUNDS
    baseline_value: float | None = None
    threshold: Threshold = NO_THRESHOLD
    edge: float | None = None
    ratio: float | None = None
    ratio_bounds: Bounds = OPEN_BOUNDS
    evidence: float | None = None
    evidence_limit: float | None = None
    proof: float | None = None
    proof_limit: float | None = None
    dispersion: float | None = None
    dispersion_source: str = ""
    candidate: ArmCounts = NO_COUNTS
    baseline: ArmCounts = NO_COUNTS
    intervals: int = 0
    failures: int = 0
    dry_run: bool = False
    critical: bool = False
    evaluated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a planned step can find out, said before it starts; a warning if that is too little."""

    text: str
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisState:
    """Judgement of the running step by the evidence engine, or why there is none yet.

    `judged` is False while nothing was evaluated for this (revision, step) since it was
    confirmed. `requests` counts candidate requests in this step. `only_proof_is_missing` says that
    a hold has no other reason, so that time alone may be enough. `estimates` has one entry per step
    of the plan once the stable history is known; `digest` is the SHA-256 of the interval table.
    """

    judged: bool = False
    verdict: Verdict = Verdict.HOLD
    reason: str = ""
    message: str = ""
    results: tuple[MetricResult, ...] = ()
    requests: float = 0.0
    consecutive_errors: int = 0
    without_data_since: datetime | None = None
    only_proof_is_missing: bool = False
    observed_candidate_percent: float | None = None
    estimates: tuple[Estimate, ...] = ()
    digest: str = ""
