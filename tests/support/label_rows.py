"""Interval tables of labels: predictions of every ten minutes, whose labels come later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.evidence.counts.rows import Cohorts, Counts, PodLabels, Row
from tidegate.evidence.sequential.judgement import Compare, Late, MetricRule

NAME = "quality"
WIDTH = 600.0
LATE = Late(delay_seconds=1200.0, cohort_seconds=WIDTH)
RULE = MetricRule(name=NAME, compare=Compare(), late=LATE, min_samples=20)
BEGIN = 100 * WIDTH
STEP_SECONDS = 300.0  # of a row


@dataclass(kw_only=True)
class Arm:
    """One side: predictions of a pod in a cohort, the share that gets a label, and that is wrong.

    `labelled_after` is the age of a cohort's begin at which its labels come; all come at once.
    """

    pods: int = 1
    predictions: int = 500
    share: float = 0.5
    wrong: float = 0.1
    turns: float = 0.0
    later: float | None = None
    labelled_after: float = 1500.0
    since: float = BEGIN
    clump: int = 1  # so many labels in a row are wrong together

    def cohort(self, start: float, *, at: float, seed: int) -> tuple[PodLabels, ...]:
        wrong = self.wrong if self.later is None or start < self.turns else self.later
        labels = round(self.share * self.predictions) if at >= start + self.labelled_after else 0
        found = []
        for pod in range(self.pods):
            drawn = np.random.default_rng([seed, int(start), pod])
            bad = int(drawn.binomial(labels // self.clump, wrong)) * self.clump
            found.append(
                PodLabels(
                    pod=f"p{pod}", predictions=self.predictions, labelled=labels, n=labels, x=bad
                )
            )
        return tuple(found)


def past(pods: int = 4, **more: float) -> Arm:
    """Stable, which has served for a day."""
    return Arm(pods=pods, since=BEGIN - 100 * WIDTH, **more)  # type: ignore[arg-type]


def table(
    candidate: Arm,
    stable: Arm | None = None,
    *,
    cohorts: int = 24,
    seed: int = 1,
    steps: tuple[float, ...] = (BEGIN,),
) -> list[Row]:
    """Rows from `BEGIN` on; a new step begins at each of `steps` (unix seconds)."""
    found = []
    starts = [BEGIN + WIDTH * number for number in range(-100, cohorts)]
    for number in range(int(cohorts * WIDTH / STEP_SECONDS)):
        t0 = BEGIN + number * STEP_SECONDS
        since = t0 if number else float("-inf")
        arms = [
            {} if arm is None else _news(arm, starts, since=since, at=t0 + STEP_SECONDS, seed=one)
            for arm, one in ((candidate, 2 * seed), (stable, 2 * seed + 1))
        ]
        counts = Counts(
            n_c=0.0,
            n_s=0.0,
            x_c=(0.0,),
            x_s=(0.0,),
            phi=(),
            cohorts_c=arms[0],
            cohorts_s=arms[1],
        )
        step = sum(begin <= t0 for begin in steps) - 1
        found.append(Row(t0=t0, t1=t0 + STEP_SECONDS, step=step, weight=0.1, counts={NAME: counts}))
    return found


def _news(arm: Arm, starts: list[float], *, since: float, at: float, seed: int) -> Cohorts:
    """The cohorts that began, or got their labels, in a row."""
    changed = [
        start
        for start in starts
        if arm.since <= start < at and (start >= since or since < start + arm.labelled_after <= at)
    ]
    return {start: arm.cohort(start, at=at, seed=seed) for start in changed}
