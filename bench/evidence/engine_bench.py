"""Long form of the engine's simulations: false rollbacks, time to detect, promotion, cost.

`markdown` and the plots serve the generated page of results; everything is seeded.
Source: evidence.md, 16, B1 to B3 and B7 to B9.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import evidence_simulation as simulation
import matplotlib as mpl
import numpy as np
from evidence_simulation import Run, Scenario, Slowness, Summary, cell, steady
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import Compare, EvidenceConfig, MetricRule
from tidegate.evidence.verdict import planner
from tidegate.model import Verdict

SEED = 20_261_121
SCRAPE_SECONDS = 15.0
TRAFFIC = (1, 10, 100, 1000)
WEIGHTS = (0.01, 0.05, 0.2, 0.5)
REGRESSIONS = (1.5, 2.0, 3.0, 10.0)
LOOKS = simulation.LOOKS
BASE = simulation.BASE_RATE

RULES: dict[str, Callable[[Run], int | None]] = {
    "Tidegate": simulation.rollback_look,
    "one threshold": simulation.threshold_look,
    "3 of 5": simulation.k_of_n_look,
    "z-test each look": simulation.z_test_look,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One scenario under every rule, in the order of `RULES`."""

    name: str
    scenario: Scenario
    found: tuple[Summary, ...]


def healthy(*, runs: int) -> list[Line]:
    """Releases that are as good as stable, under every kind of trouble."""
    moving = tuple(BASE * (1 + 0.8 * math.sin(k / 7)) for k in range(LOOKS))
    outage = tuple(10 * BASE if 20 <= k < 30 else BASE for k in range(LOOKS))
    ramp = (0.01,) * 15 + (0.05,) * 15 + (0.2,) * 15 + (0.5,) * 15
    cells = {one.name: one for one in (steady(q, w) for q in TRAFFIC for w in WEIGHTS)}
    for qps in TRAFFIC:
        at = f"{qps}/s at 20%"
        cells |= {
            f"{at}, bursts of 5": steady(qps, 0.2, burst=5.0),
            f"{at}, bursts of 20": steady(qps, 0.2, burst=20.0),
            f"{at}, bursts of 20, one stable pod": steady(qps, 0.2, burst=20.0, pods=1),
            f"{at}, rate moves": steady(qps, 0.2, base=moving),
            f"{at}, shared incident": steady(qps, 0.2, base=outage),
            f"{at}, pods restart": steady(qps, 0.2, loss=0.2),
            f"{qps}/s, ramp 1 to 50%, rate moves": Scenario(
                name="ramp", qps=qps, weights=ramp, base=moving
            ),
        }
    return [
        Line(name=name, scenario=one, found=_all_rules(one, runs=runs))
        for name, one in cells.items()
    ]


def broken(*, runs: int) -> list[Line]:
    """Regressions from the first look on, and one that begins after half an hour."""
    lines = []
    for theta in REGRESSIONS:
        for qps in TRAFFIC:
            for weight in (0.05, 0.2):
                one = steady(qps, weight, theta=(theta,) * LOOKS)
                name = f"x{theta:g}, {one.name}"
                lines.append(Line(name=name, scenario=one, found=_all_rules(one, runs=runs)))
    late = steady(100, 0.05, theta=(1.0,) * 30 + (3.0,) * 30)
    name = "x3 after 30 min, 100/s at 5%"
    return [*lines, Line(name=name, scenario=late, found=_all_rules(late, runs=runs))]


def _all_rules(scenario: Scenario, *, runs: int) -> tuple[Summary, ...]:
    return tuple(cell(scenario, runs=runs, seed=SEED, rule=rule) for rule in RULES.values())


def planned_seconds(scenario: Scenario) -> float:
    """What the planner says about a regression, for independent errors."""
    return planner.rollback_seconds(
        BASE,
        theta=scenario.theta[-1],
        theta0=simulation.THETA0,
        weight=scenario.weights[-1],
        qps=scenario.qps,
        alpha=simulation.ALPHA,
        phi=1.0,
        interval=simulation.SECONDS,
        scrape=SCRAPE_SECONDS,
    )


