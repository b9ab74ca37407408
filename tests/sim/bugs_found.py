"""Bugs that the simulator found in the operator, put back one by one."""

from __future__ import annotations

from tests.sim.bug import Bug
from tests.sim.crash import Mode

FOUND = (
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
        file="rollout/capacity.py",
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
        file="evidence/terms.py",
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
        old="fence=fence or known,",
        new='fence="",',
        plays=("back_early",),
        modes=(Mode.LATE,),
    ),
    Bug(
        name="a late note takes back what was noted since (found by the simulator)",
        file="controller/actuator.py",
        old='return [{"op": "add", "path": path, "value": value}]',
        new='whole = {**metadata["annotations"], name: value}\n'
        '        return [{"op": "add", "path": ANNOTATIONS_PATH, "value": whole}]',
        plays=("back_early",),
        modes=(Mode.LATE,),
    ),
    Bug(
        name="a drain that begins before the traffic leaves (found by the simulator)",
        file="rollout/duties.py",
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
        file="rollout/reach.py",
        old="    return turn.look_again(min(left + 0.1, 60.0)) if left > 0 else turn\n",
        new="    return turn.look_again(min(max(left, 0.0) + 0.1, 60.0))\n",
        plays=("paused_for_long",),
    ),
    Bug(
        name="new batches of pods are no progress (found by the simulator)",
        file="rollout/walk.py",
        old="    if known is None or state is None or state.wanted <= known.replicas:\n",
        new="    if known is None or state is None or state.wanted <= known.replicas + 99:\n",
        plays=("slow_batches",),
    ),
    Bug(
        name="steps keep weights that pods cannot give (found by the simulator)",
        file="rollout/walk.py",
        old="    turn = _skip_without_weight(plan.fit_to_pods(turn))\n",
        new="    turn = _skip_without_weight(turn)\n",
        plays=("fewer_replicas",),
    ),
    Bug(
        name="missing data and the deadline take turns (found by the simulator)",
        file="rollout/hold.py",
        old="    if waits is not None and waits.reason is model.Waiting.INCONCLUSIVE:\n        return turn\n",
        new="",
        plays=("data_stay_away",),
    ),
    Bug(
        name="a pause at 100 % ends and begins again (found by the simulator)",
        file="rollout/reach.py",
        old="    if not waiting.asked_to_pause(turn):\n        turn = waiting.stop_waiting",
        new="    if turn.seen.spec:\n        turn = waiting.stop_waiting",
        plays=("paused_at_hundred",),
    ),
    Bug(
        name="evidence begins in the future (found by the simulator)",
        file="rollout/repair.py",
        old="        evidence_since=None if since is None or since > now else since,\n",
        new="        evidence_since=rollout.evidence_since,\n",
        plays=("clock_back",),
    ),
    Bug(
        name="a step is dated anew at a weight that is lost (found by the simulator)",
        file="rollout/repair.py",
        old="stands = turn.weight_stands and not failover.holds(turn)",
        new="stands = not failover.holds(turn)",
        plays=("bounced_by_wrong_clock",),
    ),
    Bug(
        name="a step whose date was lost gets none under the right clock (found by the simulator)",
        file="rollout/repair.py",
        old="if rollout.ending or _is_dated(turn.rollout):",
        new="if rollout.ending or _is_dated(turn.rollout) or rollout.step.confirmed_at <= turn.now:",
        plays=("dated_by_nobody",),
    ),
    Bug(
        name="an action of several writes outlives leadership (found by the simulator)",
        file="controller/actuator.py",
        old='already ours counts as created."""\n        if not self._leading():\n',
        new='already ours counts as created."""\n        if not around.meta.namespace:\n',
        plays=("deposed_within_an_action",),
    ),
    Bug(
        name="intervals of the future stay closed (found by the simulator)",
        file="controller/analysis/judge.py",
        old="        if case.looked_at is not None and at < case.looked_at:\n",
        new="        if case.looked_at is not None and at < case.looked_at - 1e9:\n",
        plays=("clock_ahead",),
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
        file="rollout/duties.py",
        old="    return revision == traffic.entry_revision or revision in traffic.answering\n",
        new="    return revision in traffic.answering\n",
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
        file="rollout/hold.py",
        old="    turn = _judge_hold(turn)\n",
        new="    turn = _judge_hold(turn if turn.target_agrees else reach.write_exposure(turn))\n",
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
        old="    return result, name + found + more\n",
        new="    return None if more else result, name + found + more\n",
        plays=("deleted_while_invalid",),
        more=(
            (
                "controller/reading.py",
                "        if frozen is None or not newest.blocked:",
                "        if frozen is None or newest.blocked:",
            ),
        ),
    ),
    Bug(
        name="late pods go from a revision that is tried again (found by the simulator)",
        file="controller/actuator.py",
        old="        if role := objects.label(deployment",
        new="        if 0 and objects.label(deployment",
        plays=("retried_late",),
    ),
    Bug(
        name="a late deletion meets a revision that is tried again",
        file="controller/actuator.py",
        old="self._delete(kind, metadata, around, version=version)",
        new="self._delete(kind, metadata, around)",
        plays=("back_as_it_goes",),
    ),
    Bug(
        name="a first revision waits for one that still serves (found by the simulator)",
        file="rollout/links.py",
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
    Bug(
        name="a created route gives the candidate a share (found by the simulator)",
        file="controller/actuator.py",
        old="    if all(around.targets.get(one.reference) for one in documents if one.carries_weights):\n",
        new="    if documents:\n",
        plays=("deadline_without_route",),
    ),
    Bug(
        name="a pass waits for the look that is under way",
        file="controller/observer.py",
        old="        seen = replace(seen, traffic=targets.traffic_of(seen, planes))\n",
        new="        seen = replace(seen, traffic=targets.traffic_of(seen, planes))\n"
        "        while getattr(self._beside._analyst._entries.get(seen.meta.uid), 'looking', False):\n"
        "            await self._clock.sleep(0.1)\n",
        plays=("aborted_while_prometheus_hangs", "crashes_while_prometheus_hangs_by_pods"),
    ),
    Bug(
        name="a judgement never grows old",
        file="controller/analysis/judge.py",
        old="STALE_INTERVALS = 3 ",
        new="STALE_INTERVALS = 1e9 ",
        plays=("hangs_for_long",),
    ),
    Bug(
        name="a pod that said yes is asked again",
        file="controller/readiness.py",
        old="                    known.said_yes.add(pod.uid)\n",
        new="                    known.said_yes = {pod.uid}\n",
        plays=("ready_slowly", "ready_slowly_by_pods"),
    ),
)
