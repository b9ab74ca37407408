"""The note beside a Deployment's replicas: which number Tidegate wrote last.

`4` is a number of ours, and another one was written by somebody else; `4+` is one that our
autoscaler moves on from. Both stand in the Deployment itself, so they are never apart from it.
Source: docs/adr/0020-other-writers.md, docs/adr/0042-autoscaling.md.
"""

from __future__ import annotations

from typing import Final

from tidegate import model
from tidegate.model import objects

_AUTOSCALED: Final = "+"


def of_replicas(replicas: int, *, autoscaled: bool) -> str:
    """The note that goes with this number."""
    return f"{replicas}{_AUTOSCALED if autoscaled else ''}"


def read_replicas(deployment: model.Document) -> int | None:
    """The number that Tidegate wrote last; None where that is not known."""
    written = _written(deployment).removesuffix(_AUTOSCALED)
    return int(written) if written.isdecimal() else None


def may_be_autoscaled(deployment: model.Document) -> bool:
    """Our autoscaler may have moved the number since."""
    return _written(deployment).endswith(_AUTOSCALED)


def _written(deployment: model.Document) -> str:
    return objects.annotation(deployment, objects.ANNOTATION_REPLICAS)
