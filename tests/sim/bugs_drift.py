"""Deliberate bugs of distributions: what is counted, compared, and done about it."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

DRIFT = (
    Bug(
        name="drift is never harm",
        file="evidence/verdict/distribution.py",
        old="    if known.harm is not None:\n",
        new="    if False:\n",
        plays=by_both("broken_preprocessing"),
    ),
    Bug(
        name="a breach that is to hold rolls back",
        file="evidence/verdict/engine.py",
        old="if one.reason in _HARM and not one.holds]",
        new="if one.reason in _HARM]",
        plays=by_both("drift_holds"),
    ),
    Bug(
        name="a breach that is to alert acts",
        file="model/analysis.py",
        old="        return not self.dry_run and self.on_breach is not OnBreach.ALERT\n",
        new="        return not self.dry_run\n",
        plays=by_both("drift_alerts"),
    ),
    Bug(
        name="the candidate is held against stable as it was in the first interval",
        file="evidence/drift/mixes.py",
        old="        due=plus(mix.due, due),\n",
        new="        due=mix.due or due,\n",
        plays=by_both("drifting_world"),
    ),
    Bug(
        name="bins that nobody can compare are as good as equal ones",
        file="evidence/verdict/distribution.py",
        old="    problem = _worst(known.newest.problems)\n",
        new="    problem = None\n",
        plays=by_both("drift_other_bins"),
    ),
    Bug(
        name="the profile of another version is as good as its own",
        file="evidence/drift/profiles.py",
        old="    if found.version != version:\n",
        new="    if False:\n",
        plays=by_both("training_mismatch"),
    ),
)
