"""Rows of a distribution in tests: what the pods of both arms observe, by feature and bin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from evidence_rows import INDEPENDENT

from tidegate.evidence.counts.rows import Bins, Counts, PodCounts, Row

NAME = "feature-drift"
LENGTH = 30.0
LABELS = ("10", "20", "30", "40", "50", "60", "70", "+Inf", "missing", "other")
EQUAL = np.full(10, 0.1)
MOVED = np.array([0.3, *[0.7 / 9] * 9])  # a PSI of 0.27
Table = list[list[float]]  # pods, bins
Clump = Callable[[int, Table, Table], None]


def row(
    number: int, *, candidate: Mapping[str, Bins], stable: Mapping[str, Bins], step: int = 0
) -> Row:
    """One interval; pods are called by their number."""
    pods_c, pods_s = _pods("c", candidate), _pods("s", stable)
    counts = Counts(
        n_c=sum(pod.n for pod in pods_c),
        n_s=sum(pod.n for pod in pods_s),
        x_c=(0.0,),
        x_s=(0.0,),
        phi=(INDEPENDENT,),
        pods_c=pods_c,
        pods_s=pods_s,
        bins_c=candidate,
        bins_s=stable,
    )
    start = LENGTH * number
    both = counts.n_c + counts.n_s
    weight = counts.n_c / both if both else 0.5
    return Row(t0=start, t1=start + LENGTH, step=step, weight=weight, counts={NAME: counts})


def bins(*pods: Sequence[float], labels: Sequence[str] = LABELS) -> Bins:
    """What each pod has observed of one feature, by bin."""
    return Bins.of(labels=labels, counts=pods)


def drawn(
    *,
    shares: Mapping[str, Sequence[float]] | None = None,
    n_c: int = 100,
    n_s: int = 900,
    pods_c: int = 1,
    pods_s: int = 2,
    count: int = 10,
    features: int = 1,
    step: int = 0,
    seed: int = 7,
    clump: Clump = lambda *_: None,
    first: int = 0,
) -> list[Row]:
    """Rows of independent observations; `shares` by feature are those of a candidate that differs."""
    rng = np.random.default_rng(seed)

    def arm(total: int, pods: int, mix: Sequence[float]) -> Table:
        found: Table = rng.multinomial(total // pods, mix, size=pods).astype(float).tolist()
        return found

    def one(number: int) -> Row:
        found: dict[str, tuple[Table, Table]] = {}
        for feature in (f"f{index}" for index in range(features)):
            mix = (shares or {}).get(feature, EQUAL.tolist())
            found[feature] = arm(n_c, pods_c, mix), arm(n_s, pods_s, EQUAL.tolist())
            clump(number, *found[feature])
        return row(
            number,
            candidate={it: bins(*both[0]) for it, both in found.items()},
            stable={it: bins(*both[1]) for it, both in found.items()},
            step=step,
        )

    return [one(first + number) for number in range(count)]


def _pods(arm: str, table: Mapping[str, Bins]) -> tuple[PodCounts, ...]:
    most = max((len(one.counts) for one in table.values()), default=0)
    totals = [
        max(sum(one.counts[pod]) for one in table.values() if len(one.counts) > pod)
        for pod in range(most)
    ]
    return tuple(PodCounts(pod=f"{arm}-{at}", n=n, x=(0.0,)) for at, n in enumerate(totals))
