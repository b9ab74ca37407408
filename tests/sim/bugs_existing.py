"""Bugs of routes that belong to the user: what is not ours is touched, or not given back."""

from __future__ import annotations

from tests.sim.bug import Bug

EXISTING = (
    Bug(
        name="a selector moves while its Service has weight",
        file="traffic/planes/two_services.py",
        old="    chosen = entry if held.entry_weighs else stable\n",
        new="    chosen = stable\n",
        plays=("existing_promotion", "existing_failover"),
    ),
    Bug(
        name="the candidate's Service selects the next one while it has weight",
        file="traffic/planes/two_services.py",
        old="    chosen = second if held.candidate_weighs else other\n",
        new="    chosen = other\n",
        plays=("existing_superseded", "existing_rollback"),
    ),
    Bug(
        name="after a promotion the weight stays at the candidate's Service",
        file="traffic/planes/two_services.py",
        old="    if entry != stable:\n",
        new="    if second == stable:\n"
        "        return Move(entry=entry, candidate=second, percent=100.0)\n"
        "    if entry != stable:\n",
        plays=("existing_promotion",),
    ),
    Bug(
        name="a raised sum is not given back",
        file="traffic/planes/user_route.py",
        old="    return sums.get(str(pair.rule), pair.sum)\n",
        new="    return pair.sum if sums is not None else 0\n",
        plays=("small_sums",),
    ),
    Bug(
        name="a user's route without our label is never read again",
        file="controller/targets.py",
        old='        if body is None or objects.label(body, objects.LABEL_WATCH) != "true":\n',
        new="        if body is None:\n",
        plays=("synced_from_git", "route_without_us"),
    ),
    Bug(
        name="a weight is meant although the user's route is missing",
        file="rollout/links.py",
        old="        or route_unusable(turn)\n",
        new="",
        plays=("route_comes_late",),
    ),
    Bug(
        name="the user's route gets the mark of a rollback",
        file="traffic/rules.py",
        old="    return (*tests, *changed)\n",
        new='    note = {"op": "add", "path": "/metadata/annotations", "value": {"tidegate.dev/by": "us"}}\n'
        "    return (*tests, *changed, note)\n",
        plays=("existing_promotion",),
    ),
    Bug(
        name="a lost move of who answers for stable is not repeated",
        file="rollout/dataplane.py",
        old="    return wanted.exposure.is_visited or bool(failover.stands_in(turn))\n",
        new="    return wanted.exposure.is_visited\n",
        plays=("existing_failover",),
    ),
)
