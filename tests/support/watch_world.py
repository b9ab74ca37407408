"""A revision that serves and is watched, in the tiny world: what looks find, and what status says of it."""

from __future__ import annotations

from dataclasses import replace

from rollout_world import World, made_once, serving

from tidegate import model
from tidegate.model import Outcome

TRAINED = model.Metric(
    name="skew",
    preset="feature-drift",
    drift=model.Drift(training=model.ProfileRef(name="training", key="profile.json")),
)
SHIFT = model.Shift(feature="amount", psi=0.8, bin="missing", share=0.4, reference_share=0.001)


def row(outcome: Outcome, reason: str, **more: object) -> model.WatchedMetric:
    fields: dict[str, object] = {"message": "words", **more}
    return model.WatchedMetric(
        name="skew",
        against=model.Against.TRAINING,
        outcome=outcome,
        reason=reason,
        **fields,  # type: ignore[arg-type]
    )


DRIFTS = row(Outcome.FAIL, "Drift", onset="Sudden", shifts=(SHIFT,))
SOUND = row(Outcome.PASS, "NoHarmFound")
EARLY = row(Outcome.INCONCLUSIVE, "Warmup")
OPEN = row(Outcome.INCONCLUSIVE, "Undecided")
FEW = row(Outcome.INCONCLUSIVE, "Insufficient")
SILENT = row(Outcome.NO_DATA, "NoData")


@made_once
def watched(*metrics: model.Metric) -> World:
    world = serving()
    assert world.spec is not None
    analysis = replace(world.spec.analysis, metrics=(*world.spec.analysis.metrics, *metrics))
    world.spec = replace(world.spec, analysis=analysis, monitoring=model.Monitoring())
    world.generation += 1
    world.watched = ()
    world.settle()
    world.events.clear()
    world.status_writes = 0
    return world


def play(world: World, *rows: model.WatchedMetric, seconds: float = 300.0) -> World:
    for one in rows:
        world.watched = (one,)
        world.tick(seconds)
    return world


def condition(world: World, kind: str = "DataDrift") -> tuple[str, str]:
    found = {one.type: (one.status, one.reason) for one in world.status.conditions}
    return found.get(kind, ("", ""))


def known(world: World) -> model.WatchedMetric:
    assert world.status.monitoring is not None
    (found,) = world.status.monitoring.metrics
    return found


def told(world: World) -> list[str]:
    return [one.reason for one in world.events]


def serves(world: World) -> str:
    """The revision that serves."""
    assert world.status.stable is not None
    return world.status.stable.revision


def settled(world: World) -> World:
    """The same once nobody watches any more and nothing is left to do."""
    world.watched = ()
    world.settle()
    return world
