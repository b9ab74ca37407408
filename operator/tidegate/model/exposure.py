"""What a candidate is exposed to, and the kinds of stages that a rollout is made of.

Source: house.md, H5.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, ClassVar

from tidegate.model.fields import About
from tidegate.model.headers import HeaderRoute

ROUTES_MAX_ITEMS = 8
_LEAST_PERCENT = 0.0001  # the smallest share that there is


class StageKind(enum.StrEnum):
    """What a stage is for.

    `First` serves the very first revision. `Shadow` mirrors, `Preview` shows to testers, `Live` answers a
    share of the users; each of them has to prove something. `Switch` gives the candidate everything,
    `Bake` watches it with the old revision still there.
    """

    FIRST = "First"
    SHADOW = "Shadow"
    PREVIEW = "Preview"
    LIVE = "Live"
    SWITCH = "Switch"
    BAKE = "Bake"


class Control(enum.StrEnum):
    """What a candidate is held against.

    `Concurrent`: stable at the same time. `Recorded`: what stable showed before it lost its requests,
    and absolute limits. `LimitsOnly`: these alone, since nobody else gets requests. `None`: nothing; it
    is not judged.
    """

    CONCURRENT = "Concurrent"
    RECORDED = "Recorded"
    LIMITS_ONLY = "LimitsOnly"
    NONE = "None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Which requests reach a candidate, beside those that stable gets.

    Requests that fit one of the `routes` are answered by it whatever its share.
    """

    SHOWN: ClassVar[dict[str, About]] = {
        "stable_percent": About("Intended share of stable.", name="stable")
    }

    live_percent: Annotated[float, About("Intended share of the candidate.", name="candidate")]
    mirror_percent: Annotated[
        float,
        About("Intended share of requests copied to the candidate.", name="mirror", quiet=True),
    ] = 0.0
    routes: Annotated[
        tuple[HeaderRoute, ...],
        About("Requests that fit one of these go to it.", limit=ROUTES_MAX_ITEMS, quiet=True),
    ] = ()
    preview: Annotated[bool, About("It has an address of its own.", quiet=True)] = False

    @property
    def stable_percent(self) -> float:
        """The share of users' requests that the candidate does not answer."""
        return 100.0 - self.live_percent

    @property
    def answers_users(self) -> bool:
        """Users are harmed if it fails: finalizer, urgency, capacity before traffic."""
        return self.live_percent > 0 or bool(self.routes)

    @property
    def load_percent(self) -> float:
        """The share of the load that it needs pods for, answered or copied.

        Requests by header are next to nothing.
        """
        load = min(self.live_percent + self.mirror_percent, 100.0)
        return max(load, _LEAST_PERCENT if self.routes else 0.0)

    @property
    def counted_share(self) -> float:
        """The candidate's part, 0 to 1, of what both versions count: a copied request is two."""
        return (self.live_percent + self.mirror_percent) / (100.0 + self.mirror_percent)

    @property
    def owes_an_end(self) -> bool:
        """Somebody has to take it away before the object goes: a mirror is left on a kept route."""
        return self.answers_users or self.mirror_percent > 0

    @property
    def is_visited(self) -> bool:
        """Requests may arrive, so that the data plane owes something and there can be evidence."""
        return self.answers_users or self.mirror_percent > 0 or self.preview


NO_TRAFFIC = Exposure(live_percent=0.0)
