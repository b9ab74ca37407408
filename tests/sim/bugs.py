"""All deliberate bugs: those that were thought of, then those that the simulator found."""

from __future__ import annotations

from tests.sim.bug import Bug
from tests.sim.bugs_approving import APPROVING
from tests.sim.bugs_autoscaling import AUTOSCALING
from tests.sim.bugs_bake import BAKE
from tests.sim.bugs_blue_green import BLUE_GREEN
from tests.sim.bugs_breaches import BREACHES
from tests.sim.bugs_breaker import BREAKER
from tests.sim.bugs_comparing import COMPARING
from tests.sim.bugs_concept import CONCEPT
from tests.sim.bugs_config_maps import CONFIG_MAPS
from tests.sim.bugs_contour import CONTOUR
from tests.sim.bugs_copies import COPIES
from tests.sim.bugs_drift import DRIFT
from tests.sim.bugs_existing import EXISTING
from tests.sim.bugs_failover import FAILOVER
from tests.sim.bugs_found import FOUND
from tests.sim.bugs_handover import HANDOVER
from tests.sim.bugs_isolating import ISOLATING
from tests.sim.bugs_istio import ISTIO
from tests.sim.bugs_labels import LABELS
from tests.sim.bugs_met import MET
from tests.sim.bugs_migrating import MIGRATING
from tests.sim.bugs_nginx import NGINX
from tests.sim.bugs_pinned import PINNED
from tests.sim.bugs_policies import POLICIES
from tests.sim.bugs_policy_gates import POLICY_GATES
from tests.sim.bugs_pools import POOLS
from tests.sim.bugs_probing import PROBING
from tests.sim.bugs_queue import QUEUE
from tests.sim.bugs_recording import RECORDING
from tests.sim.bugs_refusing import REFUSING
from tests.sim.bugs_restoring import RESTORING
from tests.sim.bugs_returning import RETURNS
from tests.sim.bugs_revisions import REVISIONS
from tests.sim.bugs_shadow import SHADOW
from tests.sim.bugs_silence import SILENCE
from tests.sim.bugs_smoke import SMOKE
from tests.sim.bugs_stalling import STALLING
from tests.sim.bugs_steering import STEERING
from tests.sim.bugs_storms import STORMS
from tests.sim.bugs_testers import TESTERS
from tests.sim.bugs_traefik import TRAEFIK
from tests.sim.bugs_traffic import TRAFFIC
from tests.sim.bugs_undelivered import UNDELIVERED
from tests.sim.bugs_watch import HOOKS, NEWS, WATCH
from tests.sim.bugs_ways_back import WAYS_BACK
from tests.sim.bugs_withdrawn import WITHDRAWN
from tests.sim.bugs_writing import WRITING
from tests.sim.crash import Mode

