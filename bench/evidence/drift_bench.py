"""Long form of the drift simulations: size, family-wise alarms, and power against fixed limits.

`python -m bench.evidence.drift_bench` prints the tables; `markdown` and `plot_power` serve the
generated page of results. Everything is seeded. Source: evidence.md, 16, B4.
"""

from __future__ import annotations

import sys
from pathlib import Path

import drift_simulation as simulation
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

SEED = 20_240_611
RUNS = 40_000
POWER_RUNS = 10_000
FLEETS = 1000
FEATURES, HOURS = 200, 168
WINDOWS = (200, 500, 1000, 2000, 5000, 10_000, 100_000)
POWER_WINDOWS = (100, 500, 2000, 10_000)
MOVED = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
BINS = {"equal": simulation.EQUAL, "skewed": simulation.SKEWED}
REFERENCE_TIMES = 10
POWER_ALPHA = 0.01
RULES = ("PSI > 0.1", "PSI > 0.25", "test, delta 0.02", "test, delta 0.1")


def markdown(*, runs: int = RUNS, fleets: int = FLEETS, power_runs: int = POWER_RUNS) -> str:
    """All tables, each under a heading of the third level."""
    return "\n".join(
        (
            *_size(runs=runs),
            "",
            *_families(fleets=fleets),
            "",
            *_power(runs=power_runs),
        )
    )


def plot_power(path: Path, *, runs: int = POWER_RUNS) -> None:
    """Share of alarms over the population's PSI, one panel per size of the window, as SVG."""
    plt.switch_backend("svg")
    mpl.rcParams["svg.hashsalt"] = "tidegate"
    figure, panels = plt.subplots(1, len(POWER_WINDOWS), figsize=(12, 3.2), sharey=True)
    for panel, total in zip(panels, POWER_WINDOWS, strict=True):
        rows = [alarm_shares(total, psi=psi, runs=runs) for psi in MOVED]
        for column, rule in enumerate(RULES):
            style = "--" if rule.startswith("PSI") else "-"
            panel.plot(MOVED, [row[column] for row in rows], style, marker=".", label=rule)
        panel.set_title(f"{total:,} observations")
        panel.set_xlabel("PSI of the population")
    panels[0].set_ylabel("share of windows that alarm")
    panels[-1].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def alarm_shares(total: int, *, psi: float, runs: int) -> tuple[float, ...]:
    """Share of windows that each of the rules reports, in the order of `RULES`."""
    reference = REFERENCE_TIMES * total
    shares = simulation.EQUAL
    fixed = [
        simulation.fixed_limit_share(
            shares,
            total=total,
            reference_total=reference,
            limit=limit,
            runs=runs,
            seed=SEED,
            psi=psi,
        )
        for limit in (0.1, 0.25)
    ]
    tested = [
        simulation.size_at(
            shares,
            total=total,
            reference_total=reference,
            delta=delta,
            alpha=POWER_ALPHA,
            runs=runs,
            seed=SEED,
            psi=psi,
        )
        for delta in (0.02, 0.1)
    ]
    return (*fixed, *tested)


def _size(*, runs: int) -> list[str]:
    deltas = (0.0, 0.02, 0.1)
    head = " | ".join(f"delta {d:g}, {a:.0%}" for d in deltas for a in (0.05, 0.01))
    lines = [
        "### Size of the drift test",
        "",
        (
            f"Share of windows rejected when the population's PSI equals delta; {runs:,} windows per "
            f"cell, ten bins, reference {REFERENCE_TIMES} times as large, seed {SEED}."
        ),
        "",
        f"| bins | observations | {head} |",
        "|---|---|" + "---|" * 6,
    ]
    for name, shares in BINS.items():
        for total in WINDOWS:
            cells = [
                simulation.size_at(
                    shares,
                    total=total,
                    reference_total=REFERENCE_TIMES * total,
                    delta=delta,
                    alpha=alpha,
                    runs=runs,
                    seed=SEED,
                )
                for delta in deltas
                for alpha in (0.05, 0.01)
            ]
            lines.append(f"| {name} | {total:,} | " + " | ".join(f"{c:.2%}" for c in cells) + " |")
    return lines


def _families(*, fleets: int) -> list[str]:
    lines = [
        "### Many features over many windows, nothing changed",
        "",
        (
            f"{FEATURES} features, {HOURS} windows of 1,000 observations, alpha 1 % over all of them by Holm; "
            f"{fleets:,} fleets, seed {SEED}."
        ),
        "",
        "| delta | fleets with any alarm |",
        "|---|---|",
    ]
    rng = np.random.default_rng(SEED)
    worst = [
        simulation.worst_window(
            rng, features=FEATURES, count=HOURS, total=1000, reference_total=50_000
        )
        for _ in range(fleets)
    ]
    for delta in (0.0, 0.02, 0.1):
        alarms = sum(
            simulation.alarm_in(one, delta=delta, alpha=0.01 / (FEATURES * HOURS)) for one in worst
        )
        lines.append(f"| {delta:g} | {alarms / fleets:.2%} |")
    return lines


def _power(*, runs: int) -> list[str]:
    lines = [
        "### Power against fixed limits",
        "",
        (
            f"Share of windows that alarm, ten equal bins, the test at alpha {POWER_ALPHA:.0%}; "
            f"{runs:,} windows per cell, seed {SEED}."
        ),
        "",
        "| observations | PSI of the population | " + " | ".join(RULES) + " |",
        "|---|---|" + "---|" * len(RULES),
    ]
    for total in POWER_WINDOWS:
        for psi in MOVED:
            cells = alarm_shares(total, psi=psi, runs=runs)
            lines.append(f"| {total:,} | {psi:g} | " + " | ".join(f"{c:.1%}" for c in cells) + " |")
    return lines


if __name__ == "__main__":
    sys.stdout.write(markdown() + "\n")
