"""What status says while another revision answers for stable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.fields import About


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """Stable has no ready pod, and another revision answers for it meanwhile.

    It begins `since`, is written to the data plane at `moved_at` and ends some time after
    `stable_ready_since`: pods that come and go must not swing the weights. The revision then has
    `percent_before` of the requests again, 0 where no rollout of it runs.
    """

    revision: Annotated[str, About("Revision that answers.")]
    since: Annotated[datetime, About("Since when stable has had no ready pod.")]
    moved_at: Annotated[datetime | None, About("When the requests of stable were given to it.")] = (
        None
    )
    percent_before: Annotated[
        float, About("Share in percent that it has again afterwards.", absent=0.0)
    ] = 0.0
    stable_ready_since: Annotated[
        datetime | None, About("Since when stable has had the pods for its share again.")
    ] = None
