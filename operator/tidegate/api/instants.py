"""Instants as users write them: RFC 3339, always with their zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from tidegate.api import schema

_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?(?P<zone>.*)", re.ASCII)
_ZONE = re.compile(r"[Zz]|[+-]\d{2}:\d{2}", re.ASCII)
_NONE = "is no date and time of RFC 3339: write it as 2026-12-18T00:00:00Z, or with an offset such as +01:00"
_NO_ZONE = "has no zone: append Z for UTC, or an offset such as +01:00"


def instant_of(text: str) -> datetime:
    """The instant of a text that is known to be one."""
    return datetime.fromisoformat(text.upper())


def _is_instant(text: str) -> str:
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise schema.failure(_NONE)
    # Without a zone this would be the local one of whoever reads it.
    if not found["zone"]:
        raise schema.failure(_NO_ZONE)
    if _ZONE.fullmatch(found["zone"]) is None:
        raise schema.failure(_NONE)
    try:
        instant_of(text).astimezone(UTC)
    except ValueError as error:
        raise schema.failure(_NONE) from error
    except OverflowError as error:
        raise schema.failure(
            "lies beyond the years 1 to 9999 of UTC: name a time within them, such as 9999-12-31T00:00:00Z"
        ) from error
    return text


Instant = Annotated[
    str,
    Field(max_length=35, json_schema_extra={"format": "date-time"}),
    AfterValidator(_is_instant),
]
