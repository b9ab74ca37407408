"""Bugs of make before break: requests for a backend that no proxy knows (ADR 0074)."""

from __future__ import annotations

from tests.sim.bug import Bug

_FILE = "traffic/planes/handover.py"
HANDOVER = (
    Bug(
        name="a Service has its weight with the first listing",
        file=_FILE,
        old="    if exposure.answers_users and not (listed or split.gives(candidate)):\n",
        new="    if exposure.answers_users and not exposure.answers_users:\n",
    ),
    Bug(
        name="a listing counts before it is in force",
        file=_FILE,
        old="    listed = held.in_force and candidate in split.weights\n",
        new="    listed = candidate in split.weights\n",
        plays=("listed_before_it_weighs HTTPRoute", "listed_before_it_weighs HTTPProxy"),
    ),
    Bug(
        name="a Service leaves while it has weight",
        file=_FILE,
        old="        if held.split.gives(revision) or held.pending:\n",
        new="        if held.pending and not held.split.gives(revision):\n",
        plays=("rollback", "bad_one_leaves HTTPProxy"),
    ),
    Bug(
        name="a Service leaves before its weight 0 is in force",
        file=_FILE,
        old="        if held.split.gives(revision) or held.pending:\n",
        new="        if held.split.gives(revision):\n",
        plays=("leaves_when_it_weighs_nothing HTTPRoute",),
    ),
    Bug(
        name="who was rolled back stays in the object",
        file="rollout/duties.py",
        old="    if rollout is None and listed == {turn.stable} and not traffic.holds_place:\n",
        new="    if rollout is None:\n",
        plays=("bad_one_leaves HTTPRoute", "bad_one_leaves HTTPProxy"),
    ),
    Bug(
        name="the rule of the testers opens as it comes",
        file=_FILE,
        old="    placed = bool(split.by_header) or (held.in_force and split.holds_place)\n",
        new="    placed = bool(split.weights)\n",
        plays=("testers_come_later",),
    ),
    Bug(
        name="the rule of the testers goes while they take it",
        file=_FILE,
        old="    closed = bool(target.exposure.routes or held.split.by_header)\n",
        new="    closed = bool(target.exposure.routes)\n",
        plays=("testers_first",),
    ),
    Bug(
        name="stable loses its place to who stands in for it",
        file="rollout/failover.py",
        old='        candidate="",\n        kept=turn.stable,\n',
        new='        candidate="",\n',
        plays=("stood_in_for HTTPRoute", "stood_in_for HTTPProxy"),
    ),
)
