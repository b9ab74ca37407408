"""What the families of measures have in common that the watch for what serves looks at.

A family says what it asks for a metric, and what a look makes of the answers: the state of the metric
after it, and its row for status. Nothing of one metric keeps another one from being looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tidegate import model
from tidegate.controller.analysis.fetch import Found
from tidegate.controller.analysis.pieces import Asked, asked_by
from tidegate.controller.watch.served import Served
from tidegate.evidence.terms import Problem, Reason, Template
from tidegate.evidence.verdict import concept, limits, rules, serving
from tidegate.evidence.verdict.serving import Look

GONE = Problem(reason=Reason.NO_DATA, message="its template is gone")
State = serving.Served | limits.Served | concept.Served


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one metric asked for, and what came back, by role."""

    asked: Asked
    found: Mapping[str, Found]

    @property
    def problem(self) -> Problem | None:
        """The first problem is that of all."""
        return next((one for one in self.found.values() if isinstance(one, Problem)), None)


class Asking(Protocol):
    """The first half of a look."""

    def __call__(self, metric: model.Metric, *, served: Served, seconds: float) -> Asked | Problem:
        """What a metric wants by role for one slice, or why it cannot be asked for."""


class Looking(Protocol):
    """The second half of a look."""

    def __call__(
        self,
        metric: model.Metric,
        known: State | None,
        *,
        answered: Answered | Problem,
        newest: Slice,
    ) -> tuple[State, model.WatchedMetric]:
        """The state of a metric after one more slice, and its row; it raises nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How a kind of measure is watched."""

    asked: Asking
    looked: Looking


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One look at a model: the slice of time that ended at `at` (unix seconds), `seconds` long."""

    served: Served
    at: float
    seconds: float

    @property
    def alpha(self) -> float:
        """The chance of a false alarm of one metric at this look."""
        return serving.alpha_of(
            self.served.monitoring, slice_seconds=self.seconds, metrics=len(self.served.metrics)
        )

    def template(self, metric: model.Metric) -> Template | None:
        """What reads the metric, if there is still something."""
        return self.served.templates.get(metric.name)


def asked(metric: model.Metric, *, served: Served, kind: str) -> Asked | Problem:
    """What a metric wants by role, or why it cannot be asked for; `kind` says what it should be."""
    template = served.templates.get(metric.name)
    if template is None:
        named = (
            f"template {metric.template.name}" if metric.template is not None else "query or preset"
        )
        message = f"its {named} cannot be used: it or its metric source is gone, or it is {kind}"
        return Problem(reason=Reason.NO_DATA, message=message)
    return asked_by(metric, template=template, identity=served.identity)


def asked_fitting(
    metric: model.Metric, *, served: Served, kind: str
) -> tuple[Asked, Template] | Problem:
    """As `asked`, with the template; a Problem too where that cannot tell what the metric asks for."""
    found = asked(metric, served=served, kind=kind)
    if isinstance(found, Problem):
        return found
    template = served.templates[metric.name]
    wrong = next(rules.violations(metric, template=template, path=metric.name), None)
    if wrong is not None:
        return Problem(reason=Reason.ERROR, message=f"{wrong.path}: {wrong.message}")
    return found, template


def row(metric: model.Metric, look: Look, *, against: model.Against) -> model.WatchedMetric:
    """A finding as it stands in status."""
    return model.WatchedMetric(
        name=metric.name,
        against=against,
        outcome=look.outcome,
        reason=look.reason.value,
        message=look.message,
        value=look.value,
        threshold=metric.threshold,
        onset=look.onset,
        shifts=look.shifts,
    )
