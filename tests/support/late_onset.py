"""Harm that begins after a long healthy wait, on the intervals of the real grid."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
from evidence_grid import FIRST, GRID
from evidence_rows import counts

from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.grid import Slot, slots
from tidegate.evidence.counts.rows import Row
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import Compare, EvidenceConfig, MetricRule

HOUR = 3600.0
SCRAPE = 15.0
LINE = replace(GRID, interval_seconds=30.0, scrape_interval_seconds=SCRAPE)
CONFIG = EvidenceConfig(
    metrics=(MetricRule(name="error-ratio", compare=Compare()),),
    requests_from="error-ratio",
    alpha_rollback=0.005,  # that of one of two tests
)


def minutes_to_find(
    *, wait: float, theta: float, phi: Phi, qps: float = 100.0, base: float = 0.005, runs: int = 3
) -> float:
    """Median minutes from the onset of theta times the errors to the end of the row that tells."""
    table = slots(LINE, events=[FIRST], after=0.0, now=FIRST.at + wait + 5 * HOUR)
    onset = FIRST.at + wait
    found = []
    for seed in range(runs):
        rng, state = np.random.default_rng(seed), ledger.begin(CONFIG)
        for slot in table:
            bad = base * (theta if slot.t0 >= onset else 1.0)
            row = _row(slot, qps=qps, base=base, bad=bad, phi=phi, rng=rng)
            state = ledger.record(state, row=row, config=CONFIG)
            if state.accounts["error-ratio"].regressed:
                found.append((slot.t1 - onset) / 60)
                break
    assert len(found) == runs
    return statistics.median(found)


def _row(
    slot: Slot, *, qps: float, base: float, bad: float, phi: Phi, rng: np.random.Generator
) -> Row:
    total = qps * (slot.t1 - slot.t0)
    n_c, n_s = (int(rng.poisson(total * part)) for part in (slot.weight, 1 - slot.weight))
    seen = counts(n_c, rng.binomial(n_c, bad), n_s, rng.binomial(n_s, base), phi=phi)
    return Row(t0=slot.t0, t1=slot.t1, step=0, weight=slot.weight, counts={"error-ratio": seen})
