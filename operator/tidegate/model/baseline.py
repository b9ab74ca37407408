"""What stable showed while it served beside a candidate, kept for when it no longer does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tidegate.model.fields import About


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Counts of stable of one metric, and the rate of bad requests (0 to 1) that is harm beside them.

    Of a latency a request is bad that took longer than `edge` seconds.
    """

    name: Annotated[str, About("Name of the metric.")]
    edge: Annotated[float | None, About("Bucket bound that is counted above, in seconds.")] = None
    total: Annotated[float, About("Requests of stable.", vital=True)]
    bad: Annotated[float, About("Those that spoke against it.", vital=True)]
    limit: Annotated[float, About("Higher rates of bad requests are harm, 0 to 1.", vital=True)]
