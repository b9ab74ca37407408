"""What the evidence engine says of a candidate: per metric, and of the running step."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.analysis import NO_THRESHOLD, OnBreach, Threshold
from tidegate.model.fields import TEXT, About


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

    source: Annotated[str, About("Name of the metric source.")]
    mode: Annotated[
        IdentityMode,
        About(
            "Label: revision and model_deployment. PodLabel: tidegate_dev_revision and "
            "tidegate_dev_model_deployment. Pod: the name of the pod. Gateway: reported by a proxy."
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A 95 % confidence interval that holds at every look; None is an open end."""

    lower: Annotated[float | None, About("Lower end of the interval.", recorded=True)] = None
    upper: Annotated[float | None, About("Upper end of the interval.", recorded=True)] = None


OPEN_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """Requests of a revision, and those of them that speak against it."""

    total: Annotated[float, About("All requests.", recorded=True, told=True)] = 0.0
    bad: Annotated[float, About("Those that speak against it.", recorded=True, told=True)] = 0.0


NO_COUNTS = ArmCounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A feature whose mix differs most from its reference."""

    feature: Annotated[str, About("Name of the feature, score or class.", recorded=True)]
    psi: Annotated[float, About("Population stability index.", recorded=True, told=True)]
    bin: Annotated[str, About("The bin that differs most.", recorded=True)] = ""
    share: Annotated[
        float,
        About("Share of the candidate's observations in it, 0 to 1.", recorded=True, told=True),
    ] = 0.0
    reference_share: Annotated[
        float,
        About("Share of the reference's observations in it, 0 to 1.", recorded=True, told=True),
    ] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricResult:
    """Judgement of one metric with the numbers behind it.

    `value_bounds` belong to the candidate's value, `ratio_bounds` to its ratio to stable; neither
    decides. `evidence` is the logarithm of an e-value against the candidate and acts at
    `evidence_limit`, `proof` that of the proof that it does no harm, needed is `proof_limit`.
    `detect` is the harm that a step without a proof looks for, and `power` the chance to have found it.
    `edge` is the bucket bound (seconds) of a latency that the counts speak of. A distribution has the
    largest PSI for its value, and -log of p for evidence and proof, corrected for features and looks.
    """

    name: Annotated[str, About("Name of the metric.", recorded=True, recorded_as="metric")]
    outcome: Annotated[Outcome, About("Pass, Fail, Inconclusive, NoData or Error.", recorded=True)]
    reason: Annotated[str, About("Why, as one word.", recorded=True)] = ""
    message: Annotated[str, About("Why, in words.", limit=TEXT)] = ""
    candidate: Annotated[ArmCounts, About("Counts of the candidate.", recorded=True)] = NO_COUNTS
    baseline: Annotated[ArmCounts, About("Counts of stable.", recorded=True)] = NO_COUNTS
    value: Annotated[float | None, About("Value of the candidate.", recorded=True)] = None
    value_bounds: Annotated[
        Bounds, About("Confidence interval of the candidate's value.", atomic=True)
    ] = OPEN_BOUNDS
    baseline_value: Annotated[float | None, About("Value of stable.", recorded=True)] = None
    threshold: Annotated[
        Threshold, About("Absolute limits of the value.", atomic=True, recorded=True)
    ] = NO_THRESHOLD
    edge: Annotated[
        float | None,
        About("Bucket bound that the counts speak of, in seconds.", recorded=True),
    ] = None
    ratio: Annotated[
        float | None,
        About("Rate of bad requests of the candidate over that of stable.", recorded=True),
    ] = None
    ratio_bounds: Annotated[
        Bounds,
        About("Confidence interval of the ratio.", atomic=True, recorded=True, recorded_as="."),
    ] = OPEN_BOUNDS
    evidence: Annotated[
        float | None, About("Evidence of harm: logarithm of an e-value.", recorded=True)
    ] = None
    evidence_limit: Annotated[
        float | None,
        About("Evidence of harm that rolls back.", recorded=True, recorded_as="limit"),
    ] = None
    proof: Annotated[
        float | None,
        About("Evidence that nothing is worse: logarithm of an e-value.", recorded=True),
    ] = None
    proof_limit: Annotated[float | None, About("Proof that a step needs.", recorded=True)] = None
    detect: Annotated[
        float | None,
        About("Rate of bad requests that would have been found by now.", recorded=True),
    ] = None
    detect_ratio: Annotated[
        float | None,
        About("The same over that of stable; absent while stable has none.", recorded=True),
    ] = None
    power: Annotated[
        float | None,
        About("Chance, 0 to 1, with which it would have been found.", recorded=True),
    ] = None
    dispersion: Annotated[
        float | None,
        About("How much bad requests come in clumps; 1 is not at all.", recorded=True),
    ] = None
    dispersion_source: Annotated[
        str,
        About("Measured, Given, or Unmeasured: then the value is assumed.", recorded=True),
    ] = ""
    intervals: Annotated[int, About("Closed counting intervals behind it.", recorded=True)] = 0
    shifts: Annotated[
        tuple[Shift, ...],
        About("Features that moved most, of a distribution.", limit=3, recorded=True, quiet=True),
    ] = ()
    failures: Annotated[int, About("Failing evaluations among the last ones.")] = 0
    dry_run: Annotated[bool, About("Reported, but never acts.", recorded=True)] = False
    on_breach: Annotated[
        OnBreach, About("Rollback, Hold, or Alert.", recorded=True, quiet=True)
    ] = OnBreach.ROLLBACK
    critical: Annotated[bool, About("Rolls back without waiting.")] = False
    evaluated_at: Annotated[datetime | None, About("When it was judged.")] = None

    @property
    def acts(self) -> bool:
        """Whether a step depends on it; else it is only told of."""
        return not self.dry_run and self.on_breach is not OnBreach.ALERT


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
    `silent` says in words that the candidate shows no data while stable does, which proves nothing.
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
    silent: str = ""
