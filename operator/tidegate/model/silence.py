"""What status says of a candidate whose traffic was taken back since it showed no data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.fields import About


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The stage is taken again some time after `since`, each time later; in the end a person decides."""

    times: Annotated[int, About("How often in this stage traffic was taken back for it.", absent=1)]
    since: Annotated[datetime, About("When it was taken back last.")]
