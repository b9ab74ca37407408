"""Whether the candidate sees, or says, other things than stable at the same time.

Mixes are added up over the intervals of a step, and looked at when the candidate has observed half
as much again as at the look before: then a test of a fixed sample is one of few. The k-th look of a
rollout spends 1 / (k (k + 1)) of the error probability, so that all of them spend it once.
Source: evidence.md, 10.3; Holm 1979; Lan and DeMets 1983 for spending; ADR 0062.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tidegate.evidence import combine
from tidegate.evidence.counts.rows import Counts, Flag, Row
from tidegate.evidence.drift import mixes
from tidegate.evidence.drift.mixes import Mix, Pods
from tidegate.evidence.sequential.judgement import Drift, EvidenceConfig, MetricRule
from tidegate.evidence.terms import Problem, Reason, TrainingData
from tidegate.model import Shift

if TYPE_CHECKING:
    from tidegate.evidence.drift.moves import Moved

FIRST_LOOK = 100.0  # observations of the candidate
APART = 1.5  # times as many as at the look before
KEPT_SHIFTS = 3
DECIMALS = 9  # as of any evidence
_MOST = 700.0  # a p below the smallest float is as this


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one look has shown of all features, at so many observations of both arms.

    `above` of them seem to be further than tolerated; `shifts` are the worst ones. `log_harm` and
    `log_proof` are -log of p, corrected for the number of features and looks, of harm and against it.
    `problems` by feature.
    """

    n_c: float = 0.0
    n_s: float = 0.0
    features: int = 0
    above: int = 0
    shifts: tuple[Shift, ...] = ()
    log_harm: float = 0.0
    log_proof: float = 0.0
    deff: float = 1.0
    problems: Mapping[str, Problem] = field(default_factory=dict)


NOTHING = Compared()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """The mixes of one metric after a row, those of its `step`; `looks` are all of the rollout.

    It comes of the metric's own rows alone, which are in the order of time, so that it need not be
    worked out again when rows of another metric come late.
    `features_c` and `features_s` were observed on either side. `next_at` is how many observations of
    the candidate the next look waits for. `harm` latches what was first found to be.
    """

    step: int = -1
    mixes: Mapping[str, Mix] = field(default_factory=dict)
    features_c: frozenset[str] = frozenset()
    features_s: frozenset[str] = frozenset()
    rows: int = 0
    n_c: float = 0.0
    n_s: float = 0.0
    looks: int = 0
    next_at: float = FIRST_LOOK
    newest: Compared | None = None
    harm: Compared | None = None


def as_of_step(known: Drifted, *, step: int, rule: MetricRule) -> Drifted:
    """At another weight, which changes who is compared with whom, all is counted anew.

    What was harm still is, but where it held: then a person has seen it, and let the step pass.
    """
    if known.step == step:
        return known
    held = rule.holds_at(known.step)
    return Drifted(step=step, looks=known.looks, harm=None if held else known.harm)


def recorded(
    known: Mapping[str, Drifted], *, row: Row, config: EvidenceConfig
) -> Mapping[str, Drifted]:
    """All distributions after one more row; one that is not over ends in the midst of scrapes."""
    found = dict(known)
    if Flag.RUNNING in row.flags:
        return found
    for rule in config.metrics:
        counts = row.counts.get(rule.name)
        if rule.drift is None or counts is None or _is_unusable(rule.drift.reference):
            continue
        before = as_of_step(found.get(rule.name, Drifted()), step=row.step, rule=rule)
        after = _plus(before, counts=counts, rule=rule.drift)
        found[rule.name] = _looked_at(after, rule=rule.drift, config=config)
    return found


def _is_unusable(reference: TrainingData | None) -> bool:
    return reference is not None and reference.problem is not None


def _plus(known: Drifted, *, counts: Counts, rule: Drift) -> Drifted:
    if rule.reference is not None:
        return _alone(known, counts=counts, rule=rule, reference=rule.reference)
    pods = Pods(
        candidate=[pod.pod for pod in counts.pods_c], stable=[pod.pod for pod in counts.pods_s]
    )
    both = {*counts.bins_c, *counts.bins_s} - set(rule.ignore)
    after = {
        feature: mixes.added(
            known.mixes.get(feature, Mix()),
            candidate=counts.bins_c.get(feature),
            stable=counts.bins_s.get(feature),
            pods=pods,
        )
        for feature in sorted(both)
    }
    return replace(
        known,
        mixes={**known.mixes, **after},
        features_c=known.features_c | (counts.bins_c.keys() & both),
        features_s=known.features_s | (counts.bins_s.keys() & both),
        rows=known.rows + (counts.n_c > 0 and counts.n_s > 0),
        n_c=known.n_c + counts.n_c,
        n_s=known.n_s + counts.n_s,
    )


