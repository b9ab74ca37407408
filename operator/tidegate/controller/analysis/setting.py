"""What stays the same as long as a rollout is judged in one way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tidegate import model
from tidegate.controller.analysis.subject import Subject
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Identity, Latency, Ratio, Template, TrainingData
from tidegate.evidence.verdict import client_errors, rules
from tidegate.traffic.plane import Weights, plane_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What stays the same as long as a rollout is judged in one way.

    `metrics` are those of the spec, and one that only counts requests where none of them does. `pods`
    are those that the candidate is to have in each stage, by which nothing is judged. `references` are
    training data, by metric. `seen` are the seconds between the samples of a source, where these are
    further apart than it says.
    """

    rollout: str
    namespace: str
    name: str
    analysis: model.Analysis
    traffic: model.Traffic
    templates: Mapping[str, Template]
    metrics: tuple[model.Metric, ...]
    plan: tuple[model.Stage, ...]
    one_pod: bool
    identity: Identity
    scrapes: Mapping[str, float]
    pods: tuple[int, ...] = field(default=(), compare=False)
    references: Mapping[str, TrainingData] = field(default_factory=dict)
    seen: Mapping[str, float] = field(default_factory=dict, compare=False)

    @property
    def scrape_seconds(self) -> float:
        """The longest scrape interval of the sources that are asked: one grid holds for all."""
        return max((*self.scrapes.values(), *self.seen.values()))

    @property
    def unlike(self) -> tuple[int, ...]:
        """Steps in which the arms may have other users: testers', or those of whole connections."""
        by_pod = plane_of(self.traffic).capabilities.weights is Weights.BY_POD
        return tuple(
            step for step, stage in enumerate(self.plan) if by_pod or stage.routes or stage.preview
        )

    @property
    def looks_for_outages(self) -> bool:
        """A metric of the spec tells one."""
        return any(one.preset == presets.ERROR_RATIO and not one.dry_run for one in self.metrics)

    def scrape_of(self, metric: model.Metric) -> float:
        """How often the source of a metric scrapes, by what it says itself."""
        return self.scrapes[self.templates[metric.name].source]

    def spacing_of(self, metric: model.Metric) -> float:
        """How far apart a metric's samples are, in seconds: those of the slower arm."""
        return self.seen.get(self.templates[metric.name].source, self.scrape_of(metric))

    def unit_of(self, metric: str) -> float:
        """How long the unit of a latency's edges is, in seconds; 1 for any other metric."""
        measure = self.templates[metric].measure
        return measure.unit_seconds if isinstance(measure, Latency) else 1.0

    @property
    def requests_from(self) -> str:
        """The metric whose events are all requests."""
        return rules.requests_from(self.analysis, templates=self.templates)

    @property
    def counted(self) -> tuple[model.Metric, ...]:
        """The metrics that are counted from row to row."""
        return tuple(one for one in self.metrics if rules.is_counted(self.templates[one.name]))

    @property
    def with_history(self) -> tuple[model.Metric, ...]:
        """Those of them of which stable's past tells something."""
        return tuple(one for one in self.metrics if rules.has_history(self.templates[one.name]))


def setting_of(subject: Subject, *, scrapes: Mapping[str, float]) -> Setting:
    """The setting of a subject; `scrapes` in seconds, by source."""
    analysis, templates = client_errors.beside(subject.analysis, subject.templates)
    found = dict(templates)
    metrics = analysis.metrics
    counter = presets.REQUESTS.get(analysis.data_plane or subject.preset)
    if counter and rules.requests_from(analysis, templates=found) == rules.REQUESTS:
        found[rules.REQUESTS] = Template(
            name=rules.REQUESTS, measure=Ratio(bad=counter, total=counter), source=analysis.source
        )
        metrics = (*metrics, model.Metric(name=rules.REQUESTS, dry_run=True))
    return Setting(
        rollout=f"{subject.key.namespace}/{subject.id}",
        namespace=subject.key.namespace,
        name=subject.key.name,
        analysis=analysis,
        traffic=subject.traffic,
        templates=found,
        metrics=metrics,
        plan=tuple(replace(stage, confirmed_at=None) for stage in subject.stages),
        one_pod=subject.one_pod,
        identity=subject.identity,
        scrapes=scrapes,
        pods=subject.pods,
        references=subject.references,
    )
