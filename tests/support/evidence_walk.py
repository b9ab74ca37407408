"""Whole rollouts with the defaults: a spec as users write it, rows into the ledger, verdicts out.

The appendix of the statistical review (issue 13) written down as code. What is made up are the
requests; settings, rules, tests and verdicts are those that the operator runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate import model
from tidegate.api import convert
from tidegate.evidence.counts import intervals
from tidegate.evidence.counts.dispersion import Spread
from tidegate.evidence.counts.grid import LATE_SECONDS
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.counts.rows import Counts, PodCounts, Row, Usual
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import Context, EvidenceConfig, MetricRule
from tidegate.evidence.verdict import client_errors, engine, harm, rules
from tidegate.evidence.verdict.templates import resolve_templates
from tidegate.model import Verdict
from tidegate.rollout.strategy import compile as strategies

Array = npt.NDArray[np.float64]
ERRORS, SLOW, CLIENTS = "error-ratio", "latency-p95", "client-error-ratio"
SCRAPE = 15.0
EDGES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
DECISIVE = EDGES.index(0.25)  # nearest above P90 of the latencies below
MEDIAN_SECONDS, SIGMA = 0.08, 0.5
HISTORY = 60
# What a provider has to be told beside its name; the others need nothing.
PLACES: Mapping[str, Mapping[str, Any]] = {
    "GatewayAPI": {"gatewayAPI": {"parentRefs": [{"name": "gw"}]}},
    "Contour": {"contour": {"fqdn": "iris.example.com"}},
    "Istio": {"istio": {}},
    "NGINX": {"nginx": {"host": "iris.example.com"}},
}
PATIENCE = 4 * 3600.0  # after a deadline; proof ends the pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The traffic of a service and what the candidate does to it.

    Units: requests per second; rates of bad requests 0 to 1; `slower` multiplies latencies;
    `clump` bad requests come together, all in one pod.
    """

    per_second: float
    bad: float = 0.0
    candidate_bad: float | None = None
    slower: float = 1.0
    pods: int = 4
    clump: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a rollout ended, when (seconds) and in which step; `paused` counts missed deadlines."""

    how: str
    seconds: float
    step: int
    reasons: tuple[str, ...] = ()
    paused: int = 0


def spec_of(
    *, pods: int = 4, provider: str = "GatewayAPI", analysis: Mapping[str, Any] | None = None
) -> model.Spec:
    """A ModelDeployment with nothing but what has to be said."""
    container = {"name": "server", "image": "images.example.com/iris:1"}
    spec_body: dict[str, Any] = {
        "model": {"version": "1.4.0"},
        "server": {"preset": "MLServer"},
        "workload": {"replicas": pods, "template": {"spec": {"containers": [container]}}},
        "traffic": {"provider": provider},
    }
    spec_body["traffic"].update(PLACES.get(provider, {}))
    if analysis:
        spec_body["analysis"] = dict(analysis)
    body = {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "iris", "namespace": "ml"},
        "spec": spec_body,
    }
    spec, refused = convert.read_spec(body)
    assert spec is not None, refused
    assert not refused, refused
    return spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Spec, frozen plan and the engine's settings."""

    spec: model.Spec
    plan: tuple[model.Stage, ...]
    config: EvidenceConfig
    length: float


def setup(spec: model.Spec) -> Setup:
    """The settings of a rollout as the operator makes them."""
    steps = tuple(it for it in strategies.plan_of(spec) if it.needs_proof)
    templates = resolve_templates(spec, find=lambda _: None, sources={"default": False})
    assert isinstance(templates, Mapping), templates
    shape = Shape(edges=EDGES, decisive=DECISIVE)
    analysis, templates = client_errors.beside(spec.analysis, templates)
    length = max(spec.analysis.interval_seconds, 2 * SCRAPE)
    config = rules.config_of(
        analysis,
        templates=templates,
        shapes={SLOW: shape},
        traffic=spec.traffic,
        one_pod=_candidate_pods(spec, weight=steps[0].effective_weight_percent / 100) == 1,
    )
    return Setup(spec=spec, plan=steps, config=config, length=length)


def _candidate_pods(spec: model.Spec, *, weight: float) -> int:
    return max(1, math.ceil(spec.replicas * weight))


_ABOVE = np.array(
    [0.5 * math.erfc(math.log(edge / MEDIAN_SECONDS) / SIGMA / math.sqrt(2)) for edge in EDGES]
)


def _bins(slower: float) -> Array:
    above = [
        0.5 * math.erfc(math.log(edge / (MEDIAN_SECONDS * slower)) / SIGMA / math.sqrt(2))
        for edge in EDGES
    ]
    return -np.diff([1.0, *above, 0.0])


