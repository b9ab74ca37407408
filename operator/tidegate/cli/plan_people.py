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
    """The stages that answer or copy a share of all requests, and are held against something.

    What testers send is not known beforehand, and a warm-up proves nothing.
    """
    return tuple(
        stage
        for stage in plan
        if stage.exposure.counted_share > 0 and stage.control is not model.Control.NONE
    )


def not_by_requests(plan: Sequence[model.Stage]) -> tuple[str, ...]:
    """The other stages before all traffic, in words: how long each lasts, and what it asks of testers."""
    known = by_requests(plan)
    return tuple(_without_forecast(stage) for stage in plan if stage not in known)


def ends_in_promotion(plan: Sequence[model.Stage]) -> bool:
    """A shadow with `then: Stop` promotes nothing, whatever it proves."""
    return any(stage.kind is model.StageKind.SWITCH for stage in plan)


def _without_forecast(stage: model.Stage) -> str:
    if not stage.needs_proof:
        why = (
            "nothing is judged" if stage.control is model.Control.NONE else "limits alone judge it"
        )
        return f"step {stage.name}: {why}; it takes {about(stage.hold_seconds)}"
    return (
        f"step {stage.name}: how much testers send is not known; it takes "
        f"{about(stage.hold_seconds)} to {about(stage.deadline_seconds)}, and needs "
        f"{stage.min_requests} requests of testers"
    )


def _asked(spec: model.Spec, plan: Sequence[model.Stage]) -> Iterator[str]:
    gates = [(gate.name, stage.name) for stage in plan for gate in stage.gates]
    yield from (f"gate {gate} before step {step}" for gate, step in gates)
    held = (stage.name for stage in plan if stage.awaits_request)
    yield from (f"step {step}: promote after its proof" for step in held)
    level = spec.automation.level
    if level in {_L.MANUAL, _L.ADVISORY}:
        yield f"automation.level {level}: promote before every step and before promotion"
    elif level is _L.GATED and not gates:
        yield f"automation.level {level}: promote before promotion"
    elif level is _L.SHADOW:
        yield f"automation.level {level}: no step begins before the level is raised"
    if spec.paused:
        yield "spec.paused is true: no step begins before it is false"
