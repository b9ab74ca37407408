"""Deliberate bugs of the watch by labels: which cohorts count, what they are held against, and who is called."""

from __future__ import annotations

from tests.sim.bug import Bug

CONCEPT = (
    Bug(
        name="the watch never proves that what serves is wrong more often",
        file="evidence/verdict/concept.py",
        old="        if seen.is_proven\n",
        new="        if seen.is_proven and False\n",
        plays=("watch_concept_killed_replicaratio",),
    ),
    Bug(
        name="another process begins the baseline of labels anew",
        file="evidence/verdict/concept.py",
        old="    baseline = known.baseline or (recorded if alike else None)\n",
        new="    baseline = known.baseline\n",
        plays=("watch_concept_killed_replicaratio",),
    ),
    Bug(
        name="to the watch labels that have not come are wrong ones",
        file="evidence/drift/cohorts.py",
        old="    return counts.labelled > 0 and counts.labelled >= due - _BARELY\n",
        new="    return True\n",
        plays=("watch_concept_unlabelled_replicaratio",),
        more=(
            (
                "evidence/counts/qualities.py",
                "    return Events(n=labelled, x=max(0.0, labelled - correct))\n",
                "    return Events(n=labelled or 1.0, x=max(0.0, (labelled or 1.0) - correct))\n",
            ),
        ),
    ),
    Bug(
        name="to the watch labels that have not come are no reason to doubt",
        file="evidence/verdict/concept.py",
        old="    if final and states[final[-1]] is not State.RIPE:\n",
        new="    if False:\n",
        plays=("watch_concept_unlabelled_replicaratio",),
    ),
    Bug(
        name="the baseline of labels moves with what serves",
        file="evidence/verdict/concept.py",
        old="        and baseline.cohorts >= BASELINE_COHORTS\n",
        new="        and baseline.cohorts >= 10 * BASELINE_COHORTS\n",
        plays=("watch_concept_killed_replicaratio",),
    ),
    Bug(
        name="drift that labels tell asks nobody for retraining",
        file="rollout/retraining.py",
        old="CALLED_FOR = frozenset({model.Alarm.DATA, model.Alarm.CONCEPT})\n",
        new="CALLED_FOR = frozenset({model.Alarm.DATA})\n",
        plays=("watch_concept_killed_replicaratio",),
    ),
    Bug(
        name="drift that labels tell never returns to the version before",
        file="rollout/returning.py",
        old="        if one.fails and (drifts if one.is_drift else breaks and one.name in acting)\n",
        new="        if one.fails and (drifts and one.shifts if one.is_drift else breaks and one.name in acting)\n",
        plays=("watch_concept_returns_replicaratio",),
    ),
)