@dataclass(slots=True)
class World:
    """Draws intervals of a service; the dispersion is learned from stable's pods on the way."""

    service: Service
    rng: np.random.Generator
    spreads: dict[str, tuple[Spread, ...]] = field(default_factory=dict)
    past: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spreads = {name: (Spread(),) for name in (ERRORS, CLIENTS)}
        self.spreads[SLOW] = (Spread(),) * len(EDGES)
        self.past = [self.row(0.0, t0=0.0, t1=2 * SCRAPE, step=-1) for _ in range(HISTORY)]

    def known_to(self, config: EvidenceConfig) -> EvidenceConfig:
        """The settings with what stable showed before the rollout."""
        return replace(config, metrics=tuple(self._with_usual(rule) for rule in config.metrics))

    def _with_usual(self, rule: MetricRule) -> MetricRule:
        rows, k = [row.counts[rule.name] for row in self.past], rule.decisive
        requests = sum(one.n_s for one in rows)
        if not requests:
            return rule
        rate = sum(one.x_s[k] for one in rows) / requests
        return replace(rule, usual=Usual(rate=rate))

    def row(self, weight: float, *, t0: float, t1: float, step: int) -> Row:
        """What both arms did in an interval."""
        one, seconds = self.service, t1 - t0
        bad = one.bad if one.candidate_bad is None else one.candidate_bad
        pods_c = max(1, math.ceil(one.pods * weight)) if weight else 0
        candidate = [
            self._pod(one.per_second * seconds * weight / pods_c, bad=bad, slower=one.slower)
            for _ in range(pods_c)
        ]
        share = one.per_second * seconds * (1 - weight) / one.pods
        stable = [self._pod(share, bad=one.bad, slower=1.0) for _ in range(one.pods)]
        counts = {}
        for index, name in enumerate((ERRORS, SLOW, CLIENTS)):
            counts[name] = self._counts(
                [pod[index] for pod in candidate], [pod[index] for pod in stable], name=name
            )
        return Row(t0=t0, t1=t1, step=step, weight=weight, counts=counts)

    def _pod(self, expected: float, *, bad: float, slower: float) -> tuple[PodCounts, ...]:
        n = int(self.rng.poisson(expected))
        clumps = self.rng.binomial(n, bad / self.service.clump)
        failed = min(n, clumps * self.service.clump)
        slow = n - np.cumsum(self.rng.multinomial(n, _bins(slower)))[:-1]
        return (
            PodCounts(n=float(n), x=(float(failed),)),
            PodCounts(n=float(n), x=tuple(float(it) for it in slow)),
            PodCounts(n=float(n), x=(0.0,)),
        )

    def _counts(
        self, candidate: Sequence[PodCounts], stable: Sequence[PodCounts], *, name: str
    ) -> Counts:
        spreads = self.spreads[name]
        counts = Counts(
            n_c=sum(pod.n for pod in candidate),
            n_s=sum(pod.n for pod in stable),
            x_c=tuple(sum(pod.x[k] for pod in candidate) for k in range(len(spreads))),
            x_s=tuple(sum(pod.x[k] for pod in stable) for k in range(len(spreads))),
            phi=tuple(one.phi() for one in spreads),
            pods_s=_named(stable),
            pods_c=_named(candidate),
        )
        self.spreads[name] = intervals.widened(spreads, pods=counts.pods_s)
        return counts


def _named(pods: Sequence[PodCounts]) -> tuple[PodCounts, ...]:
    return tuple(replace(pod, pod=f"pod-{number}") for number, pod in enumerate(pods))


def walk(given: Setup, service: Service, *, rng: np.random.Generator, start_step: int = 0) -> Ended:
    """One rollout without people: promoted, rolled back, or still paused after a long time."""
    world, now = World(service=service, rng=rng), 0.0
    config = world.known_to(given.config)
    state = ledger.begin(config)
    reasons: list[str] = []
    paused = 0
    for index in range(start_step, len(given.plan)):
        step, confirmed = given.plan[index], now
        begin = max(
            confirmed + given.spec.analysis.settle_seconds, given.spec.analysis.warmup_seconds
        )
        t0 = begin
        while True:
            t1 = t0 + given.length
            now = t1 + SCRAPE + LATE_SECONDS
            weight = step.effective_weight_percent / 100
            row = world.row(weight, t0=t0, t1=t1, step=index)
            state = ledger.record(state, row=row, config=config)
            context = Context(
                now=now,
                step=index,
                judged_from=begin + SCRAPE,
                has_stable=True,
                min_requests=step.min_requests,
                late=harm.is_late(
                    now, confirmed_at=confirmed, deadline_seconds=step.deadline_seconds
                ),
            )
            found = engine.decide(state, context=context, config=config)
            if found.verdict is Verdict.ROLL_BACK:
                return Ended(
                    paused=paused,
                    how="rolled back",
                    seconds=now,
                    step=index,
                    reasons=(*reasons, found.message),
                )
            if now >= confirmed + step.hold_seconds and found.verdict is Verdict.ADVANCE:
                reasons.append(found.reason.value)
                break
            if now >= confirmed + step.deadline_seconds + PATIENCE:
                return Ended(
                    paused=paused,
                    how="paused",
                    seconds=now,
                    step=index,
                    reasons=(*reasons, found.message),
                )
            paused += now - given.length < confirmed + step.deadline_seconds <= now
            t0 = t1
    return Ended(
        paused=paused, how="promoted", seconds=now, step=len(given.plan), reasons=tuple(reasons)
    )
