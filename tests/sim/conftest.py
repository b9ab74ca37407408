"""`--all-modes` makes the crash enumeration complete; the corpus leaves out what adds little."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-modes", action="store_true", help="every disturbance of every play")


@pytest.fixture
def all_modes(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--all-modes", default=False))
