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
        name="the denial of a webhook is taken for a conflict",
        file="adapters/kube_http.py",
        old='    return message.startswith("admission webhook ") and " denied the request" in message\n',
        new='    return message.startswith("admission webhook ") and not message\n',
        plays=("refused_says_so_replicaratio", "refused_says_so_existing"),
    ),
)
