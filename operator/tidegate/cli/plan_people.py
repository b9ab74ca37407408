"""What no forecast knows: how long people take at gates, and how much testers send. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidegate import model
from tidegate.evidence.verdict.outlook import about

_L = model.AutomationLevel


def asked(spec: model.Spec, plan: Sequence[model.Stage]) -> tuple[str, ...]:
    """Where a rollout of this plan waits for people, in words; nothing where it moves by itself."""
    return tuple(_asked(spec, plan))


def by_requests(plan: Sequence[model.Stage]) -> tuple[model.Stage, ...]:
    """The stages with a share of all requests; what testers send is not known beforehand."""
    return tuple(stage for stage in plan if stage.exposure.live_percent > 0)


def testers_alone(plan: Sequence[model.Stage]) -> tuple[str, ...]:
    """The steps that only testers reach, and how long each lasts at least and at most."""
    return tuple(
        f"step {stage.name}: how much its routes send is not known; it takes "
        f"{about(stage.hold_seconds)} to {about(stage.deadline_seconds)}, and needs "
        f"{stage.min_requests} requests of testers"
        for stage in plan
        if stage.needs_proof and stage.exposure.live_percent == 0
    )


def _asked(spec: model.Spec, plan: Sequence[model.Stage]) -> Iterator[str]:
    gates = [(gate.name, stage.name) for stage in plan for gate in stage.gates]
    yield from (f"gate {gate} before step {step}" for gate, step in gates)
    level = spec.automation.level
    if level in {_L.MANUAL, _L.ADVISORY}:
        yield f"automation.level {level}: promote before every step and before promotion"
    elif level is _L.GATED and not gates:
        yield f"automation.level {level}: promote before promotion"
    elif level is _L.SHADOW:
        yield f"automation.level {level}: no step begins before the level is raised"
    if spec.paused:
        yield "spec.paused is true: no step begins before it is false"
