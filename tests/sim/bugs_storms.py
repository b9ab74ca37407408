"""Bugs that only what storms learnt last can see: slow sources, lost answers, edits of every field."""

from __future__ import annotations

from tests.sim.bug import Bug

STORMS = (
    Bug(
        name="a pass waits for more than the API server",
        file="controller/reconciler.py",
        old="        self._stale.discard(key)\n        self._known.add(key)\n",
        new="        await self._clock.sleep(0.2)\n        self._known.add(key)\n",
        plays=(),
    ),
    Bug(
        name="a repair that is refused is a new wait at every pass",
        file="rollout/hold.py",
        old="    return turn.seen.blocked is not None and not turn.target_agrees\n",
        new="    return turn.seen.blocked is not None and not turn.rollout\n",
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
