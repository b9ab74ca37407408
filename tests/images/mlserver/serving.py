"""The runtimes of the demo: those of MLServer, counted by a probe, and logged to a comparer."""

from __future__ import annotations

from mlserver_sklearn import SKLearnModel  # type: ignore[import-not-found]

from comparer.hook import logged
from tidegate_probe.mlserver import Monitored

from .faulty import FaultyModel
from .preparing import prepared


class _Counted(Monitored, SKLearnModel):  # type: ignore[misc]  # MLServer ships no types
    """Counts what the model is fed, so after the preprocessing."""


class _FaultyCounted(Monitored, FaultyModel):
    """The same, and breaks some of its answers."""


Digits = logged(prepared(_Counted))
FaultyDigits = logged(prepared(_FaultyCounted))
