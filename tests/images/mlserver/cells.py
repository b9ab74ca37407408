"""What the models of the demo are fed: images shrunk to four rows of four cells."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from .rows import Rows

CELLS = 4  # in a row, and rows of them; each is a square of four pixels
FEATURES = tuple(f"ink-row{row}-col{col}" for row in range(1, 5) for col in range(1, 5))


def features_of(column: int) -> tuple[str, ...]:
    """The features of a column of cells; the first is the leftmost."""
    return FEATURES[column - 1 :: CELLS]


def inks(pixels: NDArray[np.float64], *, lost_columns: Collection[int] = ()) -> NDArray[np.float64]:
    """The mean ink of each cell, in the order of FEATURES; columns of them that are lost are paper.

    Shapes: pixels is (images, 64), the result (images, 16).
    Units:  both from 0 (paper) to 16 (ink).
    """
    squares = np.asarray(pixels, dtype=np.float64).reshape(-1, CELLS, 2, CELLS, 2)
    cells: NDArray[np.float64] = squares.mean(axis=(2, 4))
    cells[:, :, [column - 1 for column in lost_columns]] = 0.0
    return cells.reshape(-1, len(FEATURES))


def shrunk(rows: Rows) -> Rows:
    """The same images as a model is fed with them: pixels is (rows, 16)."""
    return Rows(pixels=inks(rows.pixels), labels=rows.labels)
