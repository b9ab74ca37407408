"""Deliberate bugs of limits over several rollouts: an order that is none, places that are lost or given twice."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

QUEUE = (
    Bug(
        name="the queue goes by name",
        file="model/queue.py",
        old="        return self.started_at, self.namespace, self.name\n",
        new="        return datetime(2000, 1, 1), self.namespace, self.name\n",
        plays=by_both("queue_by_age"),
    ),
    Bug(
        name="who waits for a place has pods",
        file="rollout/policies.py",
        old="    return held(turn) is not None\n",
        new="    found = held(turn)\n"
        "    return found is not None and found[0] is not model.Waiting.CONCURRENCY_QUOTA\n",
        plays=by_both("queue_by_age"),
    ),
    Bug(
        name="a place that is free is found at the next look",
        file="controller/line.py",
        old="        for one in queue.next_ones(self.queue()):\n",
        new="        for one in ():\n",
        plays=by_both("queue_by_age"),
    ),
    Bug(
        name="whoever is paused keeps his place in the queue",
        file="rollout/admission.py",
        old="    return not (rollout.ending or has_place(rollout) or stands)\n",
        new="    return not (rollout.ending or has_place(rollout))\n",
        plays=by_both("queue_paused_in_the_queue"),
    ),
    Bug(
        name="what has begun does not count",
        file="rollout/admission.py",
        old="    return rollout.admitted_at is not None or rollout.begun\n",
        new="    return rollout.admitted_at is not None and not rollout.begun\n",
        plays=by_both("queue_by_age"),
    ),
    Bug(
        name="a rollback waits for a place",
        file="rollout/decide.py",
        old="    if rollout.ending:\n        return starting.follow_on(ending.work_rolling_back(turn))\n",
        new="    if rollout.ending and len(turn.seen.queue.running) > 1:\n"
        "        return turn\n"
        "    if rollout.ending:\n"
        "        return starting.follow_on(ending.work_rolling_back(turn))\n",
        plays=by_both("queue_goes_back"),
    ),
)
