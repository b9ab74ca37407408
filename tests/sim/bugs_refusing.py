"""Deliberate bugs of refused writes: they keep others back, stop the clock, or are not told."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

_PASS = "controller/reconciler.py"

REFUSING = (
    Bug(
        name="the first refusal ends the pass",
        file=_PASS,
        old="            if isinstance(failure, ports.Conflict) or (\n",
        new="            if failure or (\n",
        plays=by_both("refused_keeps_users"),
    ),
    Bug(
        name="while a write is refused no other time is kept",
        file=_PASS,
        old="        wait = self._refusals.wait(key, retry=retry, next_look=next_look)\n",
        new="        next_look = max(next_look, retry) if known else next_look\n"
        "        wait = self._refusals.wait(key, retry=retry, next_look=next_look)\n",
        plays=by_both("refused_keeps_time"),
    ),
    Bug(
        name="while a write fails no other time is kept",
        file="controller/workqueue.py",
        old="        longest = max(next_look_seconds, LEAST_LOOK_SECONDS)\n",
        new="        longest = BACKOFF_CAP_SECONDS\n",
        plays=by_both("refused_keeps_time_in_an_outage"),
    ),
    Bug(
        name="a write that fails again and again is told to nobody",
        file="controller/failing.py",
        old="        if now - self._since.setdefault(key, now) < TOLD_AFTER_SECONDS:\n",
        new="        if now >= 0:\n",
        plays=(*by_both("refused_says_what_fails"), *by_both("refused_start_says_what_fails")),
    ),
    Bug(
        name="a lowering that fails is tried three times a second for ever",
        file=_PASS,
        old="        return Done(requeue_after_seconds=LASTING_RETRY_SECONDS, priority=True)\n",
        new="        return Done(requeue_after_seconds=LOWERING_RETRY_SECONDS, priority=True)\n",
        plays=by_both("refused_says_what_fails"),
    ),
    Bug(
        name="the denial of a webhook is taken for a conflict",
        file="adapters/kube_http.py",
        old='    return message.startswith("admission webhook ") and " denied the request" in message\n',
        new='    return message.startswith("admission webhook ") and not message\n',
        plays=("refused_says_so_replicaratio", "refused_says_so_existing"),
    ),
)
