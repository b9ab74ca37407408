"""Deliberate bugs of labels that come later: what is compared, and when."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

LABELS = (
    Bug(
        name="ripe cohorts are not tested",
        file="evidence/sequential/ledger.py",
        old="    for rule, cohort in ripe:\n",
        new="    for rule, cohort in ():\n",
        plays=by_both("concept_drift"),
    ),
    Bug(
        name="candidate and stable change their places",
        file="evidence/sequential/labels.py",
        old="        x_c=(ours.x,),\n        x_s=(others.x,),\n",
        new="        x_c=(others.x * ours.n / max(1.0, others.n),),\n"
        "        x_s=(ours.x * others.n / max(1.0, ours.n),),\n",
        plays=by_both("concept_drift"),
    ),
    Bug(
        name="the labels of one side are enough",
        file="evidence/drift/cohorts.py",
        old="    if not any(few):\n",
        new="    if not all(few):\n",
        plays=by_both("labels_one_sided"),
    ),
    Bug(
        name="what is not labelled is wrong",
        file="evidence/counts/qualities.py",
        old="    return Events(n=labelled, x=max(0.0, labelled - correct))\n",
        new="    return Events(n=labelled, x=labelled)\n",
        plays=by_both("labels_equal_version"),
    ),
    Bug(
        name="a step waits for labels that cannot come in it",
        file="evidence/verdict/engine.py",
        old="        if one.reason not in _PASSING and not one.unasked\n",
        new="        if one.reason not in _PASSING\n",
        plays=("labels_short_step_gatewayapi",),
    ),
)
