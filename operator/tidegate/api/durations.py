"""Durations as the API spells them: `1h30m`, `250ms`; never days (api.md, 2.1)."""

from __future__ import annotations

import re

PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
MAX_LENGTH = 28

_PART = re.compile(r"([0-9]{1,5})(ms|h|m|s)")
_WHOLE = re.compile(PATTERN, re.ASCII)
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def parse(text: str) -> float | None:
    """Seconds of a duration, or `None` where the text is none.

    Units:  the result is a whole number of milliseconds, as seconds.
    """
    if not _WHOLE.fullmatch(text):
        return None
    parts = _PART.findall(text)
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in parts) / 1000


def seconds_of(text: str) -> float:
    """Seconds of a text that is known to be a duration."""
    seconds = parse(text)
    assert seconds is not None, text
    return seconds


def text_of(seconds: float) -> str:
    """The shortest spelling of a duration, to the millisecond; `parse` reads it back.

    Units:  seconds, 0 to 99999 hours; anything outside is brought to the nearer end.
    """
    rest = min(max(round(seconds * 1000), 0), 99_999 * _MILLISECONDS["h"])
    parts: list[str] = []
    for unit, length in _MILLISECONDS.items():
        number, rest = divmod(rest, length)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
