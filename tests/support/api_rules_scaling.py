"""Rules of `strategy.scaling` with values that they let pass and values that they refuse."""

from __future__ import annotations

from api_case import Case
from api_examples import ROUTED

SCALING_RULES = (
    Case(
        rule="V58",
        body=ROUTED,
        at="spec.strategy.scaling",
        good=(
            {"matchTraffic": False},
            {"matchTraffic": False, "surgePolicy": "Surge"},
            {"matchTraffic": True, "surgePolicy": "Recreate"},
            {"surgePolicy": "Borrow"},
        ),
        bad=(
            {"matchTraffic": False, "surgePolicy": "Borrow"},
            {"matchTraffic": False, "surgePolicy": "Recreate"},
        ),
        blames="spec.strategy.scaling.matchTraffic",
        says="remove it, or set surgePolicy: Surge",
    ),
    Case(
        rule="V59",
        body=ROUTED,
        at="spec.strategy.scaling",
        good=(
            {"maxSurgePercent": 25, "surgePolicy": "Borrow"},
            {"maxSurgePercent": 0, "surgePolicy": "Recreate"},
            {"maxSurgePercent": 25},
            {"maxUnavailablePercent": 50, "surgePolicy": "Recreate"},
        ),
        bad=({"maxSurgePercent": 25, "surgePolicy": "Recreate"},),
        blames="spec.strategy.scaling.maxSurgePercent",
        says="remove maxSurgePercent, or set surgePolicy: Borrow",
    ),
)
