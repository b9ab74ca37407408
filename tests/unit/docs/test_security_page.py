"""The threats of docs/security.md, each with tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROWS = [
    line.split("|")[1:4]
    for line in (ROOT / "docs" / "security.md").read_text().splitlines()
    if line.startswith("| **T")
]
SHOWN = sorted({it for *_, shown in ROWS for it in re.findall(r"`([^`]+)`", shown)})


def test_every_threat_has_a_line_and_every_line_a_test() -> None:
    threats = {match[1] for it, *_ in ROWS if (match := re.match(r" \*\*(T\d+)\*\*", it))}
    assert threats == {f"T{number}" for number in range(1, 15)}
    assert all("::test_" in shown for *_, shown in ROWS)


@pytest.mark.parametrize("shown", SHOWN)
def test_the_test_that_shows_it_exists(shown: str) -> None:
    path, _, name = shown.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text())
    assert name in {it.name for it in ast.walk(tree) if isinstance(it, ast.FunctionDef)}
