"""When pods were seen first: a pod that is younger than the warm-up is not judged. Source: ADR 0026."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from tidegate.evidence.counts import scrapes
from tidegate.evidence.terms import Series

BORN_SCRAPES = 1.5  # a pod whose first sample comes later than this was not there before


def births_of(
    series: Iterable[Series], *, since: float, known: Mapping[str, float], scrape_seconds: float
) -> Mapping[str, float]:
    """When each pod was seen first, in unix seconds; those that the answer begins with are old.

    `since` is where the answer begins. What is `known` stays: later answers begin later.
    """
    firsts: dict[str, float] = {}
    for entry in scrapes.entries_of(series):
        pod = entry.lane.counter.pod
        firsts[pod] = min(entry.samples[0][0], firsts.get(pod, math.inf))
    there = since + BORN_SCRAPES * scrape_seconds
    new = {pod: at if at > there else -math.inf for pod, at in firsts.items()}
    return {**new, **known}
