"""What is watched of a ModelDeployment while no rollout runs: the revision that serves.

Another family of measures joins by a module beside `distributions`, `limits` and `labels`, and by what it
is held against (`model.against_of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate import model
from tidegate.controller.workqueue import Key
from tidegate.evidence.terms import Distribution, Identity, Labels, Template, TrainingData


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A revision that serves, and how it is watched.

    By metric, `references` are training data, and `baselines` what was recorded of the first labels.

    A metric that lacks its template in `templates` cannot be looked at: there is none any more, or it
    is of another kind. `analysis` says how long a breach has to last.
    """

    key: Key
    uid: str
    revision: str
    monitoring: model.Monitoring
    analysis: model.Analysis
    metrics: tuple[model.Metric, ...]
    templates: Mapping[str, Template]
    references: Mapping[str, TrainingData] = field(default_factory=dict)
    baselines: Mapping[str, model.QualityBaseline] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        """Whose series are read."""
        return Identity(namespace=self.key.namespace, name=self.key.name, candidate=self.revision)


def served_of(key: Key, seen: model.Observation, *, found: Mapping[str, Template]) -> Served | None:
    """What is to be watched now; None in a rollout, without anybody who serves, or where nobody asks."""
    spec, stable = seen.spec, seen.status.stable
    if spec is None or spec.monitoring is None or stable is None:
        return None
    if seen.status.active_rollout is not None or seen.meta.deleting:
        return None
    metrics = tuple(one for one in spec.analysis.metrics if model.against_of(one) is not None)
    return Served(
        key=key,
        uid=seen.meta.uid,
        revision=stable.revision,
        monitoring=spec.monitoring,
        analysis=spec.analysis,
        metrics=metrics,
        templates={
            one.name: found[one.name] for one in metrics if _is_of(one, found.get(one.name))
        },
        baselines=_recorded(seen.status.monitoring, revision=stable.revision),
    )


def _recorded(watch: model.Watch | None, *, revision: str) -> Mapping[str, model.QualityBaseline]:
    """What status keeps of the first labels of this very revision."""
    if watch is None or watch.revision != revision:
        return {}
    return {one.name: one.baseline for one in watch.metrics if one.baseline is not None}


def _is_of(metric: model.Metric, template: Template | None) -> bool:
    """The template reads what the metric is watched by."""
    if template is None:
        return False
    match model.against_of(metric):
        case model.Against.TRAINING:
            return isinstance(template.measure, Distribution)
        case model.Against.LABELS:
            return isinstance(template.measure, Labels)
        case _:
            return not isinstance(template.measure, Distribution | Labels)