def _alone(known: Drifted, *, counts: Counts, rule: Drift, reference: TrainingData) -> Drifted:
    """What the candidate observed; the reference stays what it is."""
    pods = [pod.pod for pod in counts.pods_c]
    features = counts.bins_c.keys() - set(rule.ignore)
    after = {
        feature: mixes.observed(
            known.mixes.get(feature, Mix()), candidate=counts.bins_c[feature], pods=pods
        )
        for feature in sorted(features)
    }
    return replace(
        known,
        mixes={**known.mixes, **after},
        features_c=known.features_c | features,
        features_s=frozenset(reference.counts) - set(rule.ignore),
        rows=known.rows + (counts.n_c > 0),
        n_c=known.n_c + counts.n_c,
        n_s=max((math.fsum(it.values()) for it in reference.counts.values()), default=0.0),
    )


def _looked_at(known: Drifted, *, rule: Drift, config: EvidenceConfig) -> Drifted:
    """The newest look, if there is enough for another one."""
    if known.n_c < known.next_at or known.rows < config.min_intervals:
        return known
    looks = known.looks + 1
    newest = compared(known, rule=rule, corrected=math.log(looks * (looks + 1)))
    harmful = newest.log_harm >= config.log_rollback
    return replace(
        known,
        looks=looks,
        next_at=APART * known.n_c,
        newest=newest,
        harm=known.harm or (newest if harmful else None),
    )


def compared(known: Drifted, *, rule: Drift, corrected: float) -> Compared:
    """All features of both arms at once; `corrected` is what one of several looks costs, as a log."""
    from tidegate.evidence.drift import moves  # noqa: PLC0415  (SciPy, of which few need to wait)

    common = sorted(known.features_c & known.features_s)
    tested = {
        feature: moves.moved(
            _with_reference(known.mixes[feature], feature=feature, rule=rule),
            delta=rule.delta,
            margin=rule.margin,
        )
        for feature in common
    }
    found = {name: one for name, one in tested.items() if isinstance(one, moves.Moved)}
    problems = {name: one for name, one in tested.items() if isinstance(one, Problem)}
    problems |= _one_sided(known, rule=rule)
    names = sorted(found, key=lambda name: (-found[name].psi, name))
    adjusted = combine.holm([found[name].p_above for name in names], alpha=1.0).adjusted
    harms = sorted((_evidence(p, corrected) for p in adjusted), reverse=True)
    proofs = sorted(_evidence(found[name].p_below, corrected) for name in names)
    return Compared(
        n_c=known.n_c,
        n_s=known.n_s,
        features=len(names),
        above=sum(one.psi > rule.delta for one in found.values()),
        shifts=tuple(_shift(name, found[name]) for name in names[:KEPT_SHIFTS]),
        log_harm=harms[rule.at_most] if len(harms) > rule.at_most else 0.0,
        log_proof=proofs[min(rule.at_most, len(proofs) - 1)] if proofs else 0.0,
        deff=max((one.deff for one in found.values()), default=1.0),
        problems=problems,
    )


def _with_reference(mix: Mix, *, feature: str, rule: Drift) -> Mix:
    if rule.reference is None or not mix.rows:
        return mix
    return mixes.beside(mix, reference=rule.reference.counts[feature])


def _one_sided(known: Drifted, *, rule: Drift) -> Mapping[str, Problem]:
    """Features that nothing can be said of, as one arm alone has them."""
    missing = known.features_s - known.features_c
    new = known.features_c - known.features_s
    other = "stable does not export it" if rule.reference is None else "the profile lacks it"
    return {
        **{
            it: Problem(reason=Reason.NO_DATA, message="the candidate does not export it")
            for it in missing
        },
        **{it: Problem(reason=Reason.NO_BASELINE, message=other) for it in new},
    }


def _evidence(p: float, corrected: float) -> float:
    """-log of a p that pays for all looks, never below 0."""
    log_p = math.log(p) if p > 0 else -_MOST
    return round(max(0.0, -log_p - corrected), DECIMALS)


def _shift(feature: str, found: Moved) -> Shift:
    return Shift(
        feature=feature,
        psi=round(found.psi, DECIMALS),
        bin=found.bin,
        share=found.share,
        reference_share=found.reference_share,
    )
