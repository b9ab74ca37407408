"""Deliberate bugs of the way back that a drift takes: whom it believes, and what ends it."""

from __future__ import annotations

from tests.sim.bug import Bug

RETURNS = (
    Bug(
        name="a drift that nobody sees any more takes who serves out of service",
        file="rollout/returning.py",
        old="    return [one for one in _asking(turn, watch) if one.name in newest]\n",
        new="    return _asking(turn, watch)\n",
        plays=("return_uncounted_replicaratio",),
    ),
    Bug(
        name="spec brings back what has drifted",
        file="rollout/ending.py",
        old="    cause = turn.rollout.cause\n    if not cause:\n",
        new='    cause = turn.rollout.cause\n    if not cause or cause.startswith("Skew"):\n',
        plays=("return_forced_through_gatewayapi", "return_forced_through_replicaratio"),
    ),
    Bug(
        name="what spec asks for ends the way back",
        file="rollout/returning.py",
        old="    return desired.hash == turn.stable or over\n",
        new="    return over\n",
        plays=("return_killed_replicaratio",),
    ),
    Bug(
        name="a pause holds the way back",
        file="rollout/waiting.py",
        old="    if turn.spec.paused and not turn.rollout.cause:\n",
        new="    if turn.spec.paused:\n",
        plays=("return_other_users_gatewayapi", "return_other_users_replicaratio"),
    ),
)
