"""Bugs that only what storms learnt last can see: slow sources, lost answers, edits of every field."""

from __future__ import annotations

from tests.sim.bug import Bug

_BEFORE_DECIDING = "        self._stale.discard(key)\n        self._known.add(key)\n"
_ROUNDS = "self._observer._readiness._known.values()"


def _waits(name: str, waits: str, *plays: str) -> Bug:
    """A pass that waits between its look and its decision."""
    return Bug(
        name=name,
        file="controller/reconciler.py",
        old=_BEFORE_DECIDING,
        new=f"{_BEFORE_DECIDING}        {waits}\n",
        more=(
            (
                "controller/reconciler.py",
                "from __future__ import annotations\n",
                "from __future__ import annotations\n\nimport asyncio\n",
            ),
        ),
        plays=plays,
    )


STORMS = (
    _waits("a pass waits for more than the API server", "await asyncio.sleep(0.2)"),
    _waits(
        "a pass waits for ready URLs",
        f"while any(one.asking for one in {_ROUNDS}): await asyncio.sleep(0.05)",
        "ready_slowly",
        "aborted_before_ready",
    ),
    Bug(
        name="a candidate that is away for long is rejected",
        file="rollout/lateness.py",
        old="    if fault := links.own_fault(turn, load):\n",
        new="    away = 'away for too long' if turn.rollout.withdrawn else ''\n"
        "    if fault := links.own_fault(turn, load) or away:\n",
        plays=("replaced_slowly", "evicted_for_long_gatewayapi"),
    ),
    Bug(
        name="a withdrawn candidate stays away",
        file="rollout/links.py",
        old="        or model_not_ready(turn)\n        or probe_unanswered(turn)\n",
        new="        or model_not_ready(turn)\n        or (\n"
        "            Finding(reason=model.Waiting.WITHDRAWN, message='it was withdrawn')\n"
        "            if turn.rollout.withdrawn\n            else None\n        )\n"
        "        or route_unusable(turn)\n",
        plays=("evicted_gatewayapi", "evicted_replicaratio"),
    ),
    Bug(
        name="the entry Service goes by the port of the newest spec",
        file="traffic/planes/entry.py",
        old="    if (common := common_port(selected)) is not None:\n        return common\n",
        new="    if common_port(selected) is not None:\n"
        "        return target.spec.service.target_port\n",
        plays=("other_port_rolled_back GatewayAPI", "other_port_rolled_back ReplicaRatio"),
    ),
    Bug(
        name="the first controller in a route's status speaks for all",
        file="traffic/planes/route.py",
        old="    if None in findings:\n",
        new="    if findings[0] is None:\n",
        plays=("left_behind_by_a_controller",),
    ),
    Bug(
        name="without pods what is half proven skips its steps",
        file="rollout/walk.py",
        old="    if phases.phase_of(turn.rollout) is model.Phase.PENDING and turn.spec.replicas == 0:\n",
        new="    if turn.spec.replicas == 0:\n",
        plays=("parked_half_way_gatewayapi", "parked_half_way_replicaratio"),
    ),
    Bug(
        name="a repair that is refused is a new wait at every pass",
        file="rollout/hold.py",
        old="    return bool(turn.refusal) and not turn.target_agrees\n",
        new="    return bool(turn.refusal) and not turn.rollout\n",
        plays=("refused_in_a_step",),
    ),
    Bug(
        name="what was frozen says which server spec asks for (found by the simulator)",
        file="controller/subjects.py",
        old="    stable, _ = _servers(seen, candidate=seen.desired.hash)\n"
        "    return arms.violations(seen.spec.analysis, stable=stable, candidate=seen.spec.server.preset)\n",
        new="    stable, candidate = _servers(seen, candidate=seen.desired.hash)\n"
        "    return arms.violations(seen.spec.analysis, stable=stable, candidate=candidate)\n",
        plays=("preset_there_and_back GatewayAPI",),
    ),
    Bug(
        name="an answer that has not come yet is blamed (found by the simulator)",
        file="rollout/links.py",
        old="        model_not_ready(turn) if turn.seen.ready_url_failure else None\n",
        new="        model_not_ready(turn)\n",
        plays=("asked_too_late",),
    ),
)
