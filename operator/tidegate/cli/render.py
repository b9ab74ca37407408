"""Plain text for people: tables, fields, numbers and times. Pure; no colours, no terminal codes.

Whatever comes from an object may hold control characters; it passes `escaped` before it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

NOTHING = "-"
_GAP = "   "
_LARGEST_IN_FULL = 1e15


def escaped(text: str) -> str:
    """One printable line: control, direction and line-break characters become escapes."""
    return "".join(
        it if it.isprintable() else it.encode("unicode_escape").decode("ascii") for it in text
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Aligned lines, the heads first; an empty cell is shown as a dash.

    Shapes: every row has as many cells as there are heads.
    """
    lines = [list(heads), *([escaped(cell) or NOTHING for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def fields(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """`Name:  value` lines with aligned values; pairs without a value are left out."""
    shown = [(name, escaped(value)) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0) + 1
    return [f"{name + ':':<{width}}  {value}" for name, value in shown]


def clipped(text: str, *, limit: int) -> str:
    """The text, cut to `limit` characters with a sign that it was."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def number(value: float | None) -> str:
    """At most four significant digits, whole numbers in full; empty without a value."""
    if value is None:
        return ""
    whole = float(value).is_integer() and abs(value) < _LARGEST_IN_FULL
    return f"{value:.0f}" if whole else f"{value:.4g}"


def instant(value: datetime | None) -> str:
    """RFC 3339 in UTC to the second; empty without a value."""
    if value is None:
        return ""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def age(since: datetime | None, *, now: datetime) -> str:
    """How long ago in the largest unit that leaves two digits, as kubectl shows ages."""
    if since is None:
        return ""
    seconds = max(0, int((now - since).total_seconds()))
    for unit, length, most in (("s", 1, 120), ("m", 60, 120), ("h", 3600, 48)):
        if seconds < most * length:
            return f"{seconds // length}{unit}"
    return f"{seconds // 86_400}d"
