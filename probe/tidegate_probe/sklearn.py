"""A model of scikit-learn, or anything with its methods, that counts what it predicts.

>>> model = monitored(model, monitor)
>>> model.predict_proba(rows)
"""

from __future__ import annotations

from typing import Any

from tidegate_probe.columns import table
from tidegate_probe.monitor import Monitor


def monitored(model: Any, monitor: Monitor, *, method: str | None = None) -> Any:
    """The model, whose calls of `method` are counted; everything else of it is as before.

    Without a name it is `predict_proba` where the profile has a threshold for a score, of two
    classes the chance of the second; else `predict`. Rows are a data frame, or an array whose
    columns stand in the order of the profile. The answer belongs to the profile's only output.
    """
    positive = monitor.profile.positive
    scored = positive is not None and positive.threshold is not None
    return _Monitored(model, monitor, method or ("predict_proba" if scored else "predict"))


class _Monitored:
    """Stands in front of a model."""

    def __init__(self, model: Any, monitor: Monitor, method: str) -> None:
        self._model = model
        self._monitor = monitor
        self._method = method

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__dict__["_model"], name)
        return self._counting(found) if name == self._method else found

    def _counting(self, predict: Any) -> Any:
        def counted(rows: Any, *arguments: Any, **options: Any) -> Any:
            answer = predict(rows, *arguments, **options)
            with self._monitor.guard("observe"):
                self._count(rows, answer)
            return answer

        return counted

    def _count(self, rows: Any, answer: Any) -> None:
        profile = self._monitor.profile
        features = table(rows, names=None if hasattr(rows, "columns") else list(profile.features))
        output = answer[:, -1] if len(getattr(answer, "shape", ())) == 2 else answer
        self._monitor.observe_batch(features, dict.fromkeys(profile.outputs, output))
