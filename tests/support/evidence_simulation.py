"""Simulated rollouts, judged by the engine and by the simple rules of other tools.

Everything is drawn from one seed per cell. A look is one minute; a run has 60 of them unless the
scenario says otherwise. Bursts have a geometric size, so a mean of b gives a dispersion of 2b - 1.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.dispersion import Phi, Spread
from tidegate.evidence.counts.rows import Counts, Row
from tidegate.evidence.sequential import eprocess, latency, ledger, relative
from tidegate.evidence.sequential.judgement import Context, EvidenceConfig
from tidegate.evidence.verdict import engine
from tidegate.model import Verdict

Array = npt.NDArray[np.float64]

LOOKS = 60
SECONDS = 60.0
BASE_RATE = 0.005
ALPHA = 0.01
THETA0 = 1.1
HISTORY = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens in every run of a cell; sequences have one entry per look.

    Units: qps requests per second of both arms; rates and weights from 0 to 1; burst is the mean
    size of a clump of errors; `loss` is the chance per pod and look that a restart or a missed
    scrape loses part of its counts.
    """

    name: str
    qps: float
    weights: tuple[float, ...]
    base: tuple[float, ...] = (BASE_RATE,) * LOOKS
    theta: tuple[float, ...] = (1.0,) * LOOKS
    burst: float = 1.0
    pods: int = 4
    history: int = HISTORY
    loss: float = 0.0


