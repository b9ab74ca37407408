"""Bugs of a smoke test: what waits for it, what its end means, and when its Job goes."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

SMOKE = (
    Bug(
        name="a preview ends without its smoke test",
        file="rollout/hold.py",
        old="    if smoke_test.is_due(turn.rollout):\n",
        new="    if turn.rollout.ending:\n",
        plays=by_both("smoke_passes", "smoke_fails"),
    ),
    Bug(
        name="a smoke test that runs counts as passed",
        file="rollout/smoke_test.py",
        old="    if seen.state is model.SmokeTestState.PASSED:\n        turn",
        new="    if seen.state is not None:\n        turn",
        plays=by_both("smoke_passes"),
    ),
    Bug(
        name="a failed smoke test is only waited for",
        file="rollout/walk.py",
        old="    if broken := smoke_test.failure(turn):\n",
        new="    if broken := '':\n",
        plays=by_both("smoke_fails", "smoke_hangs"),
    ),
    Bug(
        name="a smoke test outlives its rollout",
        file="rollout/smoke_test.py",
        old="    return turn.act(actions.DeleteSmokeTest(name=known.job)).look_again(LOOK_SECONDS)\n",
        new="    return turn.look_again(LOOK_SECONDS)\n",
        plays=by_both("smoke_aborted", "smoke_replaced"),
    ),
    Bug(
        name="a lost Job is waited for",
        file="rollout/smoke_test.py",
        old="    return turn if seen.state is _RUNNING else turn.act(",
        new="    return turn if was_made else turn.act(",
        plays=by_both("smoke_deleted"),
    ),
    Bug(
        name="whoever may make no Job is told nothing",
        file="controller/smoke_tests.py",
        old='                known.seen = model.SeenJob(obstacle=_refused("made", name, message))\n',
        new="                known.seen = model.SeenJob(message=message)\n",
        plays=by_both("smoke_without_rights"),
    ),
    Bug(
        name="a Job that failed without pods to ask is blamed on the version",
        file="rollout/smoke_test.py",
        old="not stage.smoke_test or step.confirmed_at is None:\n",
        new="not stage.smoke_test:\n",
        plays=by_both("smoke_with_lost_pods"),
    ),
)
