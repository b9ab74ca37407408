"""`--all-modes` makes the crash enumeration complete; the corpus leaves out what adds little."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.sim import garbage


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-modes", action="store_true", help="every disturbance of every play")


@pytest.fixture
def all_modes(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--all-modes", default=False))


@pytest.fixture(autouse=True, scope="package")
def _settled() -> Iterator[None]:
    """A tenth of a corpus would go into looking for garbage among modules."""
    with garbage.settled():
        yield
