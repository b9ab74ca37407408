"""The candidate's pods one by one: harm is its own only where more than one of them shows it.

Source: evidence.md, 3.3; ADR 0025.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.evidence.counts.rows import Counts

_REST_DEVIATIONS = 1.645  # an upper 95 % limit of what chance gives the other pods


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTotals:
    """One pod of the candidate over all rows: bad events, and those that would be tolerated.

    Shapes: both (streams,).
    """

    x: tuple[float, ...]
    tolerated: tuple[float, ...]


def added(
    known: Mapping[str, PodTotals], *, counts: Counts, theta0: float
) -> Mapping[str, PodTotals]:
    """The candidate's pods after one more row, those that are gone included."""
    if counts.n_s <= 0:
        return known
    found = dict(known)
    for pod in counts.pods_c:
        nothing = (0.0,) * len(pod.x)
        before = found.get(pod.pod, PodTotals(x=nothing, tolerated=nothing))
        fair = (theta0 * pod.n * bad / counts.n_s for bad in counts.x_s)
        found[pod.pod] = PodTotals(
            x=tuple(a + b for a, b in zip(before.x, pod.x, strict=True)),
            tolerated=tuple(a + b for a, b in zip(before.tolerated, fair, strict=True)),
        )
    return found


def stands_without_worst(known: Mapping[str, PodTotals], *, stream: int, phi: float) -> bool:
    """The harm is seen on the pods besides the worst one, too, where the candidate has several."""
    pods = [(pod.x[stream], pod.tolerated[stream]) for pod in known.values()]
    if len(pods) < 2:
        return True
    worst = max(range(len(pods)), key=lambda index: pods[index][0] - pods[index][1])
    rest = [pod for index, pod in enumerate(pods) if index != worst]
    bad, fair = math.fsum(x for x, _ in rest), math.fsum(fair for _, fair in rest)
    return bad > fair + _REST_DEVIATIONS * math.sqrt(phi * fair)
