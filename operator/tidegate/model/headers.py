"""Requests that are told apart by their headers. Source: api.md, 5.3 (`canary.routes`)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated

from tidegate.model.fields import About

HEADERS_MAX_ITEMS = 4


class HeaderMatch(enum.StrEnum):
    """How the value of a header is compared: as it is, or by an expression for the whole of it (RE2)."""

    EXACT = "Exact"
    REGULAR_EXPRESSION = "RegularExpression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header that a request must have."""

    name: Annotated[str, About("Name of the header.")]
    value: Annotated[str, About("Its value, or an expression for it.", limit=1024)]
    match: Annotated[HeaderMatch, About("Exact or RegularExpression.", quiet=True)] = (
        HeaderMatch.EXACT
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderRoute:
    """Requests that have all of these headers."""

    name: Annotated[str, About("Name of the route.")]
    headers: Annotated[
        tuple[Header, ...], About("Headers that a request must have.", limit=HEADERS_MAX_ITEMS)
    ]
