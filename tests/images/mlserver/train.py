"""Trains the models of the demo and lays each out as a model repository that MLServer can serve.

Usage: python -m digits.train DIRECTORY. It writes DIRECTORY/v1 to v6.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

from tidegate_probe import Profile

from .cells import FEATURES, inks, shrunk
from .faults import FAULTS, LOST_ROWS, MIXED_UP
from .rows import Rows, held_out_rows, training_rows

MODEL_NAME = "digits"
RUNTIME = {"implementation": "digits.serving.Digits"}
FAULTY_RUNTIME = "digits.serving.FaultyDigits"


def main() -> None:
    """Train, check what the demo promises of the models on unseen rows, write everything."""
    target = Path(sys.argv[1])
    rows = shrunk(training_rows())
    taught = {"v1": rows, "v2": rows, "v4": mixed_up(rows), "v5": rows}
    models = {"v1": GaussianNB(), "v2": SVC(gamma=0.005), "v4": SVC(gamma=0.005), "v5": SVC(C=10)}
    accuracy = {name: fit(model, rows=taught[name]) for name, model in models.items()}
    broken = accuracy["v6"] = accuracy_of(models["v2"], lost_rows=LOST_ROWS)
    assert min(accuracy["v2"], accuracy["v5"]) > accuracy["v1"] + 0.05, accuracy
    assert max(accuracy["v4"], broken) < 0.5, accuracy
    for name, model in models.items():
        save(model, directory=target / name, settings=RUNTIME)
    failing = {"implementation": FAULTY_RUNTIME, "parameters": {"extra": FAULTS}}
    save(models["v2"], directory=target / "v3", settings=failing)
    losing = {**RUNTIME, "parameters": {"extra": {"lost_rows": LOST_ROWS}}}
    save(models["v2"], directory=target / "v6", settings=losing)
    print(f"accuracy on held-out rows: {accuracy}")


def fit(model: ClassifierMixin, *, rows: Rows) -> float:
    """Train in place; the accuracy on held-out rows, 0 to 1."""
    model.fit(rows.pixels, rows.labels)
    return accuracy_of(model)


def accuracy_of(model: ClassifierMixin, *, lost_rows: Collection[int] = ()) -> float:
    """The accuracy on held-out rows, 0 to 1, of which the preprocessing loses some rows of cells."""
    held_out = held_out_rows()
    fed = inks(held_out.pixels, lost_rows=lost_rows)
    return round(float(model.score(fed, held_out.labels)), 4)


def mixed_up(rows: Rows) -> Rows:
    """The same images, some of their labels taken for each other."""
    labels = np.array([MIXED_UP.get(int(label), int(label)) for label in rows.labels])
    return Rows(pixels=rows.pixels, labels=labels)


def profile(*, version: str) -> Profile:
    """What all of them learned from, whatever they were told that it shows."""
    fed = shrunk(training_rows()).pixels
    return Profile.fit(fed, names=FEATURES, model=MODEL_NAME, model_version=version)


def save(model: ClassifierMixin, *, directory: Path, settings: dict[str, Any]) -> None:
    """Write the artefact, the profile of its training, and the file that tells MLServer of both."""
    directory.mkdir(parents=True)
    joblib.dump(model, directory / "model.joblib")
    profile(version=directory.name).write(directory / "profile.json")
    parameters = {
        "uri": "./model.joblib",
        "version": directory.name,
        **settings.get("parameters", {}),
    }
    document = {"name": MODEL_NAME, **settings, "parameters": parameters}
    (directory / "model-settings.json").write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
