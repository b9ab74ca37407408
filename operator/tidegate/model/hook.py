"""The hook that asks for retraining once a drift is found: what is owed, and what came of it.

Source: ADR 0081; CloudEvents 1.0.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.fields import TEXT, About


class HookState(enum.StrEnum):
    """What came of a hook."""

    PENDING = "Pending"
    DELIVERED = "Delivered"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """The hook of one drift. It stands here before it is sent, so that it keeps its id for ever."""

    id: Annotated[str, About("Id of its CloudEvent: the same each time that it is sent.")]
    state: Annotated[HookState, About("Pending, Delivered or Failed.")]
    at: Annotated[datetime, About("Since when it is in this state.")]
    message: Annotated[
        str, About("Why it could not be delivered yet; empty: nothing has failed.", limit=TEXT)
    ] = ""
    ended_at: Annotated[datetime | None, About("When its drift had ended; absent: it lasts.")] = (
        None
    )
    delivered_at: Annotated[
        datetime | None,
        About("When this one, or the one before, was delivered; the cool-down begins then."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenHook:
    """What is known of the hook beside the pass.

    `obstacle` says why none can be sent as things are, as text for people. `id` is the one that was
    answered, empty before; `failure` says why it was not delivered, empty where it was.
    """

    obstacle: str = ""
    id: str = ""
    failure: str = ""
