"""What status says of each ModelDeployment, as gauges: made anew whenever somebody scrapes.

So a series goes with its object and none is ever stale. Labels are bounded: words of the API, names of
metrics (32 in a spec) and the features that moved most (3 of a metric); never a revision.
Source: ecosystem.md, 6.1; docs/adr/0090.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tidegate import model, ports
from tidegate.controller.reading import Said
from tidegate.controller.store import Entry

_OBJECT: Final = ("model_namespace", "model_deployment")
_DEFAULT_STRATEGY: Final = "Canary"
# What a family is about, and its labels beside those of the object.
_FAMILIES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "tidegate_info": ("Phase and strategy; 1.", ("phase", "strategy")),
    "tidegate_condition": ("Conditions of status; 1.", ("condition", "status", "reason")),
    "tidegate_replicas": ("Pods asked for.", ("role",)),
    "tidegate_ready_replicas": ("Pods that are ready.", ("role",)),
    "tidegate_candidate_share_percent": (
        "Requests of a candidate in percent: answered as wanted and observed, or copied to it.",
        ("share",),
    ),
    "tidegate_step": (
        "Position of the step in its plan, from 1; absent without a rollout.",
        ("step",),
    ),
    "tidegate_rollout_started_timestamp_seconds": ("When the running rollout began.", ()),
    "tidegate_waiting_since_timestamp_seconds": (
        "Since when a rollout stands still, and why.",
        ("reason",),
    ),
    "tidegate_analysis_outcome": (
        "Judgement of a metric in the running rollout; 1.",
        ("metric", "outcome"),
    ),
    "tidegate_analysis_value": ("Value of a metric.", ("metric", "role")),
    "tidegate_analysis_bound": (
        "95 % confidence interval of the candidate's value.",
        ("metric", "bound"),
    ),
    "tidegate_analysis_limit": (
        "Absolute limits of a metric, as they are judged.",
        ("metric", "limit"),
    ),
    "tidegate_analysis_requests": (
        "Requests that were counted for a judgement.",
        ("metric", "role"),
    ),
    "tidegate_analysis_evidence": (
        "Logarithm of an e-value: of harm, and of the proof that there is none.",
        ("metric", "of"),
    ),
    "tidegate_analysis_evidence_limit": (
        "Where evidence of harm rolls back, and where proof is enough.",
        ("metric", "of"),
    ),
    "tidegate_drift_psi": (
        "Population stability index of the features that moved most.",
        ("metric", "feature"),
    ),
    "tidegate_watched_outcome": (
        "Newest finding of the watch for a metric of the revision that serves; 1.",
        ("metric", "outcome"),
    ),
    "tidegate_watched_value": ("Value of such a metric in the last window.", ("metric",)),
    "tidegate_watched_limit": ("Absolute limits of such a metric.", ("metric", "limit")),
}


@dataclass(slots=True)
class _Families:
    """Samples by the family that they are of."""

    samples: dict[str, list[tuple[tuple[str, ...], float]]] = field(
        default_factory=lambda: {name: [] for name in _FAMILIES}
    )

    def add(self, meta: model.ObjectMeta, name: str, value: float | None, *labels: str) -> None:
        """One sample of an object; nothing where there is no number."""
        if value is not None:
            self.samples[name].append(((meta.namespace, meta.name, *labels), value))

    def made(self) -> Iterator[ports.GaugeFamily]:
        """All families, also those without samples."""
        for name, (text, labels) in _FAMILIES.items():
            yield ports.GaugeFamily(
                name=name, text=text, labels=(*_OBJECT, *labels), samples=self.samples[name]
            )


def families(entries: Iterable[Entry], *, at_most: int) -> list[ports.GaugeFamily]:
    """Counts over all ModelDeployments, and series of each of the first `at_most` by name.

    What no pass has read yet is left out.
    """
    said = [it for entry in entries if isinstance(it := entry.newest_reading, Said)]
    said.sort(key=lambda it: (it.meta.namespace, it.meta.name))
    found = _Families()
    for one in said[:at_most]:
        _object(found, one)
    return [*_totals(said, left_out=max(0, len(said) - at_most)), *found.made()]


def _totals(said: list[Said], *, left_out: int) -> Iterator[ports.GaugeFamily]:
    counted = Counter((str(it.status.phase), _strategy(it)) for it in said)
    yield ports.GaugeFamily(
        name="tidegate_modeldeployments",
        text="ModelDeployments by phase and strategy.",
        labels=("phase", "strategy"),
        samples=[(labels, float(number)) for labels, number in sorted(counted.items())],
    )
    broken = Counter(
        rule
        for it in said
        for rule in {(one.rule, str(one.action)) for one in _violations(it.status)}
    )
    yield ports.GaugeFamily(
        name="tidegate_modeldeployments_violating",
        text="ModelDeployments that do not keep a rule of a policy, by what the policy does then.",
        labels=("rule", "action"),
        samples=[(labels, float(number)) for labels, number in sorted(broken.items())],
    )
    yield ports.GaugeFamily(
        name="tidegate_modeldeployments_without_series",
        text="ModelDeployments beyond those that have series of their own.",
        labels=(),
        samples=[((), float(left_out))],
    )


def _violations(status: model.Status) -> tuple[model.PolicyViolation, ...]:
    return status.policy.violations if status.policy is not None else ()


def _strategy(said: Said) -> str:
    return said.strategy or _DEFAULT_STRATEGY


def _object(found: _Families, said: Said) -> None:
    meta, status = said.meta, said.status
    found.add(meta, "tidegate_info", 1.0, str(status.phase), _strategy(said))
    for one in status.conditions:
        found.add(meta, "tidegate_condition", 1.0, one.type, one.status, one.reason)
    for role in model.Role:
        known: model.RevisionStatus | None = getattr(status, role.value)
        if known is not None:
            found.add(meta, "tidegate_replicas", known.replicas, role)
            found.add(meta, "tidegate_ready_replicas", known.ready_replicas, role)
    for row in status.monitoring.metrics if status.monitoring is not None else ():
        _watched(found, meta, row)
    rollout = status.active_rollout
    if rollout is not None:
        _rollout(found, meta, rollout)
        for result in status.analysis:
            _result(found, meta, result)


def _rollout(found: _Families, meta: model.ObjectMeta, rollout: model.Rollout) -> None:
    share, exposure = "tidegate_candidate_share_percent", rollout.exposure
    found.add(meta, share, exposure.live_percent, "wanted")
    found.add(meta, share, rollout.observed_candidate_percent, "observed")
    found.add(meta, share, exposure.mirror_percent, "copied")
    started = rollout.started_at.timestamp()
    found.add(meta, "tidegate_rollout_started_timestamp_seconds", started)
    if rollout.step is not None:
        found.add(meta, "tidegate_step", rollout.step.index + 1.0, rollout.step.name)
    if (waits := rollout.waiting_for) is not None:
        since = waits.since.timestamp()
        found.add(meta, "tidegate_waiting_since_timestamp_seconds", since, waits.reason)


def _watched(found: _Families, meta: model.ObjectMeta, row: model.WatchedMetric) -> None:
    found.add(meta, "tidegate_watched_outcome", 1.0, row.name, row.outcome)
    found.add(meta, "tidegate_watched_value", row.value, row.name)
    found.add(meta, "tidegate_watched_limit", row.threshold.min, row.name, "min")
    found.add(meta, "tidegate_watched_limit", row.threshold.max, row.name, "max")


def _result(found: _Families, meta: model.ObjectMeta, result: model.MetricResult) -> None:
    name = result.name
    found.add(meta, "tidegate_analysis_outcome", 1.0, name, result.outcome)
    for role, value, counts in (
        (model.Role.CANDIDATE, result.value, result.candidate),
        (model.Role.STABLE, result.baseline_value, result.baseline),
    ):
        found.add(meta, "tidegate_analysis_value", value, name, role)
        found.add(meta, "tidegate_analysis_requests", counts.total or None, name, role)
    bounds, threshold = result.value_bounds, result.threshold
    found.add(meta, "tidegate_analysis_bound", bounds.lower, name, "lower")
    found.add(meta, "tidegate_analysis_bound", bounds.upper, name, "upper")
    found.add(meta, "tidegate_analysis_limit", threshold.min, name, "min")
    found.add(meta, "tidegate_analysis_limit", threshold.max, name, "max")
    for of, evidence, limit in (
        ("harm", result.evidence, result.evidence_limit),
        ("proof", result.proof, result.proof_limit),
    ):
        found.add(meta, "tidegate_analysis_evidence", evidence, name, of)
        found.add(meta, "tidegate_analysis_evidence_limit", limit, name, of)
    for shift in result.shifts:
        found.add(meta, "tidegate_drift_psi", shift.psi, name, shift.feature)
