"""Three classifiers of handwritten digits for the test server, and rows that none of them has seen."""

from __future__ import annotations

import json
import random

from tests.images.mlserver.rows import Rows, held_out_rows, training_rows
from tests.images.testkit.digits import Digits
from tests.images.testkit.model import OUTPUT, feature_name

from tidegate_probe import Profile

ROWS = 60
FEATURES = range(0, 64, 4)  # pixels that are counted: two of them are paper in every image
# What the wrong one takes for each other: it learned from labels that were mixed up.
_MIXED_UP = {0: 6, 6: 0, 1: 7, 7: 1, 3: 8, 8: 3}


def _trained(rows: Rows, *, every: int = 1, mixed_up: bool = False) -> Digits:
    """The mean image of each digit over every n-th row."""
    labels, pixels = rows.labels[::every], rows.pixels[::every]
    taught = [_MIXED_UP.get(digit, digit) if mixed_up else digit for digit in range(10)]
    means = (pixels[labels == digit].mean(axis=0).round(2).tolist() for digit in taught)
    return Digits(means=tuple(map(tuple, means)))


def models() -> dict[str, Digits]:
    """`first`, `close`, which learned from an eighth of its rows, and `wrong`."""
    rows = training_rows()
    return {
        "first": _trained(rows),
        "close": _trained(rows, every=8),
        "wrong": _trained(rows, mixed_up=True),
    }


def rows() -> list[dict[str, object]]:
    """Some unseen rows with their labels, as the load generator sends them."""
    return _unseen()[:ROWS]


def _unseen() -> list[dict[str, object]]:
    unseen = held_out_rows()
    pairs = zip(unseen.pixels.tolist(), unseen.labels.tolist(), strict=True)
    return [{"pixels": pixels, "label": label} for pixels, label in pairs]


def agreement(one: Digits, other: Digits) -> float:
    """The share of the unseen rows that both take for the same digit."""
    pixels = held_out_rows().pixels[:ROWS].tolist()
    return sum(one.predict(row) == other.predict(row) for row in pixels) / ROWS


def files() -> dict[str, str]:
    """All of it as the files of a ConfigMap: NAME.json for each model, and rows.json."""
    means = {f"{name}.json": json.dumps(model.means) for name, model in models().items()}
    return {**means, "rows.json": json.dumps(rows())}


def profile(model: str, *, model_version: str) -> Profile:
    """Of the rows that all three had to learn from, and what this one says about them."""
    rows = training_rows()
    classifier = models()[model]
    said = [str(classifier.predict(row)) for row in rows.pixels.tolist()]
    return Profile.fit(
        {feature_name(at): rows.pixels[:, at] for at in FEATURES},
        outputs={OUTPUT: said},
        model="digits",
        model_version=model_version,
    )


def counted_files() -> dict[str, str]:
    """As `files`, with the profiles of version 1, `first`, and version 2, `close`, and all unseen rows.

    The data are in the order of their writers, and users of one minute are not.
    """
    unseen = _unseen()
    random.Random(1).shuffle(unseen)
    profiles = {
        f"profile-{version}.json": profile(model, model_version=version).to_json()
        for version, model in (("1", "first"), ("2", "close"))
    }
    return {**files(), **profiles, "rows.json": json.dumps(unseen)}
