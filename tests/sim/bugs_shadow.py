"""Bugs of a shadow: who gets copies, when, how many of them, and what its verdict leads to."""

from __future__ import annotations

from tests.sim.bug import Bug

SHADOW = (
    Bug(
        name="every request is copied, whatever was asked for",
        file="traffic/planes/mirror.py",
        old="    if percent < _ALL:\n",
        new="    if percent > _ALL:\n",
        plays=("shadow_then_promote",),
    ),
    Bug(
        name="copies come before the pods that answer them",
        file="rollout/reach.py",
        old="    finding = links.missing_link(turn, load)\n",
        new="    finding = links.missing_link(turn, part)\n",
        plays=("shadow_by_fractions",),
    ),
    Bug(
        name="a mirror that is not in force counts as confirmed",
        file="rollout/turn.py",
        old=" and gives and abs(copied - exposure.mirror_percent) < 1e-6\n",
        new=" and gives and copied >= 0\n",
        plays=("shadow_meddled_with",),
    ),
    Bug(
        name="nothing holds the object back while copies are made",
        file="rollout/duties.py",
        old="    intended = rollout is not None and rollout.exposure.owes_an_end\n",
        new="    intended = rollout is not None and rollout.exposure.answers_users\n",
        plays=("shadow_then_promote",),
    ),
    Bug(
        name="a shadow stands in for a stable that has no pods",
        file="rollout/failover.py",
        old="    if rollout is not None and rollout.exposure.live_percent > 0:\n",
        new="    if rollout is not None and rollout.exposure.is_visited:\n",
        plays=("shadow_while_stable_is_empty",),
    ),
    Bug(
        name="what copies have shown counts for users, too",
        file="rollout/plan.py",
        old="    return ended or (shadowed and after.kind is not model.StageKind.SHADOW)\n",
        new="    return ended and shadowed and after.kind is model.StageKind.BAKE\n",
        plays=("shadow_then_canary",),
    ),
    Bug(
        name="a held shadow goes on by itself",
        file="rollout/hold.py",
        old="        return _await_request(turn) if stage.awaits_request else reach.pass_and_go_on(turn)\n",
        new="        return reach.pass_and_go_on(turn)\n",
        plays=("shadow_waits_for_a_person_abort",),
    ),
    Bug(
        name="missing data end the wait for a person",
        file="rollout/hold.py",
        old="_PEOPLE_DECIDE = waiting.UNPROVEN | {model.Waiting.MANUAL_STEP}\n",
        new="_PEOPLE_DECIDE = waiting.UNPROVEN\n",
        plays=("shadow_waits_for_a_person_promote",),
    ),
    Bug(
        name="a stopped shadow is promoted",
        file="rollout/ending.py",
        old="    if not turn.rollout.switched:\n",
        new="    if not turn.rollout.plan:\n",
        plays=("shadow_stops",),
    ),
    Bug(
        name="a stopped shadow is rejected",
        file="rollout/completion.py",
        old="BLAMELESS = frozenset({SPEC, STRATEGY})",
        new="BLAMELESS = frozenset({SPEC})",
        plays=("shadow_stops",),
    ),
    Bug(
        name="a stopped shadow begins again and again",
        file="rollout/starting.py",
        old=" or completion.is_completed(turn):\n",
        new=":\n",
        plays=("shadow_stops",),
    ),
    Bug(
        name="the class of a Gateway is not asked",
        file="traffic/features.py",
        old="        if percent <= 0 or needed in features:\n",
        new="        if percent <= 0 or features:\n",
        plays=("no_mirror_by_class",),
    ),
    Bug(
        name="copies are made although nobody called the server safe",
        file="api/mirror_checks.py",
        old='    if declared != "true":\n',
        new='    if declared == "false":\n',
        plays=("unsafe_shadow",),
    ),
    Bug(
        name="a warm-up is waited for like a proof",
        file="rollout/strategy/shadow.py",
        old="        control=model.Control.NONE,\n",
        new="        control=model.Control.CONCURRENT,\n        min_requests=10**9,\n",
        plays=("warmed_up",),
    ),
)