# --- tables --------------------------------------------------------------------------------------


def healthy_table(lines: Sequence[Line]) -> list[str]:
    """Share of healthy releases rolled back within the hour, per rule."""
    runs = lines[0].found[0].runs
    worst = max(line.found[0].share for line in lines)
    by_chance = simulation.allowed(0.01, runs=runs)
    return [
        "### Healthy releases rolled back",
        "",
        (
            f"{runs} runs of 60 looks per cell, {BASE:.1%} of requests fail on both sides. The"
            f" promise is at most 1 %, of which so many runs may show up to {by_chance:.1%} by"
            f" chance; the worst of {len(lines)} cells shows {worst:.1%}."
        ),
        "",
        *_grid(
            ["cell", *RULES],
            [[line.name, *(f"{one.share:.1%}" for one in line.found)] for line in lines],
        ),
    ]


def broken_table(lines: Sequence[Line]) -> list[str]:
    """Median minutes to roll back, against the plan; and the share found within the hour."""
    body = []
    for line in lines:
        ours, planned = line.found[0], planned_seconds(line.scenario)
        late = line.scenario.theta[0] == 1.0
        median = ours.median_look * simulation.SECONDS - (1800 if late else 0)
        body.append(
            [
                line.name,
                _minutes(median),
                _minutes(planned),
                f"{median / planned:.2f}" if math.isfinite(median) else "-",
                *(f"{one.share:.0%}" for one in line.found),
            ]
        )
    return [
        "### Regressions found",
        "",
        (
            "Median minutes from the onset to the rollback over all runs, what the planner says"
            " beforehand, their ratio, and the share of runs that each rule stopped within the hour"
            " (the simple rules stop healthy releases too, see above). A dash: fewer than half of the"
            " runs were stopped, because the hour is too short for it."
        ),
        "",
        *_grid(["cell", "median", "planned", "ratio", *RULES], body),
    ]


def latency_table(*, runs: int) -> list[str]:
    """Slower requests on 11 bucket edges; the median is over all runs."""
    cases = {
        "equal": (Slowness(), 1),
        "equal, clumps of 5": (Slowness(), 5),
        "equal, clumps of 20": (Slowness(), 20),
        "all 20 % slower": (Slowness(factor=1.2), 1),
        "1 % take 1.5 s": (Slowness(tail=0.01), 1),
        "0.3 % take 1.5 s": (Slowness(tail=0.003), 1),
    }
    body = []
    for name, (slowness, burst) in cases.items():
        for qps in (10, 100):
            rng = np.random.default_rng(SEED)
            found = simulation.summarize(
                [
                    simulation.latency_look(slowness, qps=qps, weight=0.05, burst=burst, rng=rng)
                    for _ in range(runs)
                ]
            )
            median = _minutes(found.median_look * simulation.SECONDS)
            body.append([f"{name}, {qps}/s at 5%", f"{found.share:.1%}", median])
    return [
        "### Slow answers",
        "",
        f"{runs} runs of 60 looks per cell; log-normal latencies with a median of 80 ms.",
        "",
        *_grid(["cell", "rolled back", "median minutes"], body),
    ]


def promotion_table(*, runs: int) -> list[str]:
    """How often the whole engine advances a candidate, at a margin of 1.5."""
    compare = Compare(theta0_promote=1.5, excess_promote=1e-4, detect_ratio=1.01)  # proof alone
    rule = MetricRule(name="error-ratio", compare=compare)
    config = EvidenceConfig(metrics=(rule,), requests_from="error-ratio")
    body = []
    for theta in (1.0, 1.25, 1.5):
        scenario = steady(100, 0.2, theta=(theta,) * LOOKS)
        rng = np.random.default_rng(SEED)
        looks: list[int | None] = []
        for _ in range(runs):
            run = simulation.draw(scenario, rng)
            rows = simulation.rows_of(run, weights=scenario.weights)
            stopped = simulation.verdict_look(
                rows, config=config, stop=lambda verdict: verdict is not Verdict.HOLD
            )
            advanced = stopped is not None and stopped[1] is Verdict.ADVANCE
            looks.append(stopped[0] if stopped is not None and advanced else None)
        found = simulation.summarize(looks)
        median = _minutes(found.median_look * simulation.SECONDS)
        body.append([f"x{theta:g}", f"{found.share:.1%}", median])
    return [
        "### Promotions",
        "",
        (
            f"{runs} runs at 100/s and 20 %, by proof alone, which is not the default (see"
            " evidence-defaults.md); a candidate exactly at the margin of 1.5 may be advanced"
            " in at most 5 % of them."
        ),
        "",
        *_grid(["candidate", "advanced", "median minutes"], body),
    ]


