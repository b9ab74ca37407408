"""The smoke test of a preview: one Job per attempt, which nothing but the switch waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from blue_green_world import switching
from rollout_world import BREACH, V1, V2, V3, World

from tidegate import model
from tidegate.rollout import smoke_test

P = model.Phase
S = model.SmokeTestState
ABSENT = model.SeenJob()
RUNS = model.SeenJob(state=S.RUNNING)
PASSED = model.SeenJob(state=S.PASSED)
BROKEN = model.SeenJob(state=S.FAILED, message="BackoffLimitExceeded")
FORBIDDEN = model.SeenJob(obstacle="Job iris cannot be read: no; rbac.smokeTests")
PROVIDERS = pytest.mark.parametrize(
    "provider", [model.Provider.GATEWAY_API, model.Provider.REPLICA_RATIO]
)


def in_preview(
    provider: model.Provider = model.Provider.GATEWAY_API,
    *,
    seen: model.SeenJob | None = ABSENT,
    **asked: object,
) -> World:
    """2.0 in preview, with its stage confirmed."""
    world = switching(provider, **{"smoke_test": True} | asked)
    world.deploy(V2)
    world.smoke_test = seen
    world.tick()
    world.run_while(lambda: step_of(world).confirmed_at is None)
    assert world.jobs == [], "the test begins when its preview can be reached"
    return world


def step_of(world: World) -> model.ActiveStep:
    rollout = world.status.active_rollout
    assert rollout is not None
    assert rollout.step is not None
    return rollout.step


def rollout_of(world: World) -> model.Rollout:
    assert world.status.rollout is not None
    return world.status.rollout


def waits(world: World) -> tuple[model.Waiting, str] | None:
    found = rollout_of(world).waiting_for
    return None if found is None else (found.reason, found.message)


def known(world: World) -> model.SmokeTestState | None:
    found = rollout_of(world).smoke_test
    return None if found is None else found.state


@PROVIDERS
def test_the_switch_waits_for_it(provider: model.Provider) -> None:
    world = in_preview(provider)
    world.tick()
    [job] = world.jobs
    assert known(world) is S.RUNNING
    world.smoke_test = RUNS
    world.settle()  # longer than the preview
    assert waits(world) == (model.Waiting.SMOKE_TEST, f"Job {job} has not succeeded yet")
    assert (step_of(world).name, world.jobs) == ("preview", [job])

    world.smoke_test = PASSED
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
    assert known(world) is S.PASSED
    assert world.jobs == [job]
    assert {"SmokeTestStarted", "SmokeTestPassed"} <= set(world.reasons())


def test_what_passed_is_over_even_if_its_job_is_gone() -> None:
    world = in_preview(auto_promote=False, seen=PASSED)
    world.tick()
    world.smoke_test = ABSENT
    world.settle()
    assert waits(world) is not None
    assert rollout_of(world).waiting_for.reason is model.Waiting.MANUAL_STEP  # type: ignore[union-attr]
    assert world.jobs == []


def test_the_time_of_the_preview_is_kept_after_an_early_success() -> None:
    world = in_preview(seen=PASSED)
    world.tick()
    assert (known(world), step_of(world).name) == (S.PASSED, "preview")
    assert waits(world) is None


@PROVIDERS
def test_one_that_failed_rejects(provider: model.Provider) -> None:
    world = in_preview(provider)
    world.tick()
    world.smoke_test = BROKEN
    world.run_until(P.ROLLED_BACK)
    assert world.status.rejects(V2.hash)
    assert "SmokeTestFailed: Job iris-" in world.status.message
    assert "BackoffLimitExceeded" in world.status.message
    assert known(world) is S.FAILED
    assert world.rejections == ["SmokeTest"]
    assert all(weights.get(V2.hash, 0.0) == 0.0 for weights in world.weights_seen)
    assert not any(job.startswith("-") for job in world.jobs), "people may want to read it"


def test_a_pause_neither_begins_one_nor_hides_its_failure() -> None:
    world = in_preview()
    world.ask("pause", V2)
    world.settle()
    assert world.jobs == []
    world.smoke_test = BROKEN
    world.run_until(P.ROLLED_BACK)


def test_a_breach_does_not_wait_for_it() -> None:
    world = in_preview()
    world.tick()
    [job] = world.jobs
    world.smoke_test, world.analysis = RUNS, BREACH
    world.tick()
    assert rollout_of(world).ending
    assert f"-{job}" in world.jobs
    world.smoke_test = ABSENT
    world.run_until(P.ROLLED_BACK)
    assert known(world) is None


def test_one_that_is_lost_is_made_again() -> None:
    world = in_preview()
    world.tick()
    world.smoke_test = RUNS
    world.tick()
    world.smoke_test = ABSENT
    world.tick()
    first, second = world.jobs
    assert first == second


def test_without_rights_it_waits_and_blames_nobody() -> None:
    world = in_preview(seen=FORBIDDEN)
    world.settle()
    assert waits(world) == (model.Waiting.SMOKE_TEST, FORBIDDEN.obstacle)
    assert world.reasons().count("SmokeTestBlocked") == 1
    assert not world.status.rejects(V2.hash)
    world.smoke_test = PASSED
    world.run_until(P.HEALTHY)


def test_while_nobody_knows_nothing_is_made() -> None:
    world = in_preview(seen=None)
    world.settle()
    assert (world.jobs, step_of(world).name) == ([], "preview")


@pytest.mark.parametrize("request_", ["skip-step", "promote-full"])
def test_who_skips_the_preview_skips_its_test(request_: str) -> None:
    world = in_preview()
    world.tick()
    [job] = world.jobs
    world.smoke_test = RUNS
    world.ask(request_, V2, step="preview" if request_ == "skip-step" else "")
    world.tick()
    assert f"-{job}" in world.jobs
    world.smoke_test = ABSENT
    world.run_until(P.HEALTHY)


def test_that_of_a_version_which_is_replaced_goes() -> None:
    world = in_preview()
    world.tick()
    [job] = world.jobs
    world.smoke_test = RUNS
    world.deploy(V3)
    world.run_while(lambda: rollout_of(world).revision != V3)
    assert f"-{job}" in world.jobs
    assert known(world) is None


def test_what_ended_after_its_rollout_is_left_to_be_read() -> None:
    world = in_preview()
    world.tick()
    world.smoke_test = None  # nobody has looked
    world.ask("abort", V2)
    world.run_while(lambda: rollout_of(world).active)
    before = list(world.jobs)
    world.smoke_test = BROKEN
    world.tick()
    assert world.jobs == before
    assert known(world) is None


def test_one_that_runs_after_its_rollout_is_deleted() -> None:
    world = in_preview()
    world.tick()
    world.smoke_test = None
    world.ask("abort", V2)
    world.run_while(lambda: rollout_of(world).active)
    world.smoke_test = RUNS
    world.tick()
    assert world.jobs[-1] == f"-{world.jobs[0]}"


def test_each_attempt_has_a_job_of_its_own() -> None:
    rollout = rollout_of(in_preview())
    later = replace(rollout, started_at=rollout.started_at + timedelta(seconds=1))
    again = replace(rollout, id=f"iris-{V2.hash}-2", attempt=2)
    names = {smoke_test.job_name(one) for one in (rollout, later, again)}
    assert len(names) == 3
    assert smoke_test.job_name(replace(rollout)) in names
    assert all(name.startswith(f"iris-{V2.hash}-smoke-") for name in names)
    long = replace(rollout, id=f"{'a' * 33}-{V1.hash}-1")
    assert len(smoke_test.job_name(long)) <= 63


def test_nothing_is_due_where_no_job_is_asked_for() -> None:
    world = in_preview(smoke_test=False, seen=BROKEN)
    world.run_until(P.HEALTHY)
    assert world.jobs == []
    assert not smoke_test.is_due(None)
    assert smoke_test.job_of(None) == ""


def all_are_evicted(world: World) -> None:
    world.held |= {V1.hash: 0, V2.hash: 0}


def candidates_are_evicted(world: World) -> None:
    world.held[V2.hash] = 0


def parked(world: World) -> None:
    assert world.spec is not None
    world.spec = replace(world.spec, replicas=0)
    world.generation += 1


@PROVIDERS
@pytest.mark.parametrize("lose", [all_are_evicted, candidates_are_evicted, parked])
def test_one_without_pods_to_ask_speaks_of_nobody_and_is_made_anew(
    provider: model.Provider, lose: Callable[[World], None]
) -> None:
    world = in_preview(provider)
    world.tick()
    [job] = world.jobs
    before = world.spec
    world.smoke_test = RUNS
    lose(world)
    world.tick(1.0)
    world.smoke_test = BROKEN
    for _ in range(3):
        world.tick(1.0)
    assert not world.status.rejects(V2.hash)
    assert world.jobs[1] == f"-{job}"
    assert len(world.jobs) == 4, "deleted again and again until it is gone"
    world.smoke_test = ABSENT
    world.tick(1.0)
    assert known(world) is None
    world.held.clear()
    world.spec = before
    world.generation += 1
    world.run_while(lambda: world.jobs[-1].startswith("-"))
    world.smoke_test = PASSED
    world.run_until(P.HEALTHY)
    assert world.status.stable is not None
    assert world.status.stable.revision == V2.hash
