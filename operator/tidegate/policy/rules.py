"""The constraints of a policy, one function each: what a rollout does not keep, in words.

Each takes the constraints and the case and gives a message that says what to change, empty where
all is well. What a policy asks of steps is asked of those that are still to come: nobody can walk
one again. Source: api.md, 9.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Final

from tidegate import model
from tidegate.policy import origins
from tidegate.policy.case import BLUE_GREEN, Case

STOP = "stopPolicy"  # no constraint, and known to all who name rules
_ROUNDING = 1e-6
# A metric that only has the name of a preset may measure anything.
PRESETS: Final = frozenset(
    {
        *("error-ratio", "client-error-ratio", "latency-p50", "latency-p95", "latency-p99"),
        *("ttft-p95", "itl-p95", "request-rate", "pod-request-rate"),
        *("feature-drift", "prediction-drift"),
        *("label-quality", "label-precision", "label-recall", "label-f1"),
    }
)


def _allowed(value: str, allowed: frozenset[str] | None, *, field: str) -> str:
    if allowed is None or value in allowed:
        return ""
    choice = ", ".join(sorted(allowed)) or "nothing"
    return f"{field} is {value or 'not set'}, allowed: {choice}"


def _strategy(constraints: model.Constraints, case: Case) -> str:
    if not case.strategy:
        return ""
    return _allowed(case.strategy, constraints.allowed_strategies, field="strategy.type")


def _automation_level(constraints: model.Constraints, case: Case) -> str:
    level = case.spec.automation.level
    return _allowed(level, constraints.allowed_automation_levels, field="automation.level")


def _decision_mode(constraints: model.Constraints, case: Case) -> str:
    mode = case.spec.automation.decision_mode or ""
    return _allowed(mode, constraints.allowed_decision_modes, field="automation.decisionMode")


def _provider(constraints: model.Constraints, case: Case) -> str:
    provider = case.spec.traffic.provider
    return _allowed(provider, constraints.allowed_traffic_providers, field="traffic.provider")


def _initial_weight(constraints: model.Constraints, case: Case) -> str:
    """A preview at full size takes the place of a small first weight."""
    most = constraints.max_initial_weight
    if most is None or not case.walks or case.strategy == BLUE_GREEN or case.share > 0:
        return ""
    first = next((it for it in case.ahead if it.exposure.live_percent > 0), None)
    if first is None or first.exposure.live_percent <= most + _ROUNDING:
        return ""
    return f"the first weight is {_given(first)}, at most {most:g} % are allowed: {_lower(first)}"


def _step_increase(constraints: model.Constraints, case: Case) -> str:
    most = constraints.max_step_increase
    if most is None or not case.walks or case.strategy == BLUE_GREEN:
        return ""
    live = [it for it in case.ahead if it.exposure.live_percent > 0]
    shares = [case.share, *(it.exposure.live_percent for it in live)]
    for stage, (before, after) in zip(live, pairwise(shares), strict=True):
        if after - before > most + _ROUNDING:
            return (
                f"step {stage.name} goes from {before:g} % to {_given(stage)}, at most {most:g} "
                "percent points at once are allowed: add a step in between"
            )
    return ""


def _given(stage: model.Stage) -> str:
    share, asked = stage.exposure.live_percent, stage.weight_percent
    rounded = f" ({asked:g} % asked for, which the pods cannot give)" if share != asked else ""
    return f"{share:g} %{rounded}"


def _lower(stage: model.Stage) -> str:
    if stage.kind is model.StageKind.SWITCH:
        return "add steps before the promotion"
    return f"lower the weight of step {stage.name}, or add a step before it"


def _hold(constraints: model.Constraints, case: Case) -> str:
    least = constraints.min_hold_seconds
    short = [it.name for it in _live(case.ahead) if it.hold_seconds < least]
    if not short or not case.walks:
        return ""
    return f"the hold of step {', '.join(short)} is shorter than {_time(least)}: raise it"


def _steps(constraints: model.Constraints, case: Case) -> str:
    least, found = constraints.min_steps, len(list(_live(case.plan)))
    if found >= least or not case.walks or case.strategy == BLUE_GREEN:
        return ""
    return (
        f"steps with users before the promotion: {found}, at least {least} are asked for: add some"
    )


def _bake(constraints: model.Constraints, case: Case) -> str:
    least = constraints.min_bake_seconds
    promoted = any(it.kind is model.StageKind.SWITCH for it in case.ahead)
    baked = sum(it.hold_seconds for it in case.ahead if it.kind is model.StageKind.BAKE)
    if baked >= least or not promoted or not case.walks:
        return ""
    return f"strategy.postPromotion.bake is {_time(baked)}, at least {_time(least)} is asked for: raise it"


def _total(constraints: model.Constraints, case: Case) -> str:
    """From the start to the promotion, of what was walked and is to be."""
    least = constraints.min_total_seconds
    before = [it for it in case.plan if it.kind is not model.StageKind.BAKE]
    lasts = sum(it.hold_seconds for it in before if not _is_left_out(it))
    if lasts >= least or not case.walks:
        return ""
    return (
        f"all steps until the promotion last {_time(lasts)}, at least {_time(least)} is asked for: raise "
        "their hold"
    )


def _shadow(constraints: model.Constraints, case: Case) -> str:
    if not constraints.require_shadow or not case.walks or case.share > 0:
        return ""
    for stage in case.plan:
        if stage.mirror_percent > 0 and not _is_left_out(stage):
            return ""
        if stage.exposure.live_percent > 0:
            break
    return "no requests are copied to it before the first users: add canary.warmup, or a Shadow"


def _rehearsed(constraints: model.Constraints, case: Case) -> str:
    """Asked before the promotion only: the steps before it are where the way back can be tried."""
    within = constraints.rehearsed_within_seconds
    following = next(iter(case.ahead), None)
    promotes = following is not None and following.kind is model.StageKind.SWITCH
    if within is None or case.now is None or not promotes or not case.walks:
        return ""
    at = case.rolled_back_at
    if at is not None and 0 <= (case.now - at).total_seconds() <= within:
        return ""
    last = f"the last one was at {at:%Y-%m-%d %H:%M} UTC" if at is not None else "none is known"
    return (
        f"no version of it was taken back within {_time(within)} ({last}): abort this rollout, and "
        "retry it"
    )


def _replicas(constraints: model.Constraints, case: Case) -> str:
    least, found = constraints.min_replicas, case.spec.replicas
    if found >= least or found == 0:
        return ""
    return f"workload.replicas is {found}, at least {least} are asked for: raise it"


def _representable(constraints: model.Constraints, case: Case) -> str:
    """A weight that rounds to nothing or to everything proves nothing, and is no step."""
    if not constraints.require_representable_weights or not case.walks:
        return ""
    lost = [
        it.name
        for it in case.ahead
        if it.kind is model.StageKind.LIVE
        and 0 < it.weight_percent < 100
        and not 0 < it.exposure.live_percent < 100
    ]
    if not lost:
        return ""
    return (
        f"{case.spec.replicas} pods cannot give the weight of step {', '.join(lost)}: raise "
        "workload.replicas, or use a traffic.provider with exact weights"
    )


def _surge(constraints: model.Constraints, case: Case) -> str:
    most, asked = constraints.max_surge_percent, case.spec.scaling.max_surge_percent
    if most is None or asked <= most or not case.strategy:
        return ""
    return f"strategy.scaling.maxSurgePercent is {asked:g}, at most {most:g} is allowed: lower it"


def _checks(constraints: model.Constraints, case: Case) -> str:
    return "; ".join(
        f"metric {check.metric}: {lack}"
        for check in sorted(constraints.mandatory_checks, key=lambda it: it.metric)
        if (lack := _lack(check, case))
    )


def _lack(check: model.MandatoryCheck, case: Case) -> str:
    named = [it for it in case.metrics if check.metric in _known_as(it)]
    if not named:
        return "must be judged: add it to analysis.metrics, without dryRun"
    least = check.max_threshold
    limited = [it for it in named if least is None or _is_limited(it.threshold, least)]
    if not limited:
        return f"needs threshold.max of {least:g} or less"
    loose = {it.name: _loose_steps(it, case, least) for it in limited}
    limited = [it for it in limited if not loose[it.name]]
    if not limited:
        steps = ", ".join(min(loose.values()))
        return f"needs threshold.max of {least:g} or less in step {steps} as well"
    if check.require_baseline and not any(it.compare or it.drift for it in limited):
        return "must be held against stable or a reference: add compare or drift"
    return ""


def _known_as(metric: model.Metric) -> frozenset[str]:
    """Its preset, and its name unless that is the name of a preset which it is not."""
    borrowed = metric.name in PRESETS and metric.name != metric.preset
    return frozenset({metric.preset or "", "" if borrowed else metric.name} - {""})


def _loose_steps(metric: model.Metric, case: Case, least: float | None) -> list[str]:
    """Steps ahead that have a limit of their own for it, and too large a one."""
    return [
        stage.name
        for stage in case.ahead
        for limit in stage.limits
        if limit.name == metric.name
        and least is not None
        and not _is_limited(limit.threshold, least)
    ]


def _is_limited(threshold: model.Threshold, most: float) -> bool:
    return threshold.max is not None and threshold.max <= most


def _groups(constraints: model.Constraints, case: Case) -> str:
    judged = {name for it in case.metrics for name in _known_as(it)}
    return "; ".join(
        f"at least {group.at_least} of {', '.join(sorted(group.any_of))} must be judged: add to "
        "analysis.metrics"
        for group in sorted(constraints.metric_groups, key=lambda it: sorted(it.any_of))
        if len(group.any_of & judged) < group.at_least
    )


def _sources(constraints: model.Constraints, case: Case) -> str:
    found = _allowed(
        case.spec.analysis.source, constraints.allowed_sources, field="analysis.source"
    )
    free = [it.name for it in case.spec.analysis.metrics if it.query]
    if not constraints.forbid_free_queries or not free:
        return found
    text = f"metric {', '.join(free)} has a query of its own: use a preset or a template"
    return f"{found}; {text}" if found else text


def _images(constraints: model.Constraints, case: Case) -> str:
    if not constraints.require_image_digest:
        return ""
    loose = [it for it in case.images if not origins.is_pinned(it.value)]
    named = "; ".join(f"{it.field}: image {it.value or '(not set)'} has no digest" for it in loose)
    return f"{named}: name it as image@sha256:..." if loose else ""


def _model_uris(constraints: model.Constraints, case: Case) -> str:
    found: list[str] = []
    for file in origins.files(case.spec):
        found += _foreign(file, constraints.uri_prefixes)
        if constraints.require_model_digest and not file.digest:
            found.append(f"{file.field}.digest is not set: add it")
    return "; ".join(found)


def _foreign(file: origins.File, allowed: frozenset[frozenset[str]]) -> Iterator[str]:
    """What is against the place of a file. An artefact without a place is loaded from nowhere."""
    if file.field != "model" and not file.uri:
        return
    if allowed and origins.climbs(file.uri):
        yield f"{file.field}.uri {file.uri} has a segment . or .. in it: name the place itself"
    for prefixes in sorted(allowed, key=sorted):
        if not any(origins.is_below(file.uri, one) for one in prefixes):
            begins = f"begins with none of {', '.join(sorted(prefixes))}"
            yield f"{file.field}.uri {file.uri or 'is not set'} {begins}"


def _live(stages: tuple[model.Stage, ...]) -> Iterator[model.Stage]:
    for stage in stages:
        if stage.kind is model.StageKind.LIVE and not _is_left_out(stage):
            yield stage


def _is_left_out(stage: model.Stage) -> bool:
    return stage.state is model.StepState.SKIPPED


def _time(seconds: float) -> str:
    """A time for people: `90s`, `15m`, `2h`."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


RULES: Final[Mapping[str, Callable[[model.Constraints, Case], str]]] = {
    "allowedStrategies": _strategy,
    "allowedAutomationLevels": _automation_level,
    "allowedDecisionModes": _decision_mode,
    "allowedTrafficProviders": _provider,
    "maxInitialWeight": _initial_weight,
    "maxStepIncrease": _step_increase,
    "maxSurgePercent": _surge,
    "minSteps": _steps,
    "minReplicas": _replicas,
    "minHold": _hold,
    "minBake": _bake,
    "minTotalDuration": _total,
    "requireShadow": _shadow,
    "requireRehearsedRollback": _rehearsed,
    "requireRepresentableWeights": _representable,
    "mandatoryChecks": _checks,
    "metricGroups": _groups,
    "metricSources": _sources,
    "images": _images,
    "modelURIs": _model_uris,
}
