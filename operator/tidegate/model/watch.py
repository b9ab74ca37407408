"""What the watch for the revision that serves has found, and what of it is kept.

Source: evidence.md, 10; ADR 0080.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.analysis import NO_THRESHOLD, Metric, Threshold
from tidegate.model.fields import PER_METRIC, TEXT, About
from tidegate.model.hook import HookCall
from tidegate.model.judgement import Outcome, Shift


class Against(enum.StrEnum):
    """What the revision that serves is held against."""

    TRAINING = "Training"
    THRESHOLD = "Threshold"
    LABELS = "Labels"


def against_of(metric: Metric) -> Against | None:
    """What a metric of the analysis is held against in the watch; None if it is not watched.

    Pairs of answers need a shadow, and what else is compared has nobody beside it. Labels are held
    against those of its own first cohorts.
    """
    if metric.training is not None:
        return Against.TRAINING
    if metric.labels is not None:
        return Against.LABELS
    limited = metric.threshold != NO_THRESHOLD and metric.drift is None
    return Against.THRESHOLD if limited and not metric.pairs else None


class Alarm(enum.StrEnum):
    """What is told of a revision that serves: the names of conditions and Events."""

    DATA = "DataDrift"
    SKEW = "SkewSuspected"
    CONCEPT = "ConceptDrift"
    BREACH = "ThresholdBreached"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityBaseline:
    """What the labels of a revision were in its first cohorts: later ones are held against these."""

    cohorts: Annotated[int, About("How many cohorts it is of.", vital=True)]
    total: Annotated[float, About("Labelled predictions that count for the measure.", vital=True)]
    bad: Annotated[float, About("Those that were wrong.", vital=True)]
    dispersion: Annotated[
        float, About("By how much more neighbouring cohorts differ than chance lets them.")
    ] = 1.0
    until: Annotated[datetime, About("When the newest of its cohorts ends.", vital=True)]
    counted_as: Annotated[
        str,
        About(
            "Measure, labelDelay, labelCohort and queries: what is counted otherwise begins anew."
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedMetric:
    """One metric of the revision that serves.

    `Fail` says that it has drifted or breaks its limit, `Pass` that a whole window showed no such thing.
    What was found lasts until a whole window shows none: missing data end nothing and begin nothing.
    """

    name: Annotated[str, About("Name of the metric.")]
    against: Annotated[
        Against,
        About(
            "Training: the profile of its training data; Labels: its own first cohorts, and the limits of"
            " the metric; Threshold: these alone."
        ),
    ]
    outcome: Annotated[Outcome, About("Pass, Fail, Inconclusive or NoData.")]
    reason: Annotated[str, About("Why, as one word.")] = ""
    message: Annotated[str, About("Why, in words, with its numbers.", limit=TEXT)] = ""
    failing_since: Annotated[
        datetime | None, About("When the drift or breach that lasts was found; absent: none lasts.")
    ] = None
    sound_since: Annotated[
        datetime | None,
        About("When a whole window had first shown neither; absent: none ever has."),
    ] = None
    value: Annotated[
        float | None,
        About("Its value in the last window, in the unit of the threshold.", quiet=True),
    ] = None
    threshold: Annotated[
        Threshold, About("The limits it is held against.", atomic=True, quiet=True)
    ] = NO_THRESHOLD
    onset: Annotated[
        str,
        About("How the drift came, for now: Sudden, Gradual, or Undetermined.", quiet=True),
    ] = ""
    shifts: Annotated[
        tuple[Shift, ...], About("Features that moved most.", limit=3, quiet=True)
    ] = ()
    baseline: Annotated[
        QualityBaseline | None, About("Its first cohorts, where labels are held against them.")
    ] = None

    @property
    def fails(self) -> bool:
        """A drift or a breach was found, and lasts."""
        return self.failing_since is not None

    @property
    def is_drift(self) -> bool:
        """What may be found is that the world has moved, or its inputs; no limit that somebody set."""
        return self.against is not Against.THRESHOLD

    @property
    def alarm(self) -> Alarm:
        """What that is: what never looked like its training data is fed otherwise."""
        if not self.is_drift:
            return Alarm.BREACH
        if self.against is Against.LABELS:
            return Alarm.CONCEPT
        return Alarm.DATA if self.sound_since is not None else Alarm.SKEW


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRollback:
    """The way back that was taken for the drift that lasts: there is one for each drift."""

    revision: Annotated[str, About("Short hash of the revision that was returned to.")]
    at: Annotated[datetime, About("When that began.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the watch for one revision has found so far."""

    revision: Annotated[str, About("Short hash of the revision that is watched.")]
    metrics: Annotated[
        tuple[WatchedMetric, ...],
        About("Each metric with its worst features.", limit=PER_METRIC, key="name"),
    ] = ()
    hook: Annotated[
        HookCall | None, About("The hook that asks for retraining, where the spec asks for one.")
    ] = None
    rollback: Annotated[
        DriftRollback | None,
        About("The rollback for the drift that lasts, where the spec asks for one."),
    ] = None
