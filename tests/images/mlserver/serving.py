"""The runtimes of the demo: those of MLServer, which log what they predict to a comparer."""

from __future__ import annotations

from mlserver_sklearn import SKLearnModel  # type: ignore[import-not-found]

from comparer.hook import logged

from .faulty import FaultyModel

Digits = logged(SKLearnModel)
FaultyDigits = logged(FaultyModel)
