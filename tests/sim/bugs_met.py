"""Deliberate bugs where features meet: gates with testers, failover, rounding, edits and silence."""

from __future__ import annotations

from tests.sim.bug import Bug

MET = (
    Bug(
        name="a gate is asked only where the share changes",
        file="rollout/reach.py",
        old="exposure.is_visited and gate is None:\n        return _confirm",
        new="exposure.is_visited:\n        return _confirm",
        plays=("gate_between_equal_shares",),
    ),
    Bug(
        name="who stands in for stable is promoted past a gate",
        file="rollout/hold.py",
        old="    if gates.closed(turn) is not None:\n        return turn  # it has everything",
        new="    if False:\n        return turn  # it has everything",
        plays=("failover_at_a_gate_gatewayapi", "failover_at_a_gate_existing"),
    ),
    Bug(
        name="an adopted plan closes gates that were opened",
        file="rollout/adoption.py",
        old="        gates.reopened(wanted, opened=stage.gates),\n",
        new="        wanted,\n",
        plays=("adopted_at_an_open_gate_gatewayapi", "adopted_at_an_open_gate_replicaratio"),
    ),
    Bug(
        name="behind testers pods are made before the gate is open",
        file="rollout/capacity.py",
        old="    if given > 0 and gates.closed(turn) is not None:\n",
        new="    if live > 0 and gates.closed(turn) is not None:\n",
        plays=("gate_behind_testers",),
    ),
    Bug(
        name="the size of a step comes before its gate is open",
        file="rollout/capacity.py",
        old="        scaling=_scaling(turn, rollout),\n",
        new="        scaling=turn.scaling,\n",
        plays=("sized_behind_a_gate",),
    ),
    Bug(
        name="silence is not seen while people are asked",
        file="rollout/silence.py",
        old="    return rollout.judged_stage if asked and",
        new="    return None if asked and",
        plays=("silent_at_a_gate_gatewayapi", "silent_at_a_gate_replicaratio"),
    ),
)
