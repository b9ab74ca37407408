"""A Job that has to succeed before the users of a preview are switched.

Source: api.md, 5.3 (`blueGreen.prePromotion.job`); batch/v1 Job; docs/adr/0055.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated

from tidegate.model.document import Document
from tidegate.model.fields import TEXT, About


class SmokeTestState(enum.StrEnum):
    """How the Job of a smoke test stands."""

    RUNNING = "Running"
    PASSED = "Passed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTest:
    """The Job that was made for a rollout, and what became of it; it passes once, whatever comes."""

    job: Annotated[str, About("Name of its Job.")]
    state: Annotated[SmokeTestState, About("Running, Passed or Failed.", vital=True)]
    message: Annotated[str, About("What the Job said when it failed.", limit=TEXT)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTestJob:
    """What is asked for: the pods, all the time they have together, and how often they may fail."""

    template: Document
    timeout_seconds: float
    backoff_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenJob:
    """What the cluster says of that Job; `state` is None where there is none.

    `obstacle` says why it cannot be made or read; then nothing is known of it.
    """

    state: SmokeTestState | None = None
    message: str = ""
    obstacle: str = ""