def _grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return [*lines, *("| " + " | ".join(row) + " |" for row in body)]


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}" if math.isfinite(seconds) else "-"


# --- plots ---------------------------------------------------------------------------------------


def plot_healthy(path: Path, lines: Sequence[Line]) -> None:
    """Share of healthy releases rolled back per rule, over all cells, as SVG."""
    figure, axes = _figure()
    for position, name in enumerate(RULES):
        shares = [100 * line.found[position].share for line in lines]
        offsets = np.linspace(-0.3, 0.3, len(shares))
        axes.plot(position + offsets, shares, ".", label=name)
    axes.axhline(1.0, linestyle="--", color="black", linewidth=0.8)
    axes.set_xticks(range(len(RULES)), list(RULES))
    axes.set_ylabel("healthy releases rolled back, %")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(bottom=-0.1)
    _save(figure, path)


def plot_detection(path: Path, lines: Sequence[Line]) -> None:
    """Median time to detect against the plan, as SVG; the band is a factor of 1.5."""
    figure, axes = _figure()
    for theta in REGRESSIONS:
        points = [
            (planned_seconds(line.scenario) / 60, line.found[0].median_look)
            for line in lines
            if line.scenario.theta[0] == theta and math.isfinite(line.found[0].median_look)
        ]
        axes.plot(*zip(*points, strict=True), "o", label=f"x{theta:g}")
    ends = np.array([1.0, 60.0])
    axes.plot(ends, ends, color="black", linewidth=0.8)
    axes.fill_between(ends, ends / 1.5, ends * 1.5, alpha=0.15, color="grey")
    axes.set(xscale="log", yscale="log", xlabel="planned, minutes", ylabel="median, minutes")
    axes.legend()
    _save(figure, path)


def plot_growth(path: Path) -> None:
    """Evidence over time of single runs: equal, twice and three times as bad, as SVG."""
    figure, axes = _figure()
    rule = MetricRule(name="error-ratio", compare=Compare())
    config = EvidenceConfig(metrics=(rule,), requests_from="error-ratio")
    for theta, colour in ((1.0, "tab:green"), (2.0, "tab:orange"), (3.0, "tab:red")):
        scenario = steady(100, 0.05, theta=(theta,) * LOOKS)
        rng = np.random.default_rng(SEED)
        for number in range(5):
            run = simulation.draw(scenario, rng)
            state, path_of_run = ledger.begin(config), []
            for row in simulation.rows_of(run, weights=scenario.weights):
                state = ledger.record(state, row=row, config=config)
                log_e = ledger.decisive_e(state.accounts["error-ratio"], rule=rule)
                path_of_run.append(min(log_e, 12.0))
            label = f"x{theta:g}" if number == 0 else None
            axes.plot(range(1, LOOKS + 1), path_of_run, color=colour, linewidth=0.9, label=label)
    axes.axhline(config.log_rollback, linestyle="--", color="black", linewidth=0.8)
    axes.set(xlabel="minutes at 100/s and 5 %", ylabel="log evidence of harm (cut at 12)")
    axes.legend()
    _save(figure, path)


def _figure() -> tuple[Figure, Axes]:
    plt.switch_backend("svg")
    mpl.rcParams["svg.hashsalt"] = "tidegate"
    return plt.subplots(figsize=(8, 4))


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
