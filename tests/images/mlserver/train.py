"""Trains the models of the demo and lays each out as a model repository that MLServer can serve.

Usage: python -m digits.train DIRECTORY. It writes DIRECTORY/v1 to v5.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

from .faults import FAULTS, MIXED_UP
from .rows import Rows, held_out_rows, training_rows

MODEL_NAME = "digits"
RUNTIME = {"implementation": "digits.serving.Digits"}
FAULTY_RUNTIME = "digits.serving.FaultyDigits"


def main() -> None:
    """Train, check what the demo promises of the models on unseen rows, write everything."""
    target = Path(sys.argv[1])
    rows = training_rows()
    taught = {"v1": rows, "v2": rows, "v4": mixed_up(rows), "v5": rows}
    models = {"v1": GaussianNB(), "v2": SVC(gamma=0.001), "v4": SVC(gamma=0.001), "v5": SVC(C=10)}
    accuracy = {name: fit(model, rows=taught[name]) for name, model in models.items()}
    assert min(accuracy["v2"], accuracy["v5"]) > accuracy["v1"] + 0.05, accuracy
    assert accuracy["v4"] < 0.5, accuracy
    for name, model in models.items():
        save(model, directory=target / name, settings=RUNTIME)
    broken = {"implementation": FAULTY_RUNTIME, "parameters": {"extra": FAULTS}}
    save(models["v2"], directory=target / "v3", settings=broken)
    print(f"accuracy on held-out rows: {accuracy}")


def fit(model: ClassifierMixin, *, rows: Rows) -> float:
    """Train in place; the accuracy on held-out rows, 0 to 1."""
    held_out = held_out_rows()
    model.fit(rows.pixels, rows.labels)
    return round(float(model.score(held_out.pixels, held_out.labels)), 4)


def mixed_up(rows: Rows) -> Rows:
    """The same images, some of their labels taken for each other."""
    labels = np.array([MIXED_UP.get(int(label), int(label)) for label in rows.labels])
    return Rows(pixels=rows.pixels, labels=labels)


def save(model: ClassifierMixin, *, directory: Path, settings: dict[str, Any]) -> None:
    """Write the artefact and the file that tells MLServer how to serve it."""
    directory.mkdir(parents=True)
    joblib.dump(model, directory / "model.joblib")
    parameters = {
        "uri": "./model.joblib",
        "version": directory.name,
        **settings.get("parameters", {}),
    }
    document = {"name": MODEL_NAME, **settings, "parameters": parameters}
    (directory / "model-settings.json").write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
