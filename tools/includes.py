"""Copies of a file between two marks, so that what is shown is what is tested.

A line with `include: PATH` begins the copy, one with `end include` ends it; both may be comments of
any language. The copy is indented as the first mark. In a page it is a block of code.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

_COPY = re.compile(
    r"^(?P<begin>(?P<indent>[ ]*)(?P<sign><!--|\#)[ ]include:[ ](?P<path>\S+).*\n)"
    r"(?:.*\n)*?"
    r"(?P<end>[ ]*(?:<!--|\#)[ ]end[ ]include.*)$",
    re.MULTILINE,
)


def filled(text: str, *, root: Path) -> str:
    """The text with every copy as the file is now; a missing file is an OSError."""

    def copy(mark: re.Match[str]) -> str:
        content = (root / mark["path"]).read_text()
        if mark["sign"] == "<!--":
            content = f"```{Path(mark['path']).suffix.removeprefix('.')}\n{content}```\n"
        return mark["begin"] + textwrap.indent(content, mark["indent"]) + mark["end"]

    return _COPY.sub(copy, text)
