"""Rollouts with the defaults in less even worlds: equal versions and bad ones (ADR 0024 to 0026).

Everything is seeded. A cell of equal versions on unlike pods ends promoted or rolled back, as a person
confirms each pause; all others run unattended.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

import drawn_worlds
import late_onset
import numpy as np
from default_rollouts import Cell, End, walk
from drawn_worlds import World, from_onset
from evidence_rows import INDEPENDENT, UNMEASURED

SEED = 20_261_129
ENDS = ("promoted", "paused", "rolled back")
HOUR = late_onset.HOUR
BEGINS = 130.0  # two minutes of health before an outage, in seconds after the first weight


def bad() -> list[Cell]:
    """What must not be promoted: answers that never come, and outages of everybody."""
    lost = [
        Cell(name=f"{share:.0%} never answered, {provider}, {qps}/s", unanswered=share, qps=qps,
             gateway=provider == "GatewayAPI")
        for share in (0.2, 0.5, 0.9)
        for provider, qps in (("ReplicaRatio", 100), ("ReplicaRatio", 1000), ("GatewayAPI", 100))
    ]  # fmt: skip
    shared = [
        Cell(name=f"all fail on both sides from minute 5 on, {qps}/s", qps=qps, outage_at=300.0)
        for qps in (3, 10, 100)
    ]
    return [*lost, *shared]


def unlike() -> list[Cell]:
    """Equal versions whose pods, clients or retries are not independent."""
    kept = {"gateway": False, "base": 0.0, "pods": 10}
    return [
        *(
            Cell(name=f"pods differ by {sd} in errors, {pods} pods, 1000/s", lasting=sd,
                 pods=pods, qps=1000, base=0.005, confirmed=True)
            for sd in (0.2, 0.5) for pods in (2, 4, 10, 30)
        ),
        *(
            Cell(name=f"pods differ by {sd:.0%} in speed, 10 pods, 1000/s", speeds=sd, pods=10,
                 qps=1000, confirmed=True)
            for sd in (0.05, 0.1, 0.2)
        ),
        Cell(name="pods wander by 0.5 in errors, 10 pods", wander=0.5, pods=10, confirmed=True),
        Cell(name="pods wander by 1 in errors, 10 pods", wander=1.0, pods=10, confirmed=True),
        Cell(name="50 clients stay, 5 of them bad, 20/s", clients=50, qps=20, confirmed=True, **kept),  # type: ignore[arg-type]
        Cell(name="50 clients stay, 5 of them bad, 200/s", clients=50, qps=200, confirmed=True, **kept),  # type: ignore[arg-type]
        *(
            Cell(name=f"{clients} clients stay, a tenth of them bad, 4 pods, 200/s", clients=clients,
                 qps=200, base=0.0, gateway=False, confirmed=True)
            for clients in (10, 50)
        ),
        Cell(name="3 attempts within the version, 10 pods, 30/s", retries=3, pods=10, qps=30, confirmed=True),
        Cell(name="10 attempts within the version, 10 pods, 300/s", retries=10, pods=10, qps=300, confirmed=True),
        Cell(name="8 bursts of 20 errors an hour", rare=8.0, base=0.001, confirmed=True),
        *(
            Cell(name=f"new pods twice as slow for {tau} s, warm-up {warmup:.0f} s", pods=10,
                 cold_seconds=tau, warmup=warmup, confirmed=True)
            for tau, warmup in ((60, 60.0), (60, 600.0), (120, 600.0))
        ),
    ]  # fmt: skip


def markdown(*, runs: int) -> list[str]:
    """All tables, each under a heading of the third level."""
    return [
        *_rollouts("Defaults: what must not be promoted", bad(), runs=runs),
        "",
        *_rollouts("Defaults: equal versions on unlike pods", unlike(), runs=runs),
        "",
        *_outages(runs=max(3, runs // 4)),
        "",
        *_late(runs=max(3, runs // 10)),
    ]


def ends(cell: Cell, *, runs: int) -> list[End]:
    """How so many rollouts of a cell end."""
    return [walk(cell, np.random.default_rng((SEED, number))) for number in range(runs)]


def _rollouts(title: str, cells: Sequence[Cell], *, runs: int) -> list[str]:
    lines = [
        f"### {title}",
        "",
        (
            f"{runs} rollouts per cell of 10, 25 and 50 % with 4 pods unless the cell says otherwise,"
            f" drawn row by row; errors and latency against stable. Seed {SEED}."
        ),
        "",
        "| cell | " + " | ".join(ENDS) + " | median minutes to promotion |",
        "|---" * (len(ENDS) + 2) + "|",
    ]
    for cell in cells:
        found = ends(cell, runs=runs)
        counted = Counter(end.how for end in found)
        minutes = [end.seconds / 60 for end in found if end.how == "promoted"]
        shares = " | ".join(f"{counted[how] / runs:.0%}" for how in ENDS)
        lines.append(f"| {cell.name} | {shares} | {_number(minutes)} |")
    return lines


def _outages(*, runs: int) -> list[str]:
    lines = [
        "### Defaults: outage of the candidate",
        "",
        (
            f"{runs} runs per cell through the analyst: every request of the candidate fails after two"
            " healthy minutes, 4 pods, each scraped at an instant of its own. Seconds from the onset."
        ),
        "",
        "| scrapes | requests/s | weight | median | longest |",
        "|---|---|---|---|---|",
    ]
    for scrape, qps, weight in (
        (15.0, 10.0, 0.1), (15.0, 10.0, 0.5), (15.0, 100.0, 0.1), (15.0, 100.0, 0.5),
        (5.0, 100.0, 0.5), (30.0, 100.0, 0.5), (60.0, 100.0, 0.5),
    ):  # fmt: skip
        found = [
            _outage_seconds(scrape=scrape, qps=qps, weight=weight, seed=one) for one in range(runs)
        ]
        middle, longest = statistics.median(found), max(found)
        lines.append(
            f"| {scrape:.0f} s | {qps:g} | {weight:.0%} | {middle:.0f} s | {longest:.0f} s |"
        )
    return lines


def _outage_seconds(*, scrape: float, qps: float, weight: float, seed: int) -> float:
    rng = np.random.default_rng((SEED, seed))
    onset = BEGINS + float(rng.uniform(0, scrape))
    world = World(
        weight=weight,
        per_second=qps,
        scrape=scrape,
        candidate=from_onset(0.0, onset=onset, then=1.0),
    )
    at, _, _ = drawn_worlds.ended(world, rng=rng, until=onset + 20 * scrape)
    return at - onset


def _late(*, runs: int) -> list[str]:
    lines = [
        "### Harm that begins late",
        "",
        (
            f"{runs} runs per cell at 100/s, 10 % and 0.5 % of errors; errors alone at the limit of two"
            " tests. Median minutes from the onset."
        ),
        "",
        "| healthy before | x3, dispersion measured | x5, one stable pod | x100, one stable pod |",
        "|---|---|---|---|",
    ]
    for hours in (0, 0.5, 2, 6, 24, 72):
        found = [
            late_onset.minutes_to_find(
                wait=max(hours * HOUR, 90.0), theta=theta, phi=phi, runs=runs
            )
            for theta, phi in ((3.0, INDEPENDENT), (5.0, UNMEASURED), (100.0, UNMEASURED))
        ]
        lines.append(f"| {hours:g} h | " + " | ".join(f"{one:.1f}" for one in found) + " |")
    return lines


def _number(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f}" if values else "-"
