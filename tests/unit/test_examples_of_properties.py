"""A check that gates a landing gives the same answer for the same code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import properties
import pytest

SUPPORT = Path(properties.__file__).parent
ELSEWHERE = f"WORTH_TRYING = {list(range(200_000, 201_000))}\n"
DRAWS = """
import sys
import hypothesis, properties
from hypothesis import strategies as st

properties.register()
hypothesis.settings.load_profile(sys.argv[1])
properties.draw_apart_from_other_code()
for name in sys.argv[2:]:
    __import__(name)

@hypothesis.given(st.integers(), st.sets(st.text()))
def drawn(number, words):
    print(number, sorted(words))

drawn()
"""


def examples(folder: Path, profile: str, *loaded: str, hash_seed: int = 1) -> str:
    """What a property is tried on by a process that has loaded these modules."""
    (folder / "draws.py").write_text(DRAWS)
    (folder / "elsewhere.py").write_text(ELSEWHERE)
    done = subprocess.run(
        [sys.executable, "draws.py", profile, *loaded],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(SUPPORT),
            "PYTHONHASHSEED": str(hash_seed),
            "PYTHONIOENCODING": "utf-8:backslashreplace",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert len(done.stdout.splitlines()) >= 100
    return done.stdout


def test_fixed_examples_follow_from_the_property_alone(tmp_path: Path) -> None:
    first = examples(tmp_path, properties.FIXED)
    assert examples(tmp_path, properties.FIXED, "elsewhere", hash_seed=2) == first


def test_by_hand_each_run_draws_anew(tmp_path: Path) -> None:
    first = examples(tmp_path, properties.EXPLORE)
    assert examples(tmp_path, properties.EXPLORE) != first


@pytest.mark.parametrize(
    ("environment", "profile"),
    [
        ({"CI": "true"}, properties.FIXED),
        ({"CI": ""}, properties.EXPLORE),
        ({}, properties.EXPLORE),
    ],
)
def test_ci_takes_the_fixed_ones(environment: dict[str, str], profile: str) -> None:
    assert properties.chosen(environment) == profile
