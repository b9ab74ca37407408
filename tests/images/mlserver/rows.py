"""The data of the demo: which handwritten digits train a model and which are held out.

The split depends on nothing but the position of a row, so the image that trains and the program
that sends held-out rows agree without exchanging a file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

HELD_OUT_EVERY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Images and what they show.

    Shapes: pixels is (rows, 64), labels is (rows,).
    Units:  pixels from 0 (paper) to 16 (ink).
    """

    pixels: NDArray[np.float64]
    labels: NDArray[np.int64]


def training_rows() -> Rows:
    """The rows a model may learn from: four of five."""
    return _rows(held_out=False)


def held_out_rows() -> Rows:
    """The rows no model has seen: every fifth."""
    return _rows(held_out=True)


def _rows(*, held_out: bool) -> Rows:
    pixels, labels = load_digits(return_X_y=True)
    chosen = (np.arange(len(labels)) % HELD_OUT_EVERY == 0) == held_out
    return Rows(pixels=pixels[chosen], labels=labels[chosen])
