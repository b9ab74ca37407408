"""What policies judge: a spec, and the plan of its rollout from where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tidegate import model
from tidegate.policy import origins

CANARY, SHADOW, BLUE_GREEN = "Canary", "Shadow", "BlueGreen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A plan of which the stages before `at` are over; `share` of the users it has now, in percent.

    `rolled_back_at` is when a version that requests had reached was last taken back, None for never;
    where `now` is None nobody has looked.
    `smoke_test` is the pod template of the Job that the rollout froze when it began; None where the
    spec says which one it is.
    """

    spec: model.Spec
    plan: tuple[model.Stage, ...]
    at: int = 0
    share: float = 0.0
    smoke_test: model.Document | None = None
    rolled_back_at: datetime | None = None
    now: datetime | None = None

    @property
    def strategy(self) -> str:
        """By the plan, which an edit of the spec does not change; empty for a first revision."""
        kinds = {stage.kind for stage in self.plan}
        judged = {stage.kind for stage in self.plan if stage.control is not model.Control.NONE}
        if model.StageKind.FIRST in kinds:
            return ""
        if model.StageKind.PREVIEW in kinds:
            return BLUE_GREEN
        shadows = model.StageKind.SHADOW in judged
        return SHADOW if shadows else CANARY

    @property
    def walks(self) -> bool:
        """Users come in steps that can be judged: there are pods, and somebody serves already."""
        return bool(self.strategy) and self.spec.replicas > 0

    @property
    def ahead(self) -> tuple[model.Stage, ...]:
        """Stages that are still to be walked."""
        return tuple(stage for stage in self.plan[self.at :] if stage.is_left)

    @property
    def metrics(self) -> tuple[model.Metric, ...]:
        """Metrics on which a step depends."""
        return tuple(one for one in self.spec.analysis.metrics if one.acts)

    @property
    def images(self) -> tuple[origins.Named, ...]:
        """Images of everything that runs for it: its pods, and those of its smoke test."""
        pods = origins.images(self.spec.template, field=origins.POD_TEMPLATE)
        return (*pods, *origins.images(self._job_template, field=origins.JOB_TEMPLATE))

    @property
    def _job_template(self) -> model.Document:
        if self.smoke_test is not None:
            return self.smoke_test
        asked = self.spec.smoke_test
        return asked.template if asked is not None else {}