def steady(
    qps: float,
    weight: float,
    *,
    base: tuple[float, ...] = (BASE_RATE,) * LOOKS,
    theta: tuple[float, ...] = (1.0,) * LOOKS,
    burst: float = 1.0,
    pods: int = 4,
    history: int = HISTORY,
    loss: float = 0.0,
) -> Scenario:
    """A release at a fixed weight, healthy unless theta says otherwise."""
    return Scenario(
        name=f"{qps:g}/s at {weight:.0%}",
        qps=qps,
        weights=(weight,) * LOOKS,
        base=base,
        theta=theta,
        burst=burst,
        pods=pods,
        history=history,
        loss=loss,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Counts of one run. Shapes: n_c, x_c (looks,); pods (looks, pods); history (looks, pods)."""

    n_c: Array
    x_c: Array
    pods_n: Array
    pods_x: Array
    past_n: Array
    past_x: Array

    @property
    def n_s(self) -> Array:
        """Stable's requests per look."""
        return np.asarray(self.pods_n.sum(axis=1))

    @property
    def x_s(self) -> Array:
        """Stable's bad events per look."""
        return np.asarray(self.pods_x.sum(axis=1))


def draw(scenario: Scenario, rng: np.random.Generator) -> Run:
    """One run of a scenario."""
    weights, base = np.array(scenario.weights), np.array(scenario.base)
    total = scenario.qps * SECONDS
    n_c = rng.poisson(total * weights).astype(float)
    shares = rng.dirichlet(np.full(scenario.pods, 50.0))  # pods are never equally busy
    pods_n = rng.poisson(np.outer(total * (1 - weights), shares)).astype(float)
    past_n = rng.poisson(np.tile(total * shares, (scenario.history, 1))).astype(float)
    x_c = _bad(n_c, rate=base * np.array(scenario.theta), burst=scenario.burst, rng=rng)
    pods_x = _bad(pods_n, rate=base[:, np.newaxis], burst=scenario.burst, rng=rng)
    past_x = _bad(past_n, rate=np.array(base[0]), burst=scenario.burst, rng=rng)
    if scenario.loss > 0:
        n_c, x_c = _lost(n_c, x_c, chance=scenario.loss, rng=rng)
        pods_n, pods_x = _lost(pods_n, pods_x, chance=scenario.loss, rng=rng)
    return Run(n_c=n_c, x_c=x_c, pods_n=pods_n, pods_x=pods_x, past_n=past_n, past_x=past_x)


def _bad(n: Array, *, rate: Array, burst: float, rng: np.random.Generator) -> Array:
    clumps = rng.poisson(n * np.minimum(rate, 1.0) / burst)
    if burst == 1:
        return np.asarray(np.minimum(clumps, n), dtype=float)
    sizes = clumps + rng.negative_binomial(np.maximum(clumps, 1), 1 / burst) * (clumps > 0)
    return np.asarray(np.minimum(sizes, n), dtype=float)


def _lost(n: Array, x: Array, *, chance: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Counts of which some pods have lost a part, requests and errors alike."""
    keep = np.where(rng.random(n.shape) < chance, rng.random(n.shape), 1.0)
    kept_x = rng.binomial(x.astype(int), keep)
    kept_good = rng.binomial((n - x).astype(int), keep)
    return (kept_x + kept_good).astype(float), kept_x.astype(float)


# --- judged by the engine ------------------------------------------------------------------------


def dispersions(run: Run) -> list[Phi]:
    """Dispersion of each look, from the history and the looks before it."""
    spread = Spread()
    for n, x in zip(run.past_n.tolist(), run.past_x.tolist(), strict=True):
        spread = dispersion.widen(spread, n=n, x=x)
    found = []
    for n, x in zip(run.pods_n.tolist(), run.pods_x.tolist(), strict=True):
        found.append(spread.phi())
        spread = dispersion.widen(spread, n=n, x=x)
    return found


def counts(run: Run, *, phi: Phi | None = None) -> list[Counts]:
    """The rows of a run, with the dispersion that was known at each unless one is given."""
    columns = zip(
        run.n_c.tolist(),
        run.n_s.tolist(),
        run.x_c.tolist(),
        run.x_s.tolist(),
        [phi] * len(run.n_c) if phi is not None else dispersions(run),
        strict=True,
    )
    return [
        Counts(n_c=n_c, n_s=n_s, x_c=(x_c,), x_s=(x_s,), phi=(known,))
        for n_c, n_s, x_c, x_s, known in columns
    ]


def rows_of(run: Run, *, weights: Sequence[float], phi: Phi | None = None) -> list[Row]:
    """The interval table of a run, in one step."""
    return [
        Row(t0=SECONDS * k, t1=SECONDS * (k + 1), step=0, weight=w, counts={"error-ratio": one})
        for k, (one, w) in enumerate(zip(counts(run, phi=phi), weights, strict=True))
    ]


def rollback_look(
    run: Run, *, alpha: float = ALPHA, restart: Sequence[float] | None = None
) -> int | None:
    """The first look (from 1) at which the relative test of the engine rolls back, or None."""
    grid = eprocess.ratio_grid(eprocess.rollback_grid(THETA0), theta0=THETA0)
    weights = eprocess.restart_weights(LOOKS) if restart is None else restart
    hedge, seen = relative.begin(grid.points), 0.0
    for k, row in enumerate(counts(run)):
        stake = weights[k] if k < len(weights) else 0.0
        hedge = relative.step(hedge, stream=row.stream(0), grid=grid, stake=stake)
        seen += row.x_c[0]
        if seen >= 5 and relative.log_value(hedge) >= -math.log(alpha):
            return k + 1
    return None


def verdict_look(
    rows: Sequence[Row], *, config: EvidenceConfig, stop: Callable[[Verdict], bool]
) -> tuple[int, Verdict] | None:
    """The first look whose verdict of the whole engine `stop` accepts, with the verdict."""
    state = ledger.begin(config)
    for number, row in enumerate(rows, start=1):
        state = ledger.record(state, row=row, config=config)
        context = Context(now=row.t1, step=row.step, judged_from=0.0, has_stable=True)
        found = engine.decide(state, context=context, config=config)
        if stop(found.verdict):
            return number, found.verdict
    return None


# --- judged by the rules of other tools ----------------------------------------------------------


def threshold_look(run: Run, *, limit: float = 0.01) -> int | None:
    """One look above an absolute limit, as soon as it rests on 20 requests."""
    return _first((run.n_c >= 20) & (run.x_c > limit * run.n_c))


def k_of_n_look(run: Run, *, limit: float = 0.01, k: int = 3, n: int = 5) -> int | None:
    """K of the last n looks above an absolute limit."""
    over = ((run.n_c >= 20) & (run.x_c > limit * run.n_c)).astype(int)
    recent = np.convolve(over, np.ones(n, dtype=int))[: len(over)]
    return _first(recent >= k)


def z_test_look(run: Run, *, critical: float = 1.645) -> int | None:
    """A one-sided 5 % two-sample z-test on everything so far, at every look."""
    n_c, x_c, n_s, x_s = (np.cumsum(one) for one in (run.n_c, run.x_c, run.n_s, run.x_s))
    pooled = (x_c + x_s) / np.maximum(n_c + n_s, 1)
    variance = pooled * (1 - pooled) * (1 / np.maximum(n_c, 1) + 1 / np.maximum(n_s, 1))
    z = (x_c / np.maximum(n_c, 1) - x_s / np.maximum(n_s, 1)) / np.sqrt(np.maximum(variance, 1e-12))
    return _first((z > critical) & (x_c + x_s > 0) & (n_c > 0))


def _first(hit: npt.NDArray[np.bool_]) -> int | None:
    return int(np.argmax(hit)) + 1 if hit.any() else None


# --- latency -------------------------------------------------------------------------------------

DECISIVE = 6  # as for latency-p95 of the latencies below
EDGES = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 2.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowness:
    """How the candidate is slower: all requests by a factor, and a share of them at a fixed time.

    Units: seconds; tail from 0 to 1.
    """

    factor: float = 1.0
    tail: float = 0.0
    tail_seconds: float = 1.5


def latency_look(
    slowness: Slowness, *, qps: float, weight: float, burst: int, rng: np.random.Generator
) -> int | None:
    """The first look at which the average over all edges rolls back; log-normal latencies."""
    grid = eprocess.ratio_grid(eprocess.rollback_grid(THETA0), theta0=THETA0)
    restart = eprocess.restart_weights(LOOKS)
    hedges = [relative.begin(grid.points) for _ in EDGES]
    seen = [0.0] * len(EDGES)
    for k, row in enumerate(_latency_rows(slowness, qps=qps, weight=weight, burst=burst, rng=rng)):
        for e in range(len(EDGES)):
            hedges[e] = relative.step(hedges[e], stream=row.stream(e), grid=grid, stake=restart[k])
            seen[e] += row.x_c[e]
        found = latency.weigh(
            [relative.log_value(one) for one in hedges],
            edges=EDGES,
            v=latency.weights(len(EDGES), decisive=DECISIVE),
            events=seen,
            min_candidate_events=5,
        )
        if found.log_e >= -math.log(ALPHA):
            return k + 1
    return None


def _latency_rows(
    slowness: Slowness, *, qps: float, weight: float, burst: int, rng: np.random.Generator
) -> Iterator[Counts]:
    pods, total = 4, qps * SECONDS
    spreads = [Spread()] * len(EDGES)
    for look in range(-HISTORY, LOOKS):
        w = weight if look >= 0 else 0.0
        n_c, slow_c = _slower(rng.poisson(total * w), slowness=slowness, burst=burst, rng=rng)
        drawn = [
            _slower(rng.poisson(total * (1 - w) / pods), slowness=Slowness(), burst=burst, rng=rng)
            for _ in range(pods)
        ]
        if look >= 0:
            yield Counts(
                n_c=n_c,
                n_s=sum(n for n, _ in drawn),
                x_c=slow_c,
                x_s=tuple(sum(slow[e] for _, slow in drawn) for e in range(len(EDGES))),
                phi=tuple(one.phi() for one in spreads),
            )
        requests = [n for n, _ in drawn]
        spreads = [
            dispersion.widen(one, n=requests, x=[slow[e] for _, slow in drawn])
            for e, one in enumerate(spreads)
        ]


def _slower(
    requests: int, *, slowness: Slowness, burst: int, rng: np.random.Generator
) -> tuple[float, tuple[float, ...]]:
    """Requests, and those slower than each edge; clumps share one latency."""
    clumps = max(requests // burst, 0)
    seconds = 0.08 * slowness.factor * np.exp(0.5 * rng.standard_normal(clumps))
    seconds[rng.random(clumps) < slowness.tail] = slowness.tail_seconds
    slow = [float(burst * np.count_nonzero(seconds > edge)) for edge in EDGES]
    return float(burst * clumps), tuple(slow)


# --- summaries -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Share of runs that stopped, and the median look of those that did over all runs."""

    runs: int
    share: float
    median_look: float


def summarize(looks: Sequence[int | None]) -> Summary:
    """Runs that never stopped count as infinitely late."""
    late = [math.inf if one is None else float(one) for one in looks]
    stopped = sum(one is not None for one in looks)
    return Summary(runs=len(looks), share=stopped / len(looks), median_look=statistics.median(late))


def cell(scenario: Scenario, *, runs: int, seed: int, rule: Callable[[Run], int | None]) -> Summary:
    """One rule over many runs of a scenario; the same seed gives every rule the same runs."""
    rng = np.random.default_rng(seed)
    return summarize([rule(draw(scenario, rng)) for _ in range(runs)])


def allowed(limit: float, *, runs: int) -> float:
    """Share that a true `limit` hardly ever exceeds by chance (three standard errors)."""
    return limit + 3 * math.sqrt(limit * (1 - limit) / runs)
