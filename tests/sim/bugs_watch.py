"""Deliberate bugs of the watch for what serves: what is missing, what ends it, and whom it is held against."""

from __future__ import annotations

from tests.sim.bug import Bug

WATCH = (
    Bug(
        name="the watch forgets a drift when another process leads",
        file="rollout/serving.py",
        old="    if newest.reason == Reason.WARMUP and _is_of_a_window(old) and not is_anew:\n",
        new="    if newest.reason == Reason.WARMUP:\n        return newest\n    if False:\n",
        plays=("watch_killed_replicaratio",),
    ),
    Bug(
        name="to the watch missing data are as good as a window without drift",
        file="evidence/verdict/serving.py",
        old="    return Look(outcome=Outcome.NO_DATA, reason=problem.reason, message=problem.message)\n",
        new="    return Look(outcome=Outcome.PASS, reason=problem.reason, message=problem.message)\n",
        plays=("watch_uncounted_gatewayapi", "watch_uncounted_replicaratio"),
    ),
    Bug(
        name="a new version goes on with the watch of the one before",
        file="rollout/serving.py",
        old="    if known is None or known.revision != turn.stable:\n",
        new="    if known is None:\n",
        plays=("watch_new_version_replicaratio",),
    ),
    Bug(
        name="to the watch a feature that nobody sends is sound",
        file="evidence/verdict/serving.py",
        old="    return len(beyond | unsettled) <= rule.at_most and _worst(compared.problems) is None\n",
        new="    return len(beyond) <= rule.at_most\n",
        plays=("hook_feature_gone_replicaratio",),
    ),
    Bug(
        name="the watch never proves a drift",
        file="evidence/verdict/serving.py",
        old="    if drifted:\n",
        new="    if False:\n",
        plays=("watch_other_users_gatewayapi", "watch_other_users_replicaratio"),
    ),
)
NEWS = (
    Bug(
        name="nobody is told of what happened",
        file="controller/reconciler.py",
        old="            self._notifications.tell(event, meta=meta, status=decision.status)\n",
        new="",
        plays=("news_once_gatewayapi", "news_once_replicaratio"),
    ),
    Bug(
        name="everybody is told of everything",
        file="controller/notify/news.py",
        old="        and (not provider.events or news.event in provider.events)\n",
        new="",
        plays=("news_once_gatewayapi", "news_once_replicaratio"),
    ),
    Bug(
        name="a message that failed is never tried again",
        file="controller/notify/courier.py",
        old="            if not isinstance(answer, ports.Retryable) or tried > provider.retries:\n",
        new="            if True:\n",
        plays=("news_hangs_gatewayapi", "news_hangs_replicaratio"),
    ),
)
HOOKS = (
    Bug(
        name="a process that takes over sends what was delivered",
        file="rollout/retraining.py",
        old="    if call.state is HookState.DELIVERED:\n        return turn, call\n",
        new="    if call.state is HookState.DELIVERED and False:\n        return turn, call\n",
        plays=("hook_once_gatewayapi", "hook_once_replicaratio"),
    ),
    Bug(
        name="the hook of a drift gets a new id each time",
        file="controller/watch/hooks.py",
        old='        "id": call.id,\n',
        new='        "id": f"{call.id}-{id(seen)}",\n',
        plays=("hook_once_replicaratio", "hook_killed_replicaratio"),
    ),
    Bug(
        name="the cool-down of hooks is forgotten",
        file="rollout/retraining.py",
        old="        if turn.now < free_at:\n",
        new="        if False:\n",
        plays=("hook_again_replicaratio",),
    ),
    Bug(
        name="what is fed otherwise is trained anew",
        file="rollout/retraining.py",
        old="    drifts = [one for one in watch.metrics if one.fails and one.alarm in CALLED_FOR]\n",
        new="    drifts = [one for one in watch.metrics if one.fails]\n",
        plays=("hook_fed_otherwise_replicaratio",),
    ),
    Bug(
        name="a hook that failed is never tried again",
        file="rollout/retraining.py",
        old="    if turn.now < again_at and not edited:\n",
        new="    if True:\n",
        plays=("hook_hangs_gatewayapi", "hook_hangs_replicaratio"),
    ),
)
