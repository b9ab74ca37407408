"""Bugs of a synthetic inference: who is asked, when, and what an answer means."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

PROBING = (
    Bug(
        name="requests come before the answer",
        file="rollout/links.py",
        old="    if probed.pending:\n",
        new="    if False:\n",
        plays=("answers_wrong_gatewayapi_slowly", "answers_wrong_replicaratio_slowly"),
    ),
    Bug(
        name="a wrong answer is only told",
        file="rollout/links.py",
        old="    if probed.wrong:\n        return Finding(",
        new="    if False:\n        return Finding(",
        plays=(*by_both("answers_wrong", "preview_is_answered_wrong"), "shadow_answers_wrong"),
    ),
    Bug(
        name="a wrong answer is waited for without an end",
        file="rollout/links.py",
        old="    if finding is None and (wrong := wrong_answer(turn)):\n",
        new="    if finding is None and (wrong := ''):\n",
        plays=by_both("answers_wrong", "first_answers_wrong"),
    ),
    Bug(
        name="the first version is never asked",
        file="rollout/probing.py",
        old="    return spec.first_rollout is model.FirstRollout.PROBE\n",
        new="    return False\n",
        plays=by_both("first_answers_wrong", "first_is_not_reached"),
    ),
    Bug(
        name="the first version is always asked",
        file="rollout/probing.py",
        old="    return spec.first_rollout is model.FirstRollout.PROBE\n",
        new="    return spec is not None\n",
        plays=by_both("answers_well"),
    ),
    Bug(
        name="who cannot be reached has answered wrong",
        file="controller/inference.py",
        old="        return model.Probed(unreachable=unreachable[0])\n",
        new="        return model.Probed(wrong=unreachable[0])\n",
        plays=by_both("cannot_be_reached", "first_is_not_reached"),
    ),
    Bug(
        name="a first version that cannot be reached serves",
        file="rollout/links.py",
        old="    if probed.unreachable and not turn.stable:\n",
        new="    if probed.unreachable and not turn.rollout:\n",
        plays=by_both("first_is_not_reached"),
    ),
    Bug(
        name="an answer outlives its pod",
        file="controller/inference.py",
        old="    if known.said_yes not in uids:\n",
        new="    if not uids:\n",
        plays=by_both("others_before_the_switch"),
    ),
    Bug(
        name="once requests arrive nobody is asked any more",
        file="rollout/probing.py",
        old="    if rollout.ending or rollout.exposure.answers_users or",
        new="    if rollout.ending or rollout.exposure.is_visited or",
        plays=by_both("others_before_the_switch"),
    ),
    Bug(
        name="an edited sample is not asked",
        file="controller/inference.py",
        old="(known.revision, known.port, known.probe) != (revision, port, probe)",
        new="(known.revision, known.port) != (revision, port)",
        plays=by_both("sample_is_mended"),
    ),
    Bug(
        name="a pod is asked at every look",
        file="controller/inference.py",
        old="        if pods and known.begins(self._clock.monotonic(), rest_seconds=REST_SECONDS):\n",
        new="        if pods and known.begins(self._clock.monotonic(), rest_seconds=0.0):\n",
        plays=by_both("answers_wrong"),
    ),
    Bug(
        name="what served before has to answer",
        file="rollout/probing.py",
        old="    if stage.kind is model.StageKind.SWITCH and stage.control is model.Control.NONE:\n",
        new="    if stage.kind is model.StageKind.SWITCH and seen.spec is None:\n",
        plays=("returns_at_once",),
    ),
)
