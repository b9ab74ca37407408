"""What one pod of a template asks for, as quotas and the scheduler count it.

Source: Kubernetes, "Resource Management for Pods", KEP-753 (sidecars), Resource Quotas.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from tidegate import model
from tidegate.model import objects
from tidegate.model.room import quantity

Amounts = Mapping[str, Decimal]
_LIMITED: Final = ("cpu", "memory", "ephemeral-storage")
_OF_KUBERNETES: Final = "kubernetes.io/"
_NONE: Final = Decimal(0)


def requests(template: model.Document) -> Amounts:
    """Its requests by resource; a container's limit stands in where it has no request."""
    return _of_pod(template, "requests")


def counted(template: model.Document) -> Amounts:
    """The same by the names that a ResourceQuota has for them, with its limits and itself as a pod."""
    asked, limits = requests(template), _of_pod(template, "limits")
    found = {"pods": Decimal(1), "count/pods": Decimal(1)}
    found |= {f"requests.{name}": amount for name, amount in asked.items()}
    found |= {name: asked[name] for name in _LIMITED if name in asked}
    return found | {f"limits.{name}": limits[name] for name in _LIMITED if name in limits}


def devices(template: model.Document) -> Amounts:
    """Its requests for what only some nodes have, such as nvidia.com/gpu; parts of one are none."""
    return {
        name: amount
        for name, amount in requests(template).items()
        if "/" in name and _OF_KUBERNETES not in name and amount >= 1
    }


def _of_pod(template: model.Document, member: str) -> Amounts:
    """The larger of what runs together in the end and what any init container needs before."""
    pod = objects.at(template, "spec")
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in objects.items(objects.at(pod, "initContainers")):
        now = _sum(sidecars, _of_container(container, member))
        most = _larger(most, now)
        if objects.at(container, "restartPolicy") == "Always":
            sidecars = now
    together = sidecars
    for container in objects.items(objects.at(pod, "containers")):
        together = _sum(together, _of_container(container, member))
    return _sum(_larger(most, together), _amounts(objects.at(pod, "overhead")))


def _of_container(container: model.Json, member: str) -> Amounts:
    limits = _amounts(objects.at(container, "resources", "limits"))
    if member == "limits":
        return limits
    return {**limits, **_amounts(objects.at(container, "resources", "requests"))}


def _amounts(found: model.Json) -> Amounts:
    """Each amount that can be read; what cannot, the API server refuses."""
    read = {name: quantity(value) for name, value in objects.mapping(found).items()}
    return {name: amount for name, amount in read.items() if amount is not None}


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, _NONE) + other.get(name, _NONE) for name in (*one, *other)}


def _larger(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, _NONE), other.get(name, _NONE)) for name in (*one, *other)}
