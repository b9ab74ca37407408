"""Rules of the watch for the revision that serves."""

from __future__ import annotations

from api_case import Case
from api_examples import SMALLEST, Object

_HOOK: Object = {"url": "https://train.example.com/start"}

MONITORING_RULES = (
    Case(
        rule="V93",
        body=SMALLEST,
        at="spec.monitoring",
        good=(
            {"onDrift": {}},
            {"onDrift": {"action": "Alert"}},
            {"onDrift": {"action": "Rollback"}},
            {"onDrift": {"action": "Hook", "hook": _HOOK}},
        ),
        bad=(
            {"onDrift": {"action": "Hook"}},
            {"onDrift": {"hook": _HOOK}},
            {"onDrift": {"action": "Alert", "hook": _HOOK}},
            {"onDrift": {"action": "Rollback", "hook": _HOOK}},
        ),
        blames="spec.monitoring.onDrift.hook",
        says="action Hook needs hook, and no other action has one",
    ),
)
