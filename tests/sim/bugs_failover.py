"""Bugs of failover: stable has no ready pod, and somebody else has."""

from __future__ import annotations

from tests.sim.bug import Bug

FILE = "rollout/failover.py"
FAILOVER = (
    Bug(
        name="a candidate does not answer for a stable revision without pods",
        file=FILE,
        old="        return rollout.revision.hash if _candidate_can(turn, rollout) else",
        new='        return "" if _candidate_can(turn, rollout) else',
        plays=("stable_falls_over_gatewayapi_walking", "stable_falls_over_gatewayapi_paused"),
    ),
    Bug(
        name="with a spec that cannot be carried out nobody answers for stable",
        file="rollout/decide.py",
        old="        return ending.work_rolling_back(turn)\n    return failover.keep(turn)\n",
        new="        return ending.work_rolling_back(turn)\n    return turn\n",
        plays=("stable_falls_over_gatewayapi_invalid",),
    ),
    Bug(
        name="what served before stays warm for nobody",
        file=FILE,
        old="    return previous.revision if _previous_can(turn, previous.revision) else",
        new='    return "" if _previous_can(turn, previous.revision) else',
        plays=(
            "successor_falls_over_gatewayapi_nothing",
            "successor_falls_over_replicaratio_nothing",
        ),
    ),
    Bug(
        name="the history takes what answers for stable",
        file="rollout/duties.py",
        old="    kept |= {revision for revision in turn.seen.revisions if _serves(turn, revision)}\n",
        new="",
        more=(
            (
                "rollout/duties.py",
                "turn.desired.hash, failover.stands_in(turn), ",
                "turn.desired.hash, ",
            ),
        ),
        plays=("what_answers_loses_its_pods_gatewayapi_scaled",),
    ),
    Bug(
        name="a failover begins with the first look",
        file=FILE,
        old="BEGIN_SECONDS = 3.0",
        new="BEGIN_SECONDS = 0.0",
        plays=("stable_flaps_gatewayapi",),
        more=((FILE, "END_SECONDS = 30.0", "END_SECONDS = 0.0"),),
    ),
    Bug(
        name="a failover never ends",
        file=FILE,
        old="    if turn.now < due:\n        return _note(turn, replace(known, stable_ready_since=since)).look_at(due)\n    return _end(turn, known)\n",
        new="    return _note(turn, replace(known, stable_ready_since=since)).look_at(due)\n",
        plays=("stable_falls_over_gatewayapi_walking", "successor_falls_over_gatewayapi_nothing"),
    ),
    Bug(
        name="evidence of a failover counts for the step",
        file=FILE,
        old="    turn = _judged_anew(turn)\n",
        new="",
        plays=("stable_falls_over_gatewayapi_walking",),
    ),
    Bug(
        name="the next candidate takes traffic from what answers for stable, to nobody",
        file="rollout/reach.py",
        old="failover.taken_over(waiting.stop_waiting(turn), part)",
        new="(waiting.stop_waiting(turn), part)",
        plays=("successor_falls_over_gatewayapi_newer",),
    ),
    Bug(
        name="a rejected revision answers for stable",
        file=FILE,
        old="    return not rejected and capacity.ready(turn, rollout.revision.hash) > 0\n",
        new="    return capacity.ready(turn, rollout.revision.hash) > 0\n",
        plays=("no_help_of_a_rejected_one",),
    ),
    Bug(
        name="a step is dated while its candidate answers for stable",
        file="rollout/repair.py",
        old="    stands = turn.weight_stands and not failover.holds(turn)\n",
        new="    stands = turn.weight_stands\n",
        plays=("clock_back_while_it_answers",),
    ),
    Bug(
        name="carrying the load is taken for proof",
        file="rollout/walk.py",
        old="    if failover.holds(turn) and not _may_be_promoted(turn):\n        return turn\n",
        new="",
        plays=("carrying_proves_nothing",),
    ),
)
