"""What a plan says of labels: in which steps they can judge, and from when on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate import model
from tidegate.evidence.sequential.judgement import EvidenceConfig
from tidegate.evidence.verdict import forecast, outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class OfSteps:
    """In sentences that begin with the step."""

    texts: tuple[str, ...]
    warnings: tuple[str, ...]


def of_steps(config: EvidenceConfig, *, steps: Sequence[model.Stage]) -> OfSteps:
    """Each planned step and each metric of labels."""
    asked = [
        (number, step, rule)
        for number, step in enumerate(steps)
        if forecast.is_planned(step)
        for rule in config.metrics
        if rule.late is not None
    ]
    warnings = [
        (step.name, outlook.labels_warning(rule, step=number, stage=step))
        for number, step, rule in asked
    ]
    return OfSteps(
        texts=tuple(
            f"step {step.name}: {outlook.labels_text(rule, step=number)}"
            for number, step, rule in asked
        ),
        warnings=tuple(f"step {name}: {text}" for name, text in warnings if text),
    )
