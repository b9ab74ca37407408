"""Which members of `spec.strategy` go together: one strategy at a time."""

from __future__ import annotations

from typing import Any

from tidegate import model
from tidegate.api.schema import Rule


def _walks_canary(strategy: Any) -> bool:
    """The steps of a canary are given only where they are walked."""
    if "canary" not in strategy.model_fields_set or strategy.type == "Canary":
        return True
    return strategy.shadow is not None and strategy.shadow.then is model.Then.CANARY


RULES = (
    Rule(
        id="V7",
        cel="(self.?type.orValue('Canary') == 'Shadow') == has(self.shadow)",
        message=(
            "member shadow must be set exactly when type is Shadow (default type: Canary): set "
            "type: Shadow with shadow, or neither"
        ),
        field="shadow",
        holds=lambda it: (it.type == "Shadow") == (it.shadow is not None),
    ),
    Rule(
        id="V9",
        cel=(
            "!has(self.canary) || self.?type.orValue('Canary') == 'Canary' || "
            "(has(self.shadow) && self.shadow.?then.orValue('Hold') == 'Canary')"
        ),
        message=(
            "member canary, with its steps, belongs to type Canary: remove it, or set "
            "shadow.then: Canary to walk its steps after the shadow"
        ),
        field="canary",
        holds=_walks_canary,
    ),
)
