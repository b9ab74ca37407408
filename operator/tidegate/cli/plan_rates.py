"""What a rollout can say of its throughput: which request rates are due, and when they pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate import model
from tidegate.evidence.sequential.judgement import EvidenceConfig, Pace
from tidegate.evidence.sequential.relative import CAREFUL
from tidegate.evidence.verdict import throughput
from tidegate.traffic.plane import plane_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RateForecast:
    """One request rate in one step. `due` is in requests/s, of all traffic or of each pod.

    `passes_seconds` is infinite where it does not pass, for the reason in `warning`.
    """

    step: str
    name: str
    due: float
    unit: str
    passes_seconds: float
    warning: str = ""


def forecast(
    steps: Sequence[model.Stage],
    *,
    spec: model.Spec,
    config: EvidenceConfig,
    rate: float,
    dispersion: float,
) -> tuple[RateForecast, ...]:
    """Each request rate that guards, in each step; `rate` is that of all traffic, in requests/s.

    `dispersion` is that of the requests of pods that are alike.
    """
    sizing = plane_of(spec.traffic).sizing
    found: list[RateForecast] = []
    for step in steps:
        percent = step.effective_weight_percent
        pods = sizing.candidate_pods(percent, replicas=spec.replicas, scaling=spec.scaling)
        for rule in config.metrics:
            pace = rule.pace
            if pace is None or not rule.guard or not 0 < percent < 100:
                continue
            due = rate * percent / 100 / max(1, pods) if pace.per_pod else rate
            enough = pace.least is None or due > pace.least
            seconds = throughput.passes_seconds(
                pace,
                rate=rate,
                weight=percent / 100,
                phi=dispersion if spec.replicas > 1 else CAREFUL,
                config=config,
                due=due,
            )
            found.append(
                RateForecast(
                    step=step.name,
                    name=rule.name,
                    due=due,
                    unit="requests/s per pod" if pace.per_pod else "requests/s at all traffic",
                    passes_seconds=max(seconds, step.hold_seconds),
                    warning=_warning(seconds, step=step, enough=enough, due=due, pace=pace),
                )
            )
    return tuple(found)


def _warning(seconds: float, *, step: model.Stage, enough: bool, due: float, pace: Pace) -> str:
    """Why a candidate as fast as stable does not pass in time; empty where it does."""
    if not enough:
        return throughput.too_few(due, pace=pace)
    if seconds > step.deadline_seconds or not math.isfinite(seconds):
        return "does not pass before the deadline: lower min, raise margin, or give the step more weight"
    return ""
