"""Bugs of the agreement of answers: what is judged, by how many pairs, and against whom."""

from __future__ import annotations

from tests.sim.bug import Bug

COMPARING = (
    Bug(
        name="the plan forgets that answers are to agree",
        file="rollout/strategy/shadow.py",
        old="        agreement=shadow.agreement,\n",
        new="",
        plays=("shadow_disagrees_promote",),
    ),
    Bug(
        name="a few pairs prove that answers agree",
        file="evidence/verdict/agreement.py",
        old="        min_samples=asked.min_pairs,\n",
        new="        min_samples=1,\n",
        plays=("shadow_with_few_pairs",),
    ),
    Bug(
        name="pairs that differ are taken for pairs that agree",
        file="evidence/queries/pairs.py",
        old='values=("true",))',
        new='values=("false",))',
        plays=("shadow_agrees_promote", "shadow_disagrees_promote"),
    ),
    Bug(
        name="a version is held against itself",
        file="evidence/queries/pairs.py",
        old='            return "${stableRevision}"\n',
        new='            return "${revision}"\n',
        plays=("shadow_agrees_promote",),
    ),
    Bug(
        name="what people say of earlier answers counts for a shadow",
        file="evidence/queries/pairs.py",
        old="    pairs = (against, *_made_since(reference, since))\n",
        new="    pairs = (against,)\n",
        plays=("shadow_labelled_late",),
    ),
    Bug(
        name="an edit takes the comparison out of a shadow under way",
        file="controller/subjects.py",
        old="    asked = _agreement(rollout)\n",
        new="    asked = spec.shadow and spec.shadow.agreement\n",
        plays=("shadow_compare_edited",),
    ),
)
