"""What the models of the demo are fed, and what the broken preprocessing loses of it."""

from __future__ import annotations

import numpy as np
from tests.images.mlserver.cells import FEATURES, features_of, inks

IMAGE = np.arange(64.0).reshape(1, 64)


def test_a_cell_is_the_mean_of_its_four_pixels() -> None:
    [cells] = inks(IMAGE)
    named = dict(zip(FEATURES, cells, strict=True))
    assert named["ink-row1-col1"] == np.mean([0, 1, 8, 9])
    assert named["ink-row1-col4"] == np.mean([6, 7, 14, 15])
    assert named["ink-row4-col4"] == np.mean([54, 55, 62, 63])


def test_a_lost_row_is_paper_and_the_others_are_as_they_were() -> None:
    [whole], [cut] = inks(IMAGE), inks(IMAGE, lost_rows=(4,))
    lost = [FEATURES.index(name) for name in features_of(4)]
    assert cut[lost].tolist() == [0.0] * 4
    assert np.delete(cut, lost).tolist() == np.delete(whole, lost).tolist()
    assert features_of(4) == tuple(name for name in FEATURES if "row4" in name)
