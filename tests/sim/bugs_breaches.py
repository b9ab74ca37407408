"""Deliberate bugs of the watch by limits: what is a breach, what lasts, and who is taken out of service."""

from __future__ import annotations

from tests.sim.bug import Bug

BREACHES = (
    Bug(
        name="the watch never proves that a limit is broken",
        file="evidence/verdict/limits.py",
        old="    look = _breach(seen) if seen.is_proven else",
        new="    look = _breach(seen) if seen.is_proven and False else",
        plays=("breach_later_gatewayapi", "breach_later_replicaratio"),
    ),
    Bug(
        name="to the watch a limit that cannot be looked at is broken",
        file="controller/watch/limits.py",
        old="        return state, serving.unseen(problem or family.GONE)\n",
        new=(
            "        return state, serving.Look(outcome=model.Outcome.FAIL, reason=(problem or family.GONE).reason,"
            ' message="")\n'
        ),
        plays=("breach_unscraped_replicaratio",),
    ),
    Bug(
        name="a breach returns to the version before, whether that was asked for or not",
        file="rollout/returning.py",
        old="    breaks = asked.on_breach is model.WatchAction.ROLLBACK\n",
        new="    breaks = True\n",
        plays=("breach_later_gatewayapi", "breach_later_replicaratio"),
    ),
    Bug(
        name="a breach never returns to the version before",
        file="rollout/returning.py",
        old="    breaks = asked.on_breach is model.WatchAction.ROLLBACK\n",
        new="    breaks = False\n",
        plays=("breach_returns_gatewayapi", "breach_returns_replicaratio"),
    ),
    Bug(
        name="what never served takes the place of what did (found by the simulator)",
        file="rollout/duties.py",
        old="    last = -served.index(revision) if turn.served_before(revision) else -len(served)\n",
        new="    last = -len(served)\n",
        plays=("breach_returns_past_others_replicaratio",),
    ),
)
