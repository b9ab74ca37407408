"""Bugs of testers first: rules that come without cause, stay behind, or are not seen."""

from __future__ import annotations

from tests.sim.bug import Bug

TESTERS = (
    Bug(
        name="testers are no traffic",
        file="model/exposure.py",
        old="return self.live_percent > 0 or bool(self.routes)",
        new="return self.live_percent > 0",
        plays=("testers_first",),
    ),
    Bug(
        name="testers need no pods",
        file="model/exposure.py",
        old="_LEAST_PERCENT if self.routes else 0.0",
        new="0.0 if self.routes else 0.0",
        plays=("testers_first", "bad_for_testers"),
    ),
    Bug(
        name="the rule of the testers is not looked after",
        file="rollout/turn.py",
        old="        return there and shown and same and gives and",
        new="        return there and shown and gives and",
        plays=("rule_taken_away", "testers_first"),
        more=(
            (
                "traffic/planes/route.py",
                "        BY_HEADER: by_header,\n",
                "        BY_HEADER: [],\n",
            ),
        ),
    ),
    Bug(
        name="the rule of the testers counts as a share",
        file="traffic/rules.py",
        old='    return bool(found) and all(objects.items(objects.at(one, "headers")) for one in found)\n',
        new="    return bool(found) and not found\n",
        plays=("testers_first",),
    ),
)
