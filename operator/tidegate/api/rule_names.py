"""Names of the rules of policies, as users write them: one list for all who ask for one."""

from __future__ import annotations

from typing import Literal

from tidegate.policy import judge

RuleName = Literal[judge.RULE_NAMES]  # type: ignore[valid-type]
