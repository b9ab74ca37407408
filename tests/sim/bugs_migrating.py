"""Bugs of a Deployment and a Service that were there before."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

MIGRATING = (
    Bug(
        name="nobody is told of a change of the source",
        file="controller/dependencies.py",
        old="    yield from _owners(ref, body, known)\n    yield from known.users_of(ref)\n",
        new="    yield from _owners(ref, body, known)\n",
        plays=by_both("source_edited"),
    ),
    Bug(
        name="a candidate has the labels by which the source's pods are found",
        file="api/workload_ref.py",
        old="items() if k not in selected}",
        new="items() if k or selected}",
        plays=by_both("migration"),
    ),
    Bug(
        name="a source that is gone is a template without pods",
        file="controller/reading.py",
        old="        if isinstance(made, model.Violation):\n"
        "            return body, self._resolved(said.spec, (made, *said.violations), said, found)\n",
        new="        if isinstance(made, model.Violation):\n"
        "            return body, self._resolved(said.spec, said.violations, said, found)\n",
        plays=by_both("source_lost"),
    ),
    Bug(
        name="without its source nothing of what is asked for is known",
        file="controller/reading.py",
        old="            return body, self._resolved(said.spec, (made, *said.violations), said, found)\n",
        new="            return body, self._resolved(None, (made, *said.violations), said, found)\n",
        more=(
            (
                "controller/reading.py",
                "        if frozen is None or not newest.blocked:",
                "        if newest.blocked:\n            return newest\n        if frozen is None:",
            ),
        ),
        plays=(*by_both("harm_without_source"), *by_both("source_lost")),
    ),
    Bug(
        name="what is given while the spec is broken is not confirmed, so it is never judged",
        file="rollout/walk.py",
        old="    return reach.reach(turn)\n\n\ndef _may_be_promoted",
        new="    return turn\n\n\ndef _may_be_promoted",
        plays=by_both("harm_without_source"),
    ),
    Bug(
        name="a Service that nobody offers is taken over",
        file="model/objects.py",
        old="    return not controlled and annotation(document, ANNOTATION_ADOPT) == name\n",
        new="    return not controlled\n",
        plays=by_both("not_offered"),
    ),
)
