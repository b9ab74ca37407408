"""Trains the models of the demo and lays each out as a model repository that MLServer can serve.

Usage: python -m digits.train DIRECTORY. It writes DIRECTORY/v1, v2 and v3.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
from sklearn.base import ClassifierMixin
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

from .faults import FAULTS
from .rows import held_out_rows, training_rows

MODEL_NAME = "digits"
SKLEARN_RUNTIME = "mlserver_sklearn.SKLearnModel"
FAULTY_RUNTIME = "digits.faulty.FaultyModel"


def main() -> None:
    """Train, check the promise that v2 is better than v1 on unseen rows, write everything."""
    target = Path(sys.argv[1])
    modest = GaussianNB()
    better = SVC(gamma=0.001)
    accuracy = {name: fit(model) for name, model in (("v1", modest), ("v2", better))}
    assert accuracy["v2"] > accuracy["v1"] + 0.05, accuracy
    save(modest, directory=target / "v1", settings={"implementation": SKLEARN_RUNTIME})
    save(better, directory=target / "v2", settings={"implementation": SKLEARN_RUNTIME})
    broken = {"implementation": FAULTY_RUNTIME, "parameters": {"extra": FAULTS}}
    save(better, directory=target / "v3", settings=broken)
    print(f"accuracy on held-out rows: {accuracy}")


def fit(model: ClassifierMixin) -> float:
    """Train in place; the accuracy on held-out rows, 0 to 1."""
    train, held_out = training_rows(), held_out_rows()
    model.fit(train.pixels, train.labels)
    return round(float(model.score(held_out.pixels, held_out.labels)), 4)


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
