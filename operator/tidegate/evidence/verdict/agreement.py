"""Agreement of answers: the metric of a shadow that holds its answers against those of others.

It is judged in the shadow alone, by an absolute limit: whether a difference is harm, only the user
can say. Source: api.md, 5.3; ADR 0053.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from tidegate import model
from tidegate.evidence.queries import pairs
from tidegate.evidence.terms import Ratio, Template

NAME = pairs.RESPONSE_AGREEMENT
PATH = "spec.strategy.shadow.compare"


def metric_of(asked: model.Agreement) -> model.Metric:
    """The metric that judges an agreement."""
    return model.Metric(
        name=NAME,
        preset="" if asked.template is not None else NAME,
        template=asked.template,
        threshold=asked.threshold,
        min_samples=asked.min_pairs,
        pairs=True,
    )


def preset_of(asked: model.Agreement, *, since: datetime | None = None) -> Template | None:
    """What reads the pairs of answers given after `since`, where no template is asked for."""
    return pairs.template(asked.reference, since=since) if asked.template is None else None


def of_pairs(template: Template) -> Template:
    """A template that reads pairs: whoever counts them names the revisions."""
    return replace(template, mode=model.IdentityMode.GATEWAY)


def beside(
    asked: model.Agreement | None,
    *,
    since: datetime | None,
    analysis: model.Analysis,
    templates: Mapping[str, Template],
) -> tuple[model.Analysis, Mapping[str, Template]]:
    """The analysis and its templates with the agreement that a stage asks for, `since` it is there.

    Where its template is gone it is still waited for: nothing passes without it. A metric of the
    same name, which no valid spec has, gives way.
    """
    if asked is None:
        return analysis, templates
    template = preset_of(asked, since=since) or templates.get(NAME) or _missing(asked)
    template = replace(template, source=template.source or analysis.source)
    metrics = (*(one for one in analysis.metrics if one.name != NAME), metric_of(asked))
    return replace(analysis, metrics=metrics), {**templates, NAME: template}


def _missing(asked: model.Agreement) -> Template:
    assert asked.template is not None, asked
    named = f"{asked.template.kind} {asked.template.name!r}"
    return replace(
        pairs.template(model.Reference.STABLE),
        missing=f"{named}, which reads the pairs, does not exist or is invalid",
    )


def violations(spec: model.Spec, *, template: Template) -> Iterator[model.Violation]:
    """What cannot be judged of the agreement that a spec asks for."""
    if any(one.name == NAME for one in spec.analysis.metrics):
        yield model.Violation(
            path=PATH,
            message=f"{NAME} is the name of a metric in spec.analysis.metrics, too: rename that one",
        )
    if not isinstance(template.measure, Ratio):
        yield model.Violation(
            path=f"{PATH}.templateRef",
            message="pairs are judged as a share: the template must be of type Ratio",
        )
