"""What the rules of an object say of requests, in one form whatever the object: its split by revision.

A plane reads its rules into ways; what becomes of them is the same everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate import model
from tidegate.model import objects
from tidegate.traffic import splits
from tidegate.traffic.planes.handover import Split

Headers = tuple[model.Header, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One rule: Services that answer, by weight, and those that get copies, by percent.

    `sent` has the headers of requests that take it, any of these; without any every request does.
    """

    answering: Sequence[tuple[str, int]]
    copied: Mapping[str, float] = field(default_factory=dict)
    sent: tuple[Headers, ...] = ()


def split(ways: Sequence[Way], *, name: str) -> Split:
    """Shares over all ways that look at no headers; of copies the largest.

    `name` is that of the ModelDeployment. Whoever has weight 0 is not reached by header.
    """
    sums: Counter[str] = Counter()
    by_header: dict[str, dict[Headers, None]] = {}
    copies: dict[str, float] = {}
    for way in ways:
        for service, weight in way.answering:
            revision = objects.revision_of_object(service, name=name)
            if not way.sent:
                sums[revision] += weight
            elif weight > 0:
                by_header.setdefault(revision, {}).update(dict.fromkeys(way.sent))
        for service, percent in way.copied.items():
            revision = objects.revision_of_object(service, name=name)
            copies[revision] = max(copies.get(revision, 0.0), percent)
    return Split(
        weights=splits.percents(sums),
        by_header={revision: tuple(sent) for revision, sent in by_header.items()},
        mirrors=copies,
    )
