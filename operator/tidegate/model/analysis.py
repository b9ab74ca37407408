"""How steps are judged: limits, comparisons, drift, metrics and their settings.

Units: seconds, ratios from 0 to 1.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated

from tidegate.model.baseline import Baseline
from tidegate.model.fields import About


class OnInconclusive(enum.StrEnum):
    """What a step does at its deadline without proof."""

    PAUSE = "Pause"
    PROMOTE = "Promote"
    ROLLBACK = "Rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Absolute limits of a value; `None` means no limit on that side."""

    min: Annotated[float | None, About("Values below fail.", recorded=True)] = None
    max: Annotated[float | None, About("Values above fail.", recorded=True)] = None

    def broken_by(self, value: float) -> bool:
        """True when the value lies outside the limits."""
        below = self.min is not None and value < self.min
        above = self.max is not None and value > self.max
        return below or above


NO_THRESHOLD = Threshold()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLimit:
    """Limits of a metric that hold in one step in place of its own."""

    name: Annotated[str, About("Name of the metric.")]
    threshold: Annotated[Threshold, About("Its limits in this step.", atomic=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Held against stable (api.md, 5.4): rates of bad events as ratios above 1.

    `tolerance` may be exceeded before it is harm, None leaves it to the number of pods; `margin`
    must be ruled out for a step to pass, or a rate of the candidate of `tolerance_absolute`. A step passes
    as well when `detect_ratio` times stable's rate, or `detect_absolute` more than it, would have
    been found by now; `detect_slow` takes its place for a latency, whose bad requests are only slow.
    """

    tolerance: float | None = None
    margin: float = 0.25
    tolerance_absolute: float = 0.005
    detect_ratio: float = 5.0
    detect_absolute: float = 0.05
    detect_slow: float = 0.1


class DriftRule(enum.StrEnum):
    """How many features must move for a breach."""

    ANY = "Any"
    AT_MOST_K = "AtMostK"


class OnBreach(enum.StrEnum):
    """What a metric does that is breached: its revision goes back, stays where it is, or is told of."""

    ROLLBACK = "Rollback"
    HOLD = "Hold"
    ALERT = "Alert"


class BaselineType(enum.StrEnum):
    """What a candidate is held against."""

    STABLE = "Stable"
    TRAINING = "TrainingReference"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRef:
    """Where the profile of the training data stands: a key of a ConfigMap of the same namespace."""

    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far the mix of a feature may move (api.md, 5.4), in PSI; None is the usual number.

    More than `delta` is a breach where more than `at_most` features are found so; a step passes once
    `margin` is ruled out. Features to `ignore` are not judged. With `training` the mix is held against
    that profile instead of stable.
    """

    delta: float | None = None
    margin: float | None = None
    at_most: int = 0
    ignore: tuple[str, ...] = ()
    training: ProfileRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """When labels of predictions are in (api.md, 5.4): `delay_seconds` after the last prediction of a cohort.

    A cohort is `cohort_seconds` long.
    """

    delay_seconds: float
    cohort_seconds: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRef:
    """Reference to a MetricTemplate of the same namespace or to a ClusterMetricTemplate."""

    kind: Annotated[str, About("MetricTemplate or ClusterMetricTemplate.")]
    name: Annotated[str, About("Its name.")]


class Reference(enum.StrEnum):
    """Whose answers those of a shadow are held against."""

    STABLE = "Stable"
    HUMAN = "Human"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Pairs of answers to the same requests. A preset reads them unless a `template` is set."""

    template: Annotated[
        TemplateRef | None, About("What reads the pairs.", name="templateRef", atomic=True)
    ] = None
    reference: Annotated[Reference, About("Stable or Human.", vital=True)] = Reference.STABLE
    threshold: Annotated[Threshold, About("Limit of the share of pairs.", atomic=True)]
    min_pairs: Annotated[int, About("Fewest pairs for a proof.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One judged number. Exactly one of `preset`, `template`, `query` is set.

    Of `pairs` the events are no requests: each is two answers to one. Unless `on_breach_is_written` it
    is what is usual. `recorded` is what stable showed, where it is judged by that.
    """

    name: str
    threshold: Threshold = NO_THRESHOLD
    compare: Compare | None = None
    preset: str = ""
    template: TemplateRef | None = None
    query: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    window_seconds: float = 60.0
    min_samples: int = 20
    critical: bool = False
    dry_run: bool = False
    pairs: bool = False
    drift: Drift | None = None
    labels: Labels | None = None
    on_breach: OnBreach = OnBreach.ROLLBACK
    on_breach_is_written: bool = False
    recorded: Baseline | None = None

    @property
    def acts(self) -> bool:
        """Whether a step depends on it; else it is only told of."""
        return not self.dry_run and self.on_breach is not OnBreach.ALERT

    @property
    def training(self) -> ProfileRef | None:
        """The profile that it is held against; None where that is stable, or nothing."""
        return self.drift.training if self.drift is not None else None

    @property
    def cut_at(self) -> float | None:
        """Where a latency is told to be too long, in seconds; None leaves that to stable's history."""
        if self.threshold.max is None and self.recorded is not None:
            return self.recorded.edge
        return self.threshold.max

    @property
    def needs_stable(self) -> bool:
        """Whether it is judged beside what stable shows at the same time."""
        drifts = self.drift is not None and self.drift.training is None
        return self.compare is not None or drifts


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """How a step is judged (api.md, 5.4). An empty `data_plane` leaves presets to the server.

    `left_out` are usual metrics that a spec without metrics would have, if they were exported.
    Without an `inconclusive_timeout_seconds` no step is stalled before its deadline.
    With `warmup_learned` nobody has set `warmup_seconds`: it is the least, and stable's pods may say more.
    `key` names this way of judging: it changes with what the user wrote, and with nothing else.
    """

    source: str
    interval_seconds: float
    warmup_seconds: float
    settle_seconds: float
    min_requests: int
    breach_failures: int
    breach_out_of: int
    error_limit: int
    no_data_timeout_seconds: float
    on_inconclusive: OnInconclusive
    metrics: tuple[Metric, ...]
    false_rollback: float = 0.01
    false_promotion: float = 0.05
    data_plane: str = ""
    left_out: tuple[str, ...] = ()
    inconclusive_timeout_seconds: float | None = None
    warmup_learned: bool = False
    key: str = ""
