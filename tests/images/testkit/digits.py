"""A classifier small enough for a test server: the digit whose mean image is the nearest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRUTH = "truth"  # parameter of a request: what the answer should be, which comes out later


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """Mean images by their digit. Shapes: means is (digits, pixels)."""

    means: tuple[tuple[float, ...], ...]

    @staticmethod
    def read(path: Path) -> Digits:
        """From a JSON file: a list of lists of numbers."""
        return Digits(means=tuple(tuple(map(float, mean)) for mean in json.loads(path.read_text())))

    def predict(self, pixels: list[float]) -> int:
        """The digit. Shapes: pixels is (pixels,)."""
        return min(range(len(self.means)), key=lambda digit: _apart(self.means[digit], pixels))


def _apart(mean: tuple[float, ...], pixels: list[float]) -> float:
    return sum((one - other) ** 2 for one, other in zip(mean, pixels, strict=True))


def v2_response(digit: int, *, version: str) -> dict[str, Any]:
    """The answer of the open inference protocol to one row."""
    output = {"name": "predict", "shape": [1, 1], "datatype": "INT64", "data": [digit]}
    return {"model_name": "digits", "model_version": version, "outputs": [output]}
