"""Deliberate bugs: each a small patch of the operator that some run must catch.

A bug is named after what it breaks; `old` must occur exactly once in the file, so that a bug
cannot silently turn into no bug when the code changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.crash import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One patch below operator/tidegate; `more` are further ones as (file, old, new).

    `plays` are tried first, undisturbed and then in `modes`. `old` stands in the file `times` times.
    """

    name: str
    file: str
    old: str
    new: str
    plays: tuple[str, ...] = ("promotion", "rollback")
    modes: tuple[Mode, ...] = ()
    more: tuple[tuple[str, str, str], ...] = ()
    times: int = 1

    @property
    def patches(self) -> tuple[tuple[str, str, str, int], ...]:
        """File, old text, new text, and how often the old one stands there."""
        first = (self.file, self.old, self.new, self.times)
        return (first, *((*edit, 1) for edit in self.more))


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
        old="        written = await self._write_status(look, decision)\n",
        new="        await self._perform(actions.after_status(decision.actions), look)\n"
        "        written = await self._write_status(look, decision)\n",
    ),
    Bug(
        name="status before weight when rolling back",
        file="rollout/actions.py",
        old="if isinstance(action, SetTraffic) and action.lowering)",
        new="if isinstance(action, SetTraffic) and action.lowering and not action.marker)",
    ),
    Bug(
        name="the quarantine is forgotten",
        file="rollout/starting.py",
        old="if any(r.revision == desired.hash for r in turn.status.rejected):",
        new="if any(r.revision == desired.digest for r in turn.status.rejected):",
    ),
    Bug(
        name="the rollback mark on the target is not believed",
        file="rollout/ending.py",
        old="    return marked and (rollout.split.candidate_percent > 0 or this_attempt)\n",
        new="    return marked and rollout.split.candidate_percent > 100 and this_attempt\n",
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
        file="evidence/engine.py",
        old="        if one.reason is not Reason.NON_INFERIOR\n    ]\n",
        new="        if one.reason is Reason.TRAFFIC_SPLIT\n    ]\n    needed = -1.0\n",
        plays=("data_stay_away", "promotion"),
        more=(
            (
                "evidence/engine.py",
                "    elif base.step_intervals < config.min_intervals:",
                "    elif base.step_intervals < 0:",
            ),
        ),
    ),
    Bug(
        name="promotes without enough requests",
        file="evidence/engine.py",
        old="    if base.step_requests < needed:",
        new="    if base.step_requests < min(needed, 0.0):",
        plays=("many_requests",),
        modes=(Mode.CRASH_AFTER,),
    ),
    Bug(
        name="the finalizer is left behind",
        file="rollout/upkeep.py",
        old="    if held and not owed:",
        new="    if held and not owed and not turn.stable:",
    ),
    Bug(
        name="the finalizer is forgotten",
        file="rollout/upkeep.py",
        old="    if owed and not held and turn.stable:",
        new="    if owed and not held and not turn.stable:",
    ),
    Bug(
        name="deletion does not give traffic back",
        file="rollout/ending.py",
        old="if not traffic.exists or not turn.stable or traffic.conflict or _given_back(turn):",
        new="if finalizer:",
        plays=("deleted",),
    ),
    Bug(
        name="a step does not wait for its hold",
        file="rollout/walking.py",
        old="if advances and turn.now >= step.hold_until:",
        new="if advances:",
        plays=("long_hold",),
    ),
    Bug(
        name="a failed pass is never repeated",
        file="controller/workqueue.py",
        old="                self._schedule.add_rate_limited(key, now=now, after_seconds=after_seconds)",
        new="                assert after_seconds is None or after_seconds >= 0",
        modes=(Mode.REPLY_LOST,),
    ),
    Bug(
        name="followers act too",
        file="controller/engine.py",
        old="if self._sweeper.unsynced or not self._machine.elector.leading():",
        new="if self._sweeper.unsynced:",
        modes=(Mode.LATE,),
        more=(("controller/engine.py", "leading=parts.elector.leading,", "leading=lambda: True,"),),
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
        old="            if older(entry.resource_version, than=known.resource_version):\n"
        "                return False\n            self._unindex",
        new="            self._unindex",
    ),
    Bug(
        name="own replies do not reach the store",
        file="controller/store.py",
        old="        self.put(kind, body)\n\n    def remove",
        new="        assert kind and body\n\n    def remove",
    ),
    Bug(
        name="pods go without a drain",
        file="rollout/upkeep.py",
        old="        if turn.now < entry.scale_down_at:",
        new="        if turn.now < entry.scale_down_at and not turn.stable:",
    ),
    Bug(
        name="a superseded candidate keeps its traffic at first",
        file="rollout/ending.py",
        old="    if turn.rollout.split.candidate_percent > 0 or not only_stable_serves(turn):",
        new="    if turn.rollout.split.candidate_percent > 100:",
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
        file="rollout/walking.py",
        old="return _promote(turn) if index is None else plan.enter(turn, index)",
        new="return _promote(turn) if index is None else plan.enter(turn, len(turn.rollout.plan) - 1)",
        plays=("three_steps",),
    ),
    Bug(
        name="a weight counts before it is seen",
        file="rollout/walking.py",
        old="    if abs(share - weight) > 1e-6 or traffic.rolled_back_revision:",
        new="    if abs(share - weight) > 1000:",
    ),
    Bug(
        name="observedGeneration runs ahead",
        file="rollout/conditions.py",
        old="observed_generation=max(old.observed_generation, turn.seen.meta.generation),",
        new="observed_generation=turn.seen.meta.generation + 1,",
    ),
    Bug(
        name="a breach is ignored",
        file="rollout/walking.py",
        old="if judged.verdict is model.Verdict.ROLL_BACK and not rollout.skip_analysis:",
        new="if judged.verdict is model.Verdict.ROLL_BACK and rollout.skip_analysis:",
        plays=("rollback",),
    ),
    Bug(
        name="a candidate gets traffic before its pods are ready",
        file="rollout/readiness.py",
        old="    if state.ready >= needed and state.current and state.has_service:",
        new="    if needed >= 0:",
    ),
    Bug(
        name="stable is scaled like the candidate",
        file="rollout/upkeep.py",
        old="    kept = max(wanted.stable, _least_of_stable(turn, rollout))",
        new="    kept = 0",
    ),
    Bug(
        name="children without an owner",
        file="rollout/objects.py",
        old='        "controller": True,\n',
        new="",
    ),
    Bug(
        name="a lowering write that failed is left to chance",
        file="controller/reconciler.py",
        old="        return Done(requeue_after_seconds=LOWERING_RETRY_SECONDS, priority=True)",
        new="        return Done()",
        plays=("rollback", "aborted"),
        modes=(Mode.REFUSED,),
    ),
    Bug(
        name="roles: Deployment before Service (found by the simulator)",
        file="controller/actuator.py",
        old="            (ports.SERVICE, around.services),\n"
        "            (ports.DEPLOYMENT, around.deployments),\n        ):\n"
        "            body = bodies.get(action.revision)\n            if body is None:\n"
        "                continue\n            operations",
        new="            (ports.DEPLOYMENT, around.deployments),\n"
        "            (ports.SERVICE, around.services),\n        ):\n"
        "            body = bodies.get(action.revision)\n            if body is None:\n"
        "                continue\n            operations",
        plays=("promotion",),
        modes=(Mode.CRASH_AFTER,),
    ),
    Bug(
        name="idle pods of stable (found by the simulator)",
        file="rollout/upkeep.py",
        old="    return min(live, ALMOST_ALL_PERCENT) if turn.by_pods and not alone else live",
        new="    return live",
        plays=("promotion_by_pods",),
    ),
    Bug(
        name="a request is carried out again and again",
        file="rollout/requests.py",
        old="    return last is not None and last.requested_at == _short(request.requested_at)",
        new="    return last is not None and last.requested_at == request.revision",
        plays=("aborted", "retried"),
    ),
    Bug(
        name="a step passes on samples that are too old",
        file="evidence/model.py",
        old="STALE_SCRAPES = 3",
        new="STALE_SCRAPES = 300",
        plays=("turns_bad_unseen",),
    ),
    Bug(
        name="leadership is timed by the wall clock",
        file="controller/leader.py",
        old="self._clock.monotonic()",
        new="self._clock.now().timestamp()",
        times=5,
        modes=(Mode.CLOCK_BACK,),
    ),
    Bug(
        name="a late removal of the finalizer (found by the simulator)",
        file="controller/actuator.py",
        old='{"op": "test", "path": "/metadata/resourceVersion", "value": version},\n'
        '            {"op": "test", "path": path',
        new='{"op": "test", "path": path',
        plays=("superseded_early",),
        modes=(Mode.LATE,),
    ),
    Bug(
        name="lowering without a fence (found by the simulator)",
        file="rollout/ending.py",
        old='fence=turn.status.rollout.id if turn.status.rollout is not None else "",',
        new='fence="",',
        plays=("back_early",),
        modes=(Mode.LATE,),
    ),
    Bug(
        name="a drain that begins before the traffic leaves (found by the simulator)",
        file="rollout/upkeep.py",
        old="        if _serves(turn, entry.revision):\n"
        "            turn = turn.look_again(DRAIN_LOOK_SECONDS)\n            continue\n",
        new="",
        plays=("first_replaced_slowly", "first_replaced"),
    ),
    Bug(
        name="the verdict on the candidate before (found by the simulator)",
        file="rollout/starting.py",
        old="    turn = replace(turn, seen=fresh)\n",
        new="    assert fresh\n",
        plays=("superseded_at_breach",),
    ),
    Bug(
        name="the first apply overwrites (found by the simulator)",
        file="controller/actuator.py",
        old='            body["metadata"]["resourceVersion"] = NEVER\n',
        new="",
        plays=("first_replaced",),
        modes=(Mode.LATE,),
    ),
    Bug(
        name="an instant in the past asks for a look (found by the simulator)",
        file="rollout/turn.py",
        old="        if instant is None or instant <= self.now:\n",
        new="        if instant is None:\n",
        plays=("many_requests",),
    ),
    Bug(
        name="a pause beyond its deadline asks for looks (found by the simulator)",
        file="rollout/walking.py",
        old="    return turn.look_again(min(left + 0.1, 60.0)) if left > 0 else turn\n",
        new="    return turn.look_again(min(max(left, 0.0) + 0.1, 60.0))\n",
        plays=("paused_for_long",),
    ),
    Bug(
        name="new batches of pods are no progress (found by the simulator)",
        file="rollout/walking.py",
        old="    if known is None or state is None or state.wanted <= known.replicas:\n",
        new="    if known is None or state is None or state.wanted <= known.replicas + 99:\n",
        plays=("slow_batches",),
    ),
    Bug(
        name="steps keep weights that pods cannot give (found by the simulator)",
        file="rollout/walking.py",
        old="    turn = _skip_without_weight(plan.fit_to_pods(turn))\n",
        new="    turn = _skip_without_weight(turn)\n",
        plays=("fewer_replicas",),
    ),
    Bug(
        name="missing data and the deadline take turns (found by the simulator)",
        file="rollout/walking.py",
        old="    if waits is not None and waits.reason is model.Waiting.INCONCLUSIVE:\n        return turn\n",
        new="",
        plays=("data_stay_away",),
    ),
    Bug(
        name="a pause at 100 % ends and begins again (found by the simulator)",
        file="rollout/walking.py",
        old="    if not waiting.asked_to_pause(turn):\n        turn = waiting.stop_waiting",
        new="    if turn.seen.spec:\n        turn = waiting.stop_waiting",
        plays=("paused_at_hundred",),
    ),
    Bug(
        name="evidence begins in the future (found by the simulator)",
        file="rollout/clockjump.py",
        old="        evidence_since=None if since is None or since > now else since,\n",
        new="        evidence_since=rollout.evidence_since,\n",
        plays=("clock_back",),
    ),
    Bug(
        name="the mark of this attempt is taken for an old one (found by the simulator)",
        file="rollout/ending.py",
        old="    this_attempt = traffic.lowered_rollout == rollout.id\n",
        new="    this_attempt = traffic.lowered_rollout == rollout.id + marked * '!'\n",
        plays=("abort_forgotten",),
        modes=(Mode.CRASH_AFTER,),
    ),
    Bug(
        name="what is lost before sync stays lost (found by the simulator)",
        file="controller/sweep.py",
        old="        await self._read_late(late)\n",
        new="        assert len(late) >= 0\n",
        plays=("lost_at_start",),
    ),
    Bug(
        name="a late renewal brings leadership back (found by the simulator)",
        file="controller/leader.py",
        old="            self._give_up_if_lost()\n            await self._step()\n"
        "            self._give_up_if_lost()\n",
        new="            await self._step()\n",
        plays=("frozen_at_acquisition",),
        more=(
            (
                "controller/leader.py",
                "                self._give_up_if_lost()\n                self._election.written",
                "                self._election.written",
            ),
        ),
    ),
    Bug(
        name="what the entry Service selects is retired (found by the simulator)",
        file="rollout/upkeep.py",
        old="    return revision == traffic.entry_revision or traffic.weights.get(revision, 0.0) > 0\n",
        new="    return traffic.weights.get(revision, 0.0) > 0\n",
        plays=("first_replaced",),
        modes=(Mode.REFUSED,),
    ),
    Bug(
        name="the drain is skipped",
        file="rollout/ending.py",
        old="    entry = model.Retiring(revision=revision, scale_down_at=turn.after(delay_seconds))\n",
        new="    entry = model.Retiring(revision=revision, scale_down_at=turn.after(delay_seconds * 0))\n",
    ),
    Bug(
        name="an attempt without a record is named again (found by the simulator)",
        file="rollout/record.py",
        old="    for status in (turn.seen.status, turn.status):\n",
        new="    for status in (turn.status,):\n",
        plays=("there_and_back",),
        modes=(Mode.CRASH_AFTER,),
    ),
    Bug(
        name="what a live read does not find stays known (found by the simulator)",
        file="controller/live.py",
        old="        elif known is not None:\n            store.remove(kind, known)\n",
        new="",
        plays=("gone_unseen",),
    ),
    Bug(
        name="a split is repaired in the pass that rolls back (found by the simulator)",
        file="rollout/walking.py",
        old="    turn = _judge_hold(turn)\n",
        new="    turn = _judge_hold(turn if _target_agrees(turn) else _write_split(turn))\n",
        plays=("deadline_without_route",),
    ),
    Bug(
        name="a renewal after the deadline keeps leadership (found by the simulator)",
        file="controller/leader.py",
        old="                self._give_up_if_lost()\n                self._election.written",
        new="                self._election.written",
        plays=("renewed_too_late",),
    ),
    Bug(
        name="a spec that names an unknown source cannot be read (found by the simulator)",
        file="api/convert.py",
        old="    return result if readable else None, found\n",
        new="    return result if readable and not found else None, found\n",
        plays=("deleted_while_invalid",),
    ),
    Bug(
        name="late pods go from a revision that is tried again (found by the simulator)",
        file="controller/actuator.py",
        old="        if role := objects.label(around",
        new="        if 0 and objects.label(around",
        plays=("retried_late",),
    ),
    Bug(
        name="a late deletion meets a revision that is tried again",
        file="controller/actuator.py",
        old='version=metadata["resourceVersion"],\n',
        new='version="",\n',
        plays=("back_as_it_goes",),
    ),
    Bug(
        name="a first revision waits for one that still serves (found by the simulator)",
        file="rollout/readiness.py",
        old="    if not turn.by_pods or not turn.stable:\n",
        new="    if not turn.by_pods:\n",
        plays=("first_replaced_by_pods",),
    ),
    Bug(
        name="a new leader believes its own watch (found by the simulator)",
        file="controller/reconciler.py",
        old="        return key not in self._known and self._store.is_unfinished(key)\n",
        new="        return bool(key) and False\n",
        plays=("taken_over_blindly",),
    ),
    Bug(
        name="a marked rollout that is replaced is forgotten (found by the simulator)",
        file="rollout/starting.py",
        old="    if ending.marked_as_rolled_back(turn):\n",
        new="    if not turn.stable:\n",
        plays=("replaced_after_mark",),
    ),
)