BUGS = (
    Bug(
        name="status is written without the version it was decided on",
        file="adapters/kube.py",
        old='query=(self._field_manager, ("force", "true")),\n                body=body,',
        new='query=(self._field_manager, ("force", "true")),\n                '
        'body={**body, "metadata": {"name": body["metadata"]["name"]}},',
        modes=(Mode.LATE,),
    ),
    Bug(
        name="the route is written without the version it was seen at",
        file="controller/actuator.py",
        old='body["metadata"]["resourceVersion"] = seen["metadata"]["resourceVersion"]',
        new='del body["metadata"]["resourceVersion"]',
        plays=("superseded", "aborted"),
        modes=(Mode.LATE,),
    ),
    Bug(
        name="weight before status",
        file="controller/reconciler.py",
        old="        refused = await self._write_status(key, look, decision)\n        if refused is not None:\n",
        new="        await self._perform_all(key, actions.after_status(decision.actions), look)\n"
        "        refused = await self._write_status(key, look, decision)\n        if refused is not None:\n",
    ),
    Bug(
        name="an intent waits for the next write, as words do",
        file="controller/status_writer.py",
        old="Worth.NOW if needed else found,",
        new="Worth.WORDS if needed or found is Worth.NOW else found,",
    ),
    Bug(
        name="status before weight when rolling back",
        file="model/actions.py",
        old="if isinstance(action, SetTraffic) and action.lowering)",
        new="if isinstance(action, SetTraffic) and action.lowering and not action.marker)",
    ),
    Bug(
        name="the quarantine is forgotten",
        file="rollout/starting.py",
        old="    if turn.status.rejects(desired.hash) or ",
        new="    if turn.status.rejects(desired.digest) or ",
    ),
    Bug(
        name="the rollback mark on the target is not believed",
        file="rollout/ending.py",
        old="    return marked and (rollout.exposure.is_visited or this_attempt)\n",
        new="    return marked and rollout.exposure.live_percent > 100 and this_attempt\n",
        plays=("abort_forgotten", "rollback"),
        modes=(Mode.CRASH_AFTER,),
    ),
    Bug(
        name="the epoch is not written",
        file="rollout/conditions.py",
        old="return replace(status, epoch=turn.seen.epoch)",
        new="return replace(status, epoch=old.epoch)",
    ),
    Bug(
        name="promotes on NoData",
        file="evidence/verdict/engine.py",
        old="        if one.reason not in _PASSING and not one.unasked\n    ]\n",
        new="        if one.reason is Reason.TRAFFIC_SPLIT\n    ]\n    needed = -1.0\n",
        plays=("data_stay_away", "promotion"),
        more=(
            (
                "evidence/verdict/engine.py",
                "    elif base.step_intervals < config.min_intervals:",
                "    elif base.step_intervals < 0:",
            ),
        ),
    ),
    Bug(
        name="promotes without enough requests",
        file="evidence/verdict/engine.py",
        old="    elif base.step_requests < needed:",
        new="    elif base.step_requests < min(needed, 0.0):",
        plays=("many_requests",),
        modes=(Mode.CRASH_AFTER,),
    ),
    Bug(
        name="the finalizer is left behind",
        file="rollout/duties.py",
        old="    if held and not owed and not ends:",
        new="    if held and not owed and not ends and not turn.stable:",
    ),
    Bug(
        name="the finalizer is forgotten",
        file="rollout/duties.py",
        old="    if owed and not held and turn.stable:",
        new="    if owed and not held and not turn.stable:",
    ),
    Bug(
        name="deletion does not give traffic back",
        file="rollout/ending.py",
        old="    if not owed or not capacity.stable_can_take(turn):\n",
        new="    if finalizer:\n",
        plays=("deleted",),
    ),
    Bug(
        name="a step does not wait for its hold",
        file="rollout/hold.py",
        old="if passes and turn.now >= step.hold_until:",
        new="if passes:",
        plays=("long_hold",),
    ),
    Bug(
        name="a failed pass is never repeated",
        file="controller/workqueue.py",
        old="                self._schedule.add_rate_limited(\n                    key, now=now, "
        "after_seconds=after_seconds, next_look_seconds=next_look_seconds\n                )",
        new="                assert after_seconds is None or after_seconds >= 0\n"
        "                assert next_look_seconds is not None",
        modes=(Mode.REPLY_LOST,),
    ),
    Bug(
        name="followers act too",
        file="controller/engine.py",
        old="if self._sweeper.unsynced or not self._machine.elector.leading():",
        new="if self._sweeper.unsynced:",
        modes=(Mode.LATE,),
        more=(
            (
                "controller/engine.py",
                "        recorder=parts.recorder,\n        leading=parts.elector.leading,",
                "        recorder=parts.recorder,\n        leading=lambda: True,",
            ),
        ),
    ),
    Bug(
        name="a leader leads for ever",
        file="controller/leader.py",
        old="        return now - self._renewed_at < self._settings.renew_deadline_seconds",
        new="        return now >= self._renewed_at",
        modes=(Mode.LATE,),
    ),
    Bug(
        name="acts before the store is complete",
        file="controller/engine.py",
        old="if self._sweeper.unsynced or not self._machine.elector.leading():",
        new="if not self._machine.elector.leading():",
        modes=(Mode.SLOW_LIST,),
    ),
    Bug(
        name="an older event replaces a newer state",
        file="controller/store.py",
        old=" or (known is not None and _is_known(body, known)):",
        new=":",
    ),
    Bug(
        name="own replies do not reach the store",
        file="controller/store.py",
        old="        if self.put(kind, body):\n            for key in sorted(",
        new="        if not kind.kind:\n            for key in sorted(",
    ),
    Bug(
        name="pods go without a drain",
        file="rollout/duties.py",
        old="        if timed.scale_down_at is None or turn.now < timed.scale_down_at:",
        new="        if timed.scale_down_at is None:",
    ),
    Bug(
        name="a superseded candidate keeps its traffic at first",
        file="rollout/ending.py",
        old="    if turn.stable and not _has_left(turn):",
        new="    if turn.stable and turn.rollout.exposure.live_percent > 100:",
        plays=("superseded",),
    ),
    Bug(
        name="weights do not sum to 100",
        file="traffic/splits.py",
        old="return PlaneWeights(stable=whole - candidate, candidate=candidate)",
        new="return PlaneWeights(stable=whole, candidate=candidate)",
    ),
    Bug(
        name="a step is skipped",
        file="rollout/reach.py",
        old="return ending.complete(turn) if index is None else plan.enter(turn, index)",
        new=(
            "return ending.complete(turn) if index is None"
            " else plan.enter(turn, len(turn.rollout.plan) - 1)"
        ),
        plays=("three_steps",),
    ),
    Bug(
        name="a weight counts before it is seen",
        file="rollout/reach.py",
        old="    if not turn.target_agrees or traffic.rolled_back_revision:",
        new="    if turn.stalled_seconds < 0:",
    ),
    Bug(
        name="observedGeneration runs ahead",
        file="rollout/conditions.py",
        old="observed_generation=max(old.observed_generation, turn.seen.meta.generation),",
        new="observed_generation=turn.seen.meta.generation + 1,",
    ),
    Bug(
        name="a breach is ignored",
        file="rollout/walk.py",
        old="    harm = delivery.harm(turn) if _is_judged(rollout) else None\n",
        new="    harm = None if _is_judged(rollout) else delivery.harm(turn)\n",
        plays=("rollback",),
    ),
    Bug(
        name="a candidate gets traffic before its pods are ready",
        file="rollout/links.py",
        old="    if state is not None and state.ready >= needed and state.current and state.has_service:",
        new="    if needed >= 0:",
    ),
    Bug(
        name="stable is scaled like the candidate",
        file="rollout/capacity.py",
        old="    stable = _as_way_back(turn, max(found.stable, _least_of_stable(turn, rollout)))",
        new="    stable = 0",
    ),
    Bug(
        name="children without an owner",
        file="model/objects.py",
        old='        "controller": True,\n',
        new="",
    ),
    Bug(
        name="a lowering write that failed is left to chance",
        file="controller/reconciler.py",
        old="            return Done(requeue_after_seconds=LOWERING_RETRY_SECONDS, priority=True)\n",
        new="            return Done()\n",
        plays=("rollback", "aborted"),
        modes=(Mode.REFUSED,),
    ),
    *FOUND,
    *TRAFFIC,
    *EXISTING,
    *TESTERS,
    *FAILOVER,
    *RESTORING,
    *REVISIONS,
    *PROBING,
    *SMOKE,
    *WITHDRAWN,
    *HANDOVER,
    *ISOLATING,
    *STALLING,
    *STEERING,
    *STORMS,
    *AUTOSCALING,
    *MIGRATING,
    *BAKE,
    *BREAKER,
    *PINNED,
    *POLICY_GATES,
    *QUEUE,
    *REFUSING,
    *RECORDING,
    *SILENCE,
    *BLUE_GREEN,
    *CONFIG_MAPS,
    *MET,
    *COPIES,
    *POLICIES,
    *APPROVING,
    *POOLS,
    *SHADOW,
    *COMPARING,
    *CONCEPT,
    *CONTOUR,
    *ISTIO,
    *TRAEFIK,
    *NGINX,
    *DRIFT,
    *WATCH,
    *WAYS_BACK,
    *WRITING,
    *LABELS,
    *HOOKS,
    *NEWS,
    *BREACHES,
    *RETURNS,
    *UNDELIVERED,
)
