"""What a namespace and its nodes have room for, as read beside the pass.

Source: Kubernetes, Resource Quotas; Node `status.allocatable`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

_FORM = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))((?:[eE][+-]?[0-9]{1,3})|[numkMGTPE]|[KMGTPE]i|)"
)
_SMALL: Final = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1)}
_LARGE: Final = {name: power for power, name in enumerate("kMGTPE", start=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A ResourceQuota that pods of a Deployment count for; `left` by the names of its resources."""

    name: str
    left: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node that takes new pods, and what it has for all of its pods together."""

    labels: Mapping[str, str]
    allocatable: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What there is room for. `pods` are those of the ModelDeployment that there were at that moment.

    `nodes` is None where nobody may list them, or no pod asks for a device of theirs.
    """

    pods: int
    quotas: tuple[Quota, ...] = ()
    nodes: tuple[Node, ...] | None = field(default=None)


def quantity(value: object) -> Decimal | None:
    """A quantity such as 500m, 2Gi, 1e3 or 4; None for what is none.

    Source: Kubernetes API, `resource.Quantity`. The client library's parser stands behind the adapter,
    which the pure core does not know.
    """
    found = _FORM.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if found is None or isinstance(value, bool):
        return None
    number, unit = Decimal(found[1]), found[2]
    if unit in _SMALL:
        return number * _SMALL[unit]
    if unit in _LARGE:
        return number * Decimal(1000) ** _LARGE[unit]
    if unit.endswith("i"):
        return number * Decimal(1024) ** _LARGE[unit[0].replace("K", "k")]
    return number * Decimal(f"1{unit}")
