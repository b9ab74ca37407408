"""What is judged: a candidate beside its control, since an instant, through its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tidegate import model
from tidegate.controller.workqueue import Key
from tidegate.evidence.counts.completeness import ReadyPods
from tidegate.evidence.counts.grid import WeightChange
from tidegate.evidence.terms import Identity, Template, TrainingData


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Equal subjects are judged alike: a judgement holds for this one and for no other.

    `control` is empty when nothing serves beside the candidate, and `control_until` is where the
    history of the control alone ends. `stages` are as `as_judged` leaves them; the evidence of
    those that were confirmed at `since` or later counts. `templates` has one entry per metric of
    the analysis; `preset` is that of the server. `one_pod` says that the candidate starts with a
    single pod; `references` are training data, by metric. `ready` pods come and go and make no other
    subject, nor does it when the control was made (`control_made_at`), or how many `pods` the candidate
    is to have in each stage. While the last share is not `delivered`, nobody knows how many requests are due.
    """

    key: Key
    uid: str
    id: str
    candidate: str
    control: str
    control_until: datetime
    since: datetime | None
    first_traffic_at: datetime | None
    stages: tuple[model.Stage, ...]
    analysis: model.Analysis
    traffic: model.Traffic
    preset: str
    templates: Mapping[str, Template]
    one_pod: bool = False
    delivered: bool = True
    references: Mapping[str, TrainingData] = field(default_factory=dict)
    ready: ReadyPods = field(default_factory=ReadyPods, compare=False)
    control_made_at: datetime | None = field(default=None, compare=False)
    pods: tuple[int, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        missing = {metric.name for metric in self.analysis.metrics} - self.templates.keys()
        assert not missing, missing

    @property
    def identity(self) -> Identity:
        """Whose series are read."""
        return Identity(
            namespace=self.key.namespace,
            name=self.key.name,
            candidate=self.candidate,
            stable=self.control,
        )

    @property
    def events(self) -> tuple[WeightChange, ...]:
        """The shares whose evidence counts, as they were confirmed; one that is unknown is 0."""
        since = self.since
        found = tuple(
            WeightChange(
                at=stage.confirmed_at.timestamp(),
                step=index,
                weight=stage.exposure.counted_share,
            )
            for index, stage in enumerate(self.stages)
            if stage.confirmed_at is not None and since is not None and stage.confirmed_at >= since
        )
        return (
            found
            if self.delivered
            else (*found[:-1], *(replace(it, weight=0.0) for it in found[-1:]))
        )

    def data_from(self, warmup_seconds: float) -> float:
        """Unix seconds from which on the last weight is judged: settled and warm."""
        settled = self.events[-1].at + self.analysis.settle_seconds
        if self.first_traffic_at is None:
            return settled
        return max(settled, self.first_traffic_at.timestamp() + warmup_seconds)


_UNJUDGED = model.Stage(name="", weight_percent=0.0, effective_weight_percent=0.0)


def as_judged(stage: model.Stage, *, by: model.Control) -> model.Stage:
    """The stage with its plan and when it was confirmed, without what else happens to it.

    Nothing of it counts under another control, or where it does not last.
    """
    if stage.control is not by or not stage.is_held:
        return replace(_UNJUDGED, name=stage.name, kind=stage.kind, control=stage.control)
    return replace(
        stage,
        state=model.StepState.PENDING,
        started_at=None,
        ended_at=None,
        ended_by="",
        evidence=(),
        gates=(),
    )
