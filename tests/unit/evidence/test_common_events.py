"""Where bad events are the rule, the good ones are tested, so their dispersion is measured."""

from __future__ import annotations

import pytest
from evidence_build import IDENTITY, STABLE
from evidence_grid import GRID

from tidegate.evidence.counts.history import Past, reduced, spreads_of
from tidegate.evidence.counts.intervals import MetricSeries
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.terms import Series

BURST = 20


def _stable(*, bad_share: float) -> MetricSeries:
    """Of two pods each has in turn a clump of the rarer kind of events, all others are of the other."""
    total, bad = [], []
    for number, pod in enumerate("ab"):
        n = x = 0.0
        points: list[tuple[float, float, float]] = []
        for index in range(200):
            rare = BURST if index % 8 == 4 * number else 0
            n += 100
            x += 100 - rare if bad_share > 0.5 else rare
            points.append((10.0 * index, n, x))
        labels = {"revision": STABLE, "pod": pod, "instance": pod}
        total.append(Series(labels=labels, samples=tuple((at, n) for at, n, _ in points)))
        bad.append(Series(labels=labels, samples=tuple((at, x) for at, _, x in points)))
    return MetricSeries(total=tuple(total), bad=tuple(bad), scrape_seconds=10.0)


@pytest.mark.parametrize("bad_share", [0.1, 0.9])
def test_the_rarer_events_are_measured(bad_share: float) -> None:
    past = Past(
        metric="m",
        series=_stable(bad_share=bad_share),
        identity=IDENTITY,
        grid=GRID,
        start=100.0,
        end=1900.0,
    )
    shape = Shape(common=bad_share > 0.5)

    (spread,) = spreads_of(reduced(past), shape=shape)

    assert spread.phi().value >= BURST / 2
