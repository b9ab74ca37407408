"""Who moves a rollout, as users write it (api.md, 5.6)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.schema import Part

Level = Annotated[model.AutomationLevel, schema.LAX]
DecisionMode = Annotated[model.DecisionMode, schema.LAX]


class Automation(Part):
    """How much is done without people; a rollback always is."""

    level: Level = Field(
        default=model.AutomationLevel.FULL,
        description=(
            "Who moves a rollout forward. Manual and Advisory: every step waits for promote. Shadow: no "
            "user is answered by a candidate. Gated: one promote before promotion, unless steps have "
            "gates. Full: nobody is asked but at gates."
        ),
    )
    decision_mode: DecisionMode | None = Field(
        default=None,
        description=(
            "Who acts on predictions, given to the containers as TIDEGATE_DECISION_MODE; a change makes "
            "a new revision."
        ),
        json_schema_extra=schema.built_in("not given"),
    )
