"""How many rollouts may be under way at once (api.md, 9.1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tidegate.api.schema import Part

MostRollouts = Annotated[int, Field(ge=1, le=10000)]


class ConcurrentRollouts(Part):
    """Most rollouts under way at once, of those that the policy applies to."""

    per_namespace: MostRollouts | None = Field(
        default=None, description="In each namespace by itself; without: any number."
    )
    per_cluster: MostRollouts | None = Field(
        default=None,
        description="Over all that the policy applies to; without: any number.",
    )
