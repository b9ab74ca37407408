"""No weight for a candidate that nobody could judge, and no rejection for it either."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import V1, V2, World, make_spec

from tidegate import model
from tidegate.model import PreflightReason
from tidegate.rollout import preflight

FOUND = model.Preflight(
    metric="error-ratio", source="prometheus", reason=PreflightReason.SERIES_FOUND, ready=True
)


def row(
    reason: PreflightReason, *, metric: str = "error-ratio", dry_run: bool = False
) -> model.Preflight:
    return replace(FOUND, metric=metric, reason=reason, ready=False, message="why", dry_run=dry_run)


def trying(*rows: model.Preflight, spec: model.Spec | None = None) -> World:
    """V1 serves, V2 is asked for, and this was found of V1."""
    world = World(spec=spec or make_spec())
    world.run_until(model.Phase.HEALTHY)
    world.preflight = rows
    world.deploy(V2)
    for _ in range(20):
        world.tick(5.0)
    return world


def weight(world: World) -> float:
    rollout = world.status.rollout
    return rollout.exposure.live_percent if rollout is not None and rollout.active else 100.0


@pytest.mark.parametrize("provider", list(model.Provider))
@pytest.mark.parametrize("reason", sorted(preflight.HOLDING))
def test_what_could_never_be_judged_gets_no_weight_and_is_not_rejected(
    reason: PreflightReason, provider: model.Provider
) -> None:
    spec = make_spec(provider=provider)
    world = trying(row(reason), spec=spec)
    for _ in range(20):
        world.tick(spec.progress_deadline_seconds)

    assert weight(world) == 0
    assert world.status.phase is model.Phase.PAUSED
    assert world.status.health_status == "Progressing", (
        "nobody has to say anything: it ends by itself"
    )
    assert not world.status.rejected
    assert world.status.rollout is not None
    assert world.status.rollout.waiting_for is not None
    assert world.status.rollout.waiting_for.reason is model.Waiting.EVIDENCE
    assert world.status.rollout.waiting_for.message == f"{reason}: error-ratio: why"
    assert world.condition("EvidenceReady").reason == reason


def test_it_goes_on_by_itself_with_the_whole_deadline_for_its_pods() -> None:
    world = trying(row(PreflightReason.NOT_SCRAPED))
    for _ in range(20):
        world.tick(300.0)
    world.broken = frozenset({V2.hash})
    state = world.revisions[V2.hash]
    world.revisions[V2.hash] = replace(state, ready=0)
    world.preflight = (FOUND,)
    world.tick(5.0)

    assert world.status.phase is model.Phase.PENDING, "pods are waited for, nothing is rejected"

    world.broken = frozenset()
    world.run_until(model.Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


@pytest.mark.parametrize(
    "rows",
    [
        (),
        (FOUND,),
        (row(PreflightReason.NO_TRAFFIC),),
        (row(PreflightReason.SCRAPE_INTERVAL_DIFFERS),),
        (FOUND, row(PreflightReason.LABELS_MISSING, metric="tried", dry_run=True)),
    ],
)
def test_what_may_be_judged_is_not_held(rows: tuple[model.Preflight, ...]) -> None:
    assert weight(trying(*rows)) > 0


def test_the_first_look_is_waited_for_but_not_for_ever() -> None:
    world = World(preflight=None)
    world.run_until(model.Phase.HEALTHY)
    world.deploy(V2)
    for _ in range(20):
        world.tick(5.0)
    assert weight(world) == 0
    assert world.status.rollout is not None
    assert world.status.rollout.waiting_for is not None
    assert world.status.rollout.waiting_for.reason is model.Waiting.EVIDENCE
    world.tick(preflight.FIRST_LOOK_SECONDS)
    world.run_until(model.Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_without_pods_of_stable_nothing_could_be_looked_for() -> None:
    """Then a candidate may be the only way out."""
    world = World(preflight=None)
    world.run_until(model.Phase.HEALTHY)
    world.broken = frozenset({V1.hash})
    world.revisions[V1.hash] = replace(world.revisions[V1.hash], ready=0)
    world.deploy(V2)
    for _ in range(5):
        world.tick(5.0)
    assert weight(world) > 0


def test_a_promotion_without_analysis_is_not_held() -> None:
    world = trying(row(PreflightReason.NOT_SCRAPED))
    world.ask("promote-full", V2)
    world.run_until(model.Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_a_candidate_with_a_weight_is_left_to_its_analysis() -> None:
    world = trying(FOUND)
    assert weight(world) > 0
    world.preflight = (row(PreflightReason.SOURCE_UNREACHABLE),)
    world.run_until(model.Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash


def test_the_first_revision_serves_whatever_is_missing() -> None:
    world = World(preflight=(row(PreflightReason.NO_SOURCE),))
    world.run_until(model.Phase.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V1.hash


def test_after_a_restart_the_written_rows_hold_until_the_next_look() -> None:
    world = trying(row(PreflightReason.LABELS_MISSING))
    world.preflight = None
    for _ in range(5):
        world.tick(5.0)
    assert weight(world) == 0
    assert world.status.evidence == (row(PreflightReason.LABELS_MISSING),)


@pytest.mark.parametrize(
    ("rows", "status", "reason"),
    [
        (None, "Unknown", "NotLookedYet"),
        ((FOUND,), "True", "SeriesFound"),
        ((FOUND, row(PreflightReason.NOT_SCRAPED, metric="b")), "False", "NotScraped"),
        (
            (replace(FOUND, reason=PreflightReason.NO_TRAFFIC, ready=None), FOUND),
            "Unknown",
            "NoTraffic",
        ),
    ],
)
def test_the_condition_tells_of_the_worst_metric(
    rows: tuple[model.Preflight, ...] | None, status: str, reason: str
) -> None:
    world = World(preflight=rows)
    world.run_until(model.Phase.HEALTHY)
    world.tick()
    found = world.condition("EvidenceReady")
    assert (found.status, found.reason) == (status, reason)


def test_without_metrics_there_is_nothing_to_look_for() -> None:
    spec = make_spec()
    world = World(spec=replace(spec, analysis=replace(spec.analysis, metrics=())))
    world.run_until(model.Phase.HEALTHY)
    assert world.condition("EvidenceReady").reason == "NoMetrics"
    assert world.condition("EvidenceReady").status == "True"
