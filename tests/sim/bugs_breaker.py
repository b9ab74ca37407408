"""Deliberate bugs of the circuit breaker: it does not see, does not hold, or never lets go."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

BREAKER = (
    Bug(
        name="a circuit breaker counts what was promoted",
        file="controller/rollbacks.py",
        old="    if last is None or last.result is not model.RolloutResult.ROLLED_BACK:\n",
        new="    if last is None or last.result is not model.RolloutResult.PROMOTED:\n",
        plays=by_both("breaker_holds_the_next"),
    ),
    Bug(
        name="a circuit breaker lets what has begun go on",
        file="rollout/policies.py",
        old="    for broken in _tripped(turn, _ENFORCE):\n",
        new="    for broken in () if rollout.begun else _tripped(turn, _ENFORCE):\n",
        plays=by_both("breaker_holds_what_has_begun"),
    ),
    Bug(
        name="a circuit breaker never lets go",
        file="policy/breaker.py",
        old="        (it.at for it in rollbacks if policy.id in it.policies and abs(at - it.at) < within),\n",
        new="        (it.at for it in rollbacks if policy.id in it.policies),\n",
        plays=by_both("breaker_holds_the_next"),
    ),
)
