"""Bugs against "withdraw is not reject" and "capacity before traffic" (house.md, H6)."""

from __future__ import annotations

from tests.sim.bug import Bug

WITHDRAWN = (
    Bug(
        name="two writers of the replicas take turns",
        file="rollout/duties.py",
        old="    if state.sized_by_others and state.wanted != replicas:\n",
        new="    if state.sized_by_others and state.wanted == replicas:\n",
        plays=("autoscaled_gatewayapi", "autoscaled_replicaratio"),
    ),
    Bug(
        name="pods that somebody else took are waited for on the way back",
        file="rollout/capacity.py",
        old="    never_come = turn.spec.replicas - full_size(turn)\n",
        new="    never_come = 0\n",
        plays=("aborted_while_autoscaled_gatewayapi",),
    ),
    Bug(
        name="a size that is not its own is blamed on the candidate",
        file="rollout/links.py",
        old="    if (others := capacity.sized_by_others(turn)) and _has_all_it_gets(turn, state):\n",
        new="    if (others := ()) and _has_all_it_gets(turn, state):\n",
        plays=("shrunk_candidate_gatewayapi",),
    ),
    Bug(
        name="an eviction is blamed on the candidate",
        file="rollout/walk.py",
        old="    return ending.withdraw(turn, lost) if lost else turn\n",
        new="    return ending.roll_back(turn, reason=lost, by=ending.HARM) if lost else turn\n",
        plays=("evicted_gatewayapi", "evicted_replicaratio"),
    ),
    Bug(
        name="a trouble of both versions is blamed on one",
        file="rollout/links.py",
        old="    return stable is not None and stable.wanted > 0 and (stable.ready == 0 or",
        new="    return stable is not None and stable.wanted < 0 and (stable.ready == 0 or",
        plays=("nobody_starts_gatewayapi",),
    ),
    Bug(
        name="pods that the cluster replaces are blamed on the candidate",
        file="rollout/links.py",
        old='    return "" if state.lost or replaced or not state.current else finding.message\n',
        new='    return "" if not state.current else finding.message\n',
        plays=("replaced_slowly",),
    ),
    Bug(
        name="missing capacity is blamed on the candidate",
        file="rollout/links.py",
        old='    if owed := "" if state.failure else _owed_capacity(turn, state):\n',
        new='    if owed := "" if state else _owed_capacity(turn, state):\n',
        plays=("no_room_gatewayapi", "no_room_replicaratio"),
    ),
    Bug(
        name="what the cluster owes runs down the deadline of pods",
        file="rollout/waiting.py",
        old="    begins = old is not None and old.reason in others and reason not in others\n",
        new="    begins = old is not None and old.reason in others and reason in ()\n",
        plays=("no_room_gatewayapi",),
    ),
    Bug(
        name="a refused write is blamed on the candidate",
        file="rollout/lateness.py",
        old="    if fault := links.own_fault(turn, weight):\n",
        new='    if fault := links.own_fault(turn, weight) or "no progress":\n',
        plays=("somebodys_timeout",),
    ),
    Bug(
        name="pods that fail by themselves are never blamed",
        file="rollout/lateness.py",
        old="    if fault := links.own_fault(turn, weight):\n",
        new='    if fault := links.own_fault(turn, weight) and "":\n',
        plays=("hangs", "first_stuck"),
    ),
    Bug(
        name="traffic is given back to nobody",
        file="rollout/capacity.py",
        old="    if ready(turn, turn.stable) > 0:\n",
        new="    if turn.stable:\n",
        plays=("harm_while_stable_is_empty",),
    ),
    Bug(
        name="the way back is one leap",
        file="rollout/ending.py",
        old="    share = 0.0 if _at_once(turn.rollout) else capacity.kept_share(turn)\n",
        new="    share = 0.0\n",
        plays=("back_under_a_small_surge_gatewayapi_newer",),
    ),
    Bug(
        name="old pods go by the clock alone",
        file="rollout/duties.py",
        old="    if not confirmed or (served and capacity.stable_is_short(turn)):\n",
        new="    if not confirmed or (served and not turn.stable):\n",
        plays=("the_successor_falls_over_gatewayapi",),
    ),
    Bug(
        name="pods go after a write that nobody confirmed",
        file="rollout/ending.py",
        old="    if lowered and (traffic.accepted or not traffic.exists or not turn.stable):\n",
        new="    if lowered:\n",
        plays=("the_gateway_is_slow_back",),
        more=(
            (
                "rollout/duties.py",
                "    confirmed = traffic.accepted or not traffic.exists\n",
                "    confirmed = traffic.accepted or bool(turn.stable)\n",
            ),
        ),
    ),
    Bug(
        name="the surge is no limit",
        file="traffic/gateway_api.py",
        old="            room = max(ceiling - request.stable.wanted - request.candidate.wanted, 0)\n",
        new="            room = needed\n",
        plays=("one_spare_pod",),
    ),
    Bug(
        name="stable shrinks for a weight that is not in force",
        file="rollout/capacity.py",
        old="    if turn.by_pods or turn.seen.traffic.accepted:\n",
        new="    if turn.by_pods or turn.seen.traffic.exists:\n",
        plays=("shrinks_late",),
    ),
    Bug(
        name="steps without pods wait for proof",
        file="rollout/walk.py",
        old="    if phases.phase_of(turn.rollout) is model.Phase.PENDING and turn.spec.replicas == 0:\n",
        new="    if phases.phase_of(turn.rollout) is model.Phase.PENDING and turn.spec.replicas < 0:\n",
        plays=("parked_gatewayapi",),
    ),
    Bug(
        name="what served a moment ago takes every step again",
        file="rollout/ending.py",
        old="    return revision != turn.stable and revision in turn.status.served[: window + 1]\n",
        new="    return revision != turn.stable and revision in turn.status.served[:window][:0]\n",
        plays=("returns_at_once_gatewayapi",),
    ),
    Bug(
        name="a label that was removed stays away",
        file="rollout/duties.py",
        old="        if state.role is not role or not state.watched:\n",
        new="        if state.role is not role:\n",
        plays=("label_removed_candidate",),
    ),
)
