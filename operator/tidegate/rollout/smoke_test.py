"""The smoke test of a preview: one Job per attempt, which has to succeed before the stage ends.

It begins when the preview is confirmed and runs beside its time and its evidence. What takes traffic
away or gives it back never waits for it. While no pod is there to answer it speaks of nobody: its Job
goes, and is made anew when one is. Source: api.md, 5.3; docs/adr/0055.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import capacity, waiting
from tidegate.rollout.turn import Turn

FAILED = "SmokeTestFailed"
BY = "SmokeTest"
BLOCKED = "SmokeTestBlocked"
LOOK_SECONDS = 5.0
_DIGITS = 8
_RUNNING = model.SmokeTestState.RUNNING


def job_name(rollout: model.Rollout) -> str:
    """The same for every process, and another for every attempt, also where its number comes again.

    At most 60 characters, since the name becomes a label of the Job's pods.
    """
    began = hashlib.sha256(f"{rollout.id} {rollout.started_at.isoformat()}".encode()).hexdigest()
    name, _, _ = rollout.id.removesuffix(f"-{rollout.attempt}").rpartition("-")
    return f"{name}-{rollout.revision.hash}-smoke-{began[:_DIGITS]}"


def is_due(rollout: model.Rollout | None) -> bool:
    """Its preview can be reached, and the Job has not succeeded yet."""
    if rollout is None or not rollout.active or rollout.ending:
        return False
    step, stage = rollout.step, rollout.stage
    if step is None or stage is None or not stage.smoke_test or step.confirmed_at is None:
        return False
    return rollout.smoke_test is None or rollout.smoke_test.state is _RUNNING


def job_of(rollout: model.Rollout | None) -> str:
    """The Job to look at: one that is due, or one that may still run; empty where there is none."""
    if rollout is None:
        return ""
    known = rollout.smoke_test
    if known is not None and known.state is _RUNNING:
        return known.job
    return job_name(rollout) if is_due(rollout) else ""


def failure(turn: Turn) -> str:
    """Why the smoke test speaks against the candidate; empty where it does not."""
    seen = turn.seen.smoke_test
    if not is_due(turn.active_rollout) or seen is None or _has_nobody_to_ask(turn):
        return ""
    if seen.state is not model.SmokeTestState.FAILED:
        return ""
    return f"{FAILED}: Job {job_of(turn.rollout)}: {seen.message}"


def failed(turn: Turn) -> Turn:
    """Take down that it failed."""
    seen = turn.seen.smoke_test
    message = seen.message if seen is not None else ""
    return _noted(turn, model.SmokeTestState.FAILED, message=message)


def work(turn: Turn) -> Turn:
    """Have the Job made, wait for it, and take down that it succeeded."""
    seen, name = turn.seen.smoke_test, job_of(turn.rollout)
    turn = turn.look_again(LOOK_SECONDS)
    if seen is None or _has_nobody_to_ask(turn):
        return turn
    if seen.obstacle:
        return _blocked(turn, seen.obstacle)
    if seen.state is model.SmokeTestState.PASSED:
        turn = waiting.stop_waiting(turn, only=frozenset({model.Waiting.SMOKE_TEST}))
        return _noted(turn, seen.state).say("SmokeTestPassed", f"Job {name} succeeded")
    was_made = turn.rollout.smoke_test is not None
    if not was_made:
        turn = _noted(turn, _RUNNING).say("SmokeTestStarted", f"Job {name} asks the preview")
    turn = waiting.wait_for(turn, model.Waiting.SMOKE_TEST, f"Job {name} has not succeeded yet")
    return turn if seen.state is _RUNNING else turn.act(actions.CreateSmokeTest(name=name))


def tidy(turn: Turn) -> Turn:
    """Delete a Job that may still run and that nobody waits for any more.

    What it said stays for a day where it has ended with its rollout.
    """
    before, now = turn.seen.status.rollout, turn.status.rollout
    if before is not None and (now is None or now.id != before.id):
        return _stop(turn, before)
    if now is None or now.smoke_test is None or now.smoke_test.state is not _RUNNING:
        return turn
    is_wanted = is_due(now) and not _has_nobody_to_ask(turn)
    if is_wanted or turn.seen.smoke_test is None:
        return turn
    if turn.seen.smoke_test.state is None or not (now.active or _still_runs(turn)):
        return turn.with_rollout(replace(now, smoke_test=None))
    return _stop(turn, now)


def _stop(turn: Turn, rollout: model.Rollout) -> Turn:
    known = rollout.smoke_test
    if known is None or known.state is not _RUNNING:
        return turn
    return turn.act(actions.DeleteSmokeTest(name=known.job)).look_again(LOOK_SECONDS)


def _has_nobody_to_ask(turn: Turn) -> bool:
    """Its pods are gone, by an eviction, an outage of everybody or a person's wish."""
    rollout = turn.active_rollout
    return rollout is None or capacity.ready(turn, rollout.revision.hash) == 0


def _still_runs(turn: Turn) -> bool:
    return turn.seen.smoke_test is not None and turn.seen.smoke_test.state is _RUNNING


def _blocked(turn: Turn, obstacle: str) -> Turn:
    """Nothing is known of the version: it waits, and people read what to do."""
    waits = turn.rollout.waiting_for
    if waits is None or waits.message != obstacle:
        turn = turn.warn(BLOCKED, obstacle)
    return waiting.wait_for(turn, model.Waiting.SMOKE_TEST, obstacle)


def _noted(turn: Turn, state: model.SmokeTestState, *, message: str = "") -> Turn:
    known = model.SmokeTest(job=job_of(turn.rollout), state=state, message=message)
    return turn.with_rollout(replace(turn.rollout, smoke_test=known))
