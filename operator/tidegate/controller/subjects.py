"""What is judged of a ModelDeployment, and by which server's names."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tidegate import model
from tidegate.controller.analysis.subject import Subject, as_judged
from tidegate.controller.workqueue import Key
from tidegate.evidence.counts.completeness import ReadyPods
from tidegate.evidence.terms import Template
from tidegate.evidence.verdict import agreement, arms, recorded
from tidegate.rollout.plan import counts_apart
from tidegate.rollout.strategy import compile as strategies


def _servers(seen: model.Observation, *, candidate: str) -> tuple[str, str]:
    """The presets of what serves and of a candidate; the spec's where one is not made yet."""
    stable = seen.frozen.get(seen.status.stable.revision) if seen.status.stable else None
    made = seen.frozen.get(candidate)
    asked = seen.spec.server.preset if seen.spec is not None else ""
    newest = made.server.preset if made is not None else asked
    return (stable.server.preset if stable is not None else newest), newest


def incomparable(seen: model.Observation) -> tuple[model.Violation, ...]:
    """Metrics by which what spec asks for could not be judged beside what serves.

    Spec says which server it is, whatever was frozen: that follows once nothing stands against it.
    """
    if seen.spec is None or seen.desired is None or seen.status.stable is None:
        return ()
    stable, _ = _servers(seen, candidate=seen.desired.hash)
    return arms.violations(seen.spec.analysis, stable=stable, candidate=seen.spec.server.preset)


def read_of_stable(
    seen: model.Observation, *, spec: model.Spec, found: Mapping[str, Template]
) -> tuple[str, Mapping[str, Template]]:
    """The server of what serves, and how the metrics are read from it."""
    stable, newest = _servers(seen, candidate="")
    if stable == newest:
        return stable, found
    return stable, arms.read_from(stable, analysis=spec.analysis, templates=found)


def subject_of(
    key: Key,
    seen: model.Observation,
    *,
    rollout: model.Rollout,
    spec: model.Spec,
    found: Mapping[str, Template],
) -> Subject:
    """The rollout as what is judged: its candidate beside stable, on the way through its steps."""
    stable, candidate = _servers(seen, candidate=rollout.revision.hash)
    analysis = _by_limits_of_step(_judged_spec(spec, found).analysis, rollout)
    traffic = spec.traffic
    control = rollout.stage.control if rollout.stage is not None else model.Control.CONCURRENT
    alone = control in {model.Control.LIMITS_ONLY, model.Control.RECORDED}
    if alone:
        analysis = recorded.beside(analysis, rollout.stage.baseline if rollout.stage else ())
        analysis = arms.by_limits(analysis)
        traffic = replace(traffic, share_check=model.ShareCheck.OFF)
    elif stable != candidate:
        analysis = arms.judged_alone(analysis, stable=stable, candidate=candidate)
        if not analysis.data_plane:  # requests are counted by the names of one server
            traffic = replace(traffic, share_check=model.ShareCheck.OFF)
    asked = _agreement(rollout)
    analysis, found = agreement.beside(
        asked, since=_confirmed_at(rollout), analysis=analysis, templates=found
    )
    if any(it.routes or it.preview for it in rollout.plan):  # testers come beside the share
        traffic = replace(traffic, share_check=model.ShareCheck.OFF)
    return Subject(
        key=key,
        uid=seen.meta.uid,
        id=rollout.id,
        candidate=rollout.revision.hash,
        control=seen.status.stable.revision if seen.status.stable and not alone else "",
        control_until=rollout.started_at,
        since=rollout.evidence_since,
        first_traffic_at=rollout.first_traffic_at,
        stages=tuple(as_judged(stage, by=control) for stage in rollout.plan),
        analysis=analysis,
        traffic=traffic,
        preset=candidate,
        templates=found,
        one_pod=_starts_with_one_pod(spec, rollout),
        delivered=not rollout.is_taken_again,
        ready=_ready_pods(seen, candidate=rollout.revision.hash, alone=alone),
        control_made_at=_made_at(seen),
        pods=tuple(strategies.candidate_pods(stage, spec=spec) for stage in rollout.plan),
    )


def _agreement(rollout: model.Rollout) -> model.Agreement | None:
    """What the answers of the stage that is judged are held against: fixed with the plan."""
    judged = rollout.judged_stage
    return judged.agreement if judged is not None else None


def _confirmed_at(rollout: model.Rollout) -> datetime | None:
    """Since when the stage that is judged is in force; None before that, when nothing counts yet."""
    judged = rollout.judged_stage
    return judged.confirmed_at if judged is not None else None


def _made_at(seen: model.Observation) -> datetime | None:
    """When stable was made; None where its Deployment is not to be seen."""
    stable = seen.revisions.get(seen.status.stable.revision) if seen.status.stable else None
    return stable.created_at if stable is not None else None


def _ready_pods(seen: model.Observation, *, candidate: str, alone: bool) -> ReadyPods:
    made = seen.revisions.get(candidate)
    stable = seen.revisions.get(seen.status.stable.revision) if seen.status.stable else None
    return ReadyPods(
        candidate=made.ready_pods if made is not None else {},
        stable=stable.ready_pods if stable is not None and not alone else {},
    )


def _judged_spec(spec: model.Spec, found: Mapping[str, Template]) -> model.Spec:
    """The spec with the metrics that can be read."""
    metrics = tuple(metric for metric in spec.analysis.metrics if metric.name in found)
    if len(metrics) == len(spec.analysis.metrics):
        return spec
    return replace(spec, analysis=replace(spec.analysis, metrics=metrics))


def _by_limits_of_step(analysis: model.Analysis, rollout: model.Rollout) -> model.Analysis:
    """The analysis with the limits of the step that is judged.

    Evidence begins anew with other limits, each time with its share of the error budget: so the chance
    of a false rollback stays that of the whole rollout.
    """
    stage = rollout.judged_stage
    limits = {one.name: one.threshold for one in stage.limits} if stage is not None else {}
    begins = _times_evidence_begins(rollout.plan)
    if not limits and begins == 1:
        return analysis
    metrics = tuple(
        replace(metric, threshold=limits.get(metric.name, metric.threshold))
        for metric in analysis.metrics
    )
    return replace(analysis, metrics=metrics, false_rollback=analysis.false_rollback / begins)


def _times_evidence_begins(plan: Sequence[model.Stage]) -> int:
    proving = itertools.pairwise(stage for stage in plan if stage.needs_proof)
    return 1 + sum(_begins_anew(before, after) for before, after in proving)


def _begins_anew(before: model.Stage, after: model.Stage) -> bool:
    others = (before.kind, before.limits) != (after.kind, after.limits)
    return others or counts_apart(before, after)


def _starts_with_one_pod(spec: model.Spec, rollout: model.Rollout) -> bool:
    """True when all of the candidate's first evidence comes from one pod, as from one node."""
    return bool(rollout.plan) and strategies.candidate_pods(rollout.plan[0], spec=spec) <= 1
