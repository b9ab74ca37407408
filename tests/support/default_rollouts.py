"""Whole rollouts with the defaults of a spec, drawn row by row and judged by the real engine.

Errors, latency and client errors (none) are compared with stable, steps and holds are those of the
smallest spec. Time is in seconds after the first weight was confirmed; a row is half a minute.
"""

from __future__ import annotations

import copy
import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from api_examples import SMALLEST
from scipy import stats

from tidegate import model
from tidegate.api import convert
from tidegate.evidence.counts import intervals
from tidegate.evidence.counts.dispersion import Spread
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.counts.rows import Counts, PodCounts, Row, Usual
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import Context, EvidenceConfig
from tidegate.evidence.verdict import client_errors, engine, harm, rules
from tidegate.evidence.verdict.templates import resolve_templates

ERRORS, SLOW, CLIENTS = "error-ratio", "latency-p95", "client-error-ratio"
EDGES, DECISIVE = (0.05, 0.1, 0.25, 0.5), 2
MEDIAN_SECONDS, SIGMA = 0.08, 0.5
ROW, LOOK_LATE = 30.0, 20.0
HISTORY = 60
WORST = 0.95  # no pod fails more than this by being unlike the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is true in a rollout; equal versions on equal pods unless it says otherwise.

    Units: qps requests per second of both arms; rates and shares from 0 to 1; `lasting`, `wander`
    and `speeds` are deviations of the logarithm between pods, `wander` has a correlation time of 5
    minutes; `rare` bursts of 20 errors an hour over the service. `confirmed`: a person ends each
    pause, so that a run ends promoted or rolled back. What the candidate does to it is
    `candidate_base`, its rate of errors where it is another, and `slower`, a factor of its latencies.
    `analysis` are fields of `spec.analysis`.
    """

    name: str
    qps: float = 100.0
    pods: int = 4
    base: float = 0.01
    unanswered: float = 0.0  # share of the candidate's requests that is never counted
    outage_at: float = math.inf  # from here on every request of both arms fails
    lasting: float = 0.0
    wander: float = 0.0
    speeds: float = 0.0
    retries: int = 1  # attempts of a failing call, all within the version
    rare: float = 0.0
    clients: int = 0  # connections that stay, a tenth of them with input that fails
    cold_seconds: float = 0.0  # a new pod is twice as slow, which decays in this time
    warmup: float = 60.0
    confirmed: bool = False
    gateway: bool = True
    candidate_base: float | None = None
    slower: float = 1.0
    analysis: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a rollout ended: promoted, paused or rolled back, after how many seconds, in which step, and why."""

    how: str
    seconds: float
    step: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Counts of warm pods, and the requests of those that are not warm yet."""

    warm: list[PodCounts]
    cold: float


@dataclass(slots=True, kw_only=True)
class _Pod:
    factor: float
    speed: float
    born: float
    drift: float = 0.0


@dataclass(slots=True, kw_only=True)
class World:
    """The pods of a cell, and what they count in half a minute."""

    cell: Cell
    rng: np.random.Generator
    pods: dict[str, _Pod] = field(default_factory=dict)
    homes: dict[int, str] = field(default_factory=dict)

    def row(self, weight: float, *, at: float) -> tuple[Arm, Arm]:
        """Errors, then slow requests per edge, by pod of candidate and stable."""
        cell = self.cell
        mine = [f"c{k}" for k in range(math.ceil(cell.pods * weight - 1e-9))]
        others = [f"s{k}" for k in range(cell.pods - (0 if cell.gateway else len(mine)))]
        if cell.clients:
            drawn = self._by_client([*others, *mine])
        else:
            drawn = self._evenly(mine, total=cell.qps * weight * ROW * (1 - cell.unanswered), at=at)
            drawn |= self._evenly(others, total=cell.qps * (1 - weight) * ROW, at=at)
        counted = {name: self._counted(name, *drawn[name], at=at) for name in drawn}
        return self._arm(mine, counted, at=at), self._arm(others, counted, at=at)

    def _arm(self, names: Sequence[str], counted: dict[str, PodCounts], *, at: float) -> Arm:
        young = {it for it in names if at < self._pod(it, at=at).born + self.cell.warmup}
        return Arm(
            warm=[counted[it] for it in names if it not in young],
            cold=math.fsum(counted[it].n for it in young),
        )

    def _evenly(
        self, names: Sequence[str], *, total: float, at: float
    ) -> dict[str, tuple[int, int]]:
        cell, found = self.cell, {}
        for name in names:
            n = int(self.rng.poisson(total / len(names)))
            share = 1.0 if at >= cell.outage_at else self._rate(name, at=at)
            found[name] = (n, int(self.rng.binomial(n, share)))
        if cell.retries > 1 and names:
            calls = self.rng.poisson(total * cell.base)
            spread = self.rng.multinomial(calls * cell.retries, np.full(len(names), 1 / len(names)))
            found = {
                name: (found[name][0] + int(bad), int(bad))
                for name, bad in zip(names, spread, strict=True)
            }
        return found

    def _rate(self, name: str, *, at: float) -> float:
        cell, pod = self.cell, self._pod(name, at=at)
        keeps = math.exp(-ROW / 300.0)
        pod.drift = keeps * pod.drift + math.sqrt(1 - keeps**2) * float(self.rng.normal())
        base = cell.base
        if cell.candidate_base is not None and _is_candidate(name):
            base = cell.candidate_base
        return min(WORST, base * pod.factor * math.exp(cell.wander * pod.drift))

    def _by_client(self, names: Sequence[str]) -> dict[str, tuple[int, int]]:
        cell, found = self.cell, dict.fromkeys(names, (0, 0))
        for client in range(cell.clients):
            if self.homes.get(client) not in found or self.rng.random() < 0.02:
                self.homes[client] = names[int(self.rng.integers(len(names)))]
            n = int(self.rng.poisson(cell.qps * ROW / cell.clients))
            share = 0.5 if client < cell.clients / 10 else cell.base
            before = found[self.homes[client]]
            bad = int(self.rng.binomial(n, share))
            found[self.homes[client]] = (before[0] + n, before[1] + bad)
        return found

    def _counted(self, name: str, n: int, bad: int, *, at: float) -> PodCounts:
        cell, pod = self.cell, self._pod(name, at=at)
        burst = self.rng.poisson(cell.rare * ROW / 3600 / cell.pods) if cell.rare else 0
        more = int(self.rng.geometric(1 / 20, burst).sum()) if burst else 0
        cold = math.exp(-(at - pod.born) / cell.cold_seconds) if cell.cold_seconds else 0.0
        slower = cell.slower if _is_candidate(name) else 1.0
        median = MEDIAN_SECONDS * pod.speed * slower * (1 + cold)
        above = stats.norm.sf(np.log(np.array(EDGES) / median) / SIGMA)
        slow = np.cumsum(self.rng.multinomial(n, -np.diff([1.0, *above, 0.0])))
        return PodCounts(
            pod=name, n=n + more, x=(bad + more, *(float(n - it) for it in slow[:-1]), 0.0)
        )

    def _pod(self, name: str, *, at: float) -> _Pod:
        if name not in self.pods:
            cell = self.cell
            old = at < 0 or name == "c0"  # ready before the first weight
            self.pods[name] = _Pod(
                factor=math.exp(self.rng.normal(0, cell.lasting)) if cell.lasting else 1.0,
                speed=math.exp(self.rng.normal(0, cell.speeds)) if cell.speeds else 1.0,
                born=(0.0 if name == "c0" else -math.inf) if old else at,
                drift=float(self.rng.normal()),
            )
        return self.pods[name]


def _is_candidate(pod: str) -> bool:
    return pod.startswith("c")


@functools.cache
def _spec(analysis: str) -> model.Spec:
    body = copy.deepcopy(SMALLEST)
    body["spec"]["analysis"] = json.loads(analysis)
    spec, violations = convert.read_spec(body)
    assert spec is not None, violations
    return spec


def spec_of(cell: Cell) -> model.Spec:
    """The smallest spec with the analysis of a cell, with every default."""
    return _spec(json.dumps(dict(cell.analysis)))


SPEC = _spec("{}")


def walk(cell: Cell, rng: np.random.Generator, *, upto: float = 4 * 3600.0) -> End:
    """One rollout from its first weight on."""
    world, spec = World(cell=cell, rng=rng), spec_of(cell)
    spreads = {ERRORS: (Spread(),), SLOW: (Spread(),) * len(EDGES), CLIENTS: (Spread(),)}
    past = [world.row(0.0, at=-ROW * (HISTORY - k))[1].warm for k in range(HISTORY)]
    for pods in past:
        _widen(spreads, pods=pods)
    config = _config(cell, past=[pod for pods in past for pod in pods])
    state, at = ledger.begin(config), 0.0
    for number, step in enumerate(spec.steps):
        weight, begun = step.weight_percent / 100, at
        at = max(at + spec.analysis.settle_seconds, spec.analysis.warmup_seconds)
        while True:
            row = _row(world.row(weight, at=at), at=at, step=number, weight=weight, spreads=spreads)
            state = ledger.record(state, row=row, config=config)
            at += ROW
            context = Context(
                now=at + LOOK_LATE,
                step=number,
                judged_from=spec.analysis.warmup_seconds,
                has_stable=True,
                min_requests=spec.analysis.min_requests,
                late=harm.is_late(
                    at + LOOK_LATE, confirmed_at=begun, deadline_seconds=step.deadline_seconds
                ),
            )
            found = engine.decide(state, context=context, config=config)
            if found.verdict is model.Verdict.ROLL_BACK:
                return End(how="rolled back", seconds=at, step=number, reason=found.reason)
            if found.verdict is model.Verdict.ADVANCE and at - begun >= step.hold_seconds:
                break
            if at - begun >= step.deadline_seconds:
                if not cell.confirmed or at >= upto:
                    return End(how="paused", seconds=at, step=number, reason=found.reason)
                break
    return End(how="promoted", seconds=at, step=len(spec.steps))


def _config(cell: Cell, *, past: Sequence[PodCounts]) -> EvidenceConfig:
    spec = spec_of(cell)
    templates = resolve_templates(spec, find=lambda _: None, sources={"default": False})
    assert not isinstance(templates, tuple), templates
    analysis, templates = client_errors.beside(spec.analysis, templates)
    total = math.fsum(pod.n for pod in past)
    check = model.ShareCheck.HOLD if cell.gateway else model.ShareCheck.REPORT
    return rules.config_of(
        analysis,
        templates=templates,
        shapes={SLOW: Shape(edges=EDGES, decisive=DECISIVE)},
        traffic=replace(spec.traffic, share_check=check),
        one_pod=math.ceil(cell.pods * spec.steps[0].weight_percent / 100 - 1e-9) == 1,
        usual={
            ERRORS: Usual(rate=math.fsum(pod.x[0] for pod in past) / total),
            SLOW: Usual(rate=math.fsum(pod.x[1 + DECISIVE] for pod in past) / total),
            CLIENTS: Usual(rate=0.0),
        },
    )


def _row(
    arms: tuple[Arm, Arm],
    *,
    at: float,
    step: int,
    weight: float,
    spreads: dict[str, tuple[Spread, ...]],
) -> Row:
    """The row with the dispersion that was known before it; then that is widened."""
    counts = {}
    if arms[0].warm:
        for name, chosen in _STREAMS.items():
            mine, others = ([_part(pod, chosen) for pod in arm.warm] for arm in arms)
            n_c, x_c = _sums(mine)
            n_s, x_s = _sums(others)
            counts[name] = Counts(
                n_c=n_c,
                n_s=n_s,
                x_c=x_c,
                x_s=x_s,
                phi=tuple(one.phi() for one in spreads[name]),
                pods_s=tuple(others),
                pods_c=tuple(mine),
                cold_c=arms[0].cold,
                cold_s=arms[1].cold,
            )
    _widen(spreads, pods=arms[1].warm)
    return Row(t0=at, t1=at + ROW, step=step, weight=weight, counts=counts)


_STREAMS = {ERRORS: slice(0, 1), SLOW: slice(1, -1), CLIENTS: slice(-1, None)}


def _part(pod: PodCounts, chosen: slice) -> PodCounts:
    return replace(pod, x=pod.x[chosen])


def _sums(pods: Sequence[PodCounts]) -> tuple[float, tuple[float, ...]]:
    columns = zip(*(pod.x for pod in pods), strict=True)
    return math.fsum(pod.n for pod in pods), tuple(math.fsum(column) for column in columns)


def _widen(spreads: dict[str, tuple[Spread, ...]], *, pods: Sequence[PodCounts]) -> None:
    for name, chosen in _STREAMS.items():
        parts = [_part(pod, chosen) for pod in pods]
        spreads[name] = intervals.widened(spreads[name], pods=parts)
