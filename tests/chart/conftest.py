"""Rendering the chart with helm, as values in and objects out."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_chart
import pytest

Object = dict[str, Any]
Render = Callable[..., list[Object]]
Helm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def chart() -> Path:
    return helm_chart.CHART


@pytest.fixture(scope="session")
def helm_bin() -> Path:
    return helm_chart.helm_bin()


@pytest.fixture(scope="session")
def helm() -> Helm:
    return helm_chart.run


@pytest.fixture(scope="session")
def template() -> Callable[[Object], subprocess.CompletedProcess[str]]:
    """`helm template` with these values."""
    return helm_chart.template


@pytest.fixture(scope="session")
def render() -> Render:
    """The objects that these values give; fails the test when there are none."""
    return helm_chart.render
