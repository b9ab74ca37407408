"""Profiles of training data in tests, as the probe writes them."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate_probe.bins import CategoryBins, NumericBins
from tidegate_probe.fields import Field
from tidegate_probe.profile import Profile

ROWS = 1000
AMOUNT = Field(NumericBins((10, 20)), (300, 400, 250, 40, 10))
COUNTRY = Field(CategoryBins(("DE", "FR")), (600, 300, 0, 100))
SCORE = Field(NumericBins((0.5,)), (700, 300, 0, 0))


def written(version: str = "v2", *, outputs: Mapping[str, Field] | None = None) -> str:
    """The document of a small profile."""
    return Profile(
        model="iris",
        model_version=version,
        rows=ROWS,
        features={"amount": AMOUNT, "country": COUNTRY},
        outputs={"score": SCORE} if outputs is None else outputs,
    ).to_json()
