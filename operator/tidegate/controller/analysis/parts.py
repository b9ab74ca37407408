"""What is too large for one answer, in parts: by subject, by pod, by bucket edge.

A part of one subject is cut once more where its answer is too large, and only there; how a subject
was cut is remembered, so that nothing is tried in vain again. Shorter spans are up to the caller.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.evidence.queries.promql import EDGE_HALVINGS, POD_HALVINGS, edges_part, pods_part
from tidegate.evidence.terms import Identity

MAX_PARTS = 32  # of one subject and one metric: what one subject may take of a source at a tick
MAX_REMEMBERED = 1000  # subjects that are known to be large
_BUCKET = "_bucket"


@dataclass(frozen=True, slots=True)
class Half:
    """One of 2 ** halvings parts, by number."""

    halvings: int = 0
    number: int = 0

    def halves(self) -> tuple[Half, Half]:
        """The two parts of this one."""
        bit = 1 << self.halvings
        deeper = self.halvings + 1
        return Half(deeper, self.number), Half(deeper, self.number | bit)


@dataclass(frozen=True, slots=True)
class Part:
    """One query: which metric, for whom, and which of their pods and bucket edges."""

    metric: str
    members: tuple[Identity, ...]
    pods: Half = Half()
    edges: Half = Half()

    @property
    def matchers(self) -> tuple[str, ...]:
        """Rendered matchers that leave out the other parts."""
        return (
            *pods_part(self.pods.number, halvings=self.pods.halvings),
            *edges_part(self.edges.number, halvings=self.edges.halvings),
        )

    def halves(self) -> tuple[Part, ...]:
        """Two smaller ones; none where it cannot be made smaller."""
        if len(self.members) > 1:
            middle = len(self.members) // 2
            found = (self.members[:middle], self.members[middle:])
            return tuple(Part(self.metric, members) for members in found)
        by_edge = self.metric.endswith(_BUCKET) and self.edges.halvings < EDGE_HALVINGS
        # In turns: one pod may have many buckets, and one bucket many pods.
        if by_edge and self.edges.halvings < self.pods.halvings:
            found_edges = self.edges.halves()
            return tuple(Part(self.metric, self.members, self.pods, one) for one in found_edges)
        if self.pods.halvings < POD_HALVINGS:
            found_pods = self.pods.halves()
            return tuple(Part(self.metric, self.members, one, self.edges) for one in found_pods)
        return ()


class Partitions:
    """How large subjects were cut, by what was asked; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[object, tuple[Part, ...]] = OrderedDict()

    def parts(self, key: object, whole: Part) -> tuple[Part, ...]:
        """The parts of one subject that were small enough before, else the whole."""
        return self._known.get(key, (whole,))

    def is_known(self, key: object) -> bool:
        """Whether the subject was too large before."""
        return key in self._known

    def cut(self, key: object, part: Part) -> Sequence[Part]:
        """The halves of a part of one subject, remembered; none where there would be too many."""
        halves = part.halves()
        parts = self._known.get(key, (part,))
        if not halves or len(parts) == MAX_PARTS:
            return ()
        if part in parts:  # another question may have cut it meanwhile
            self._known[key] = (*(one for one in parts if one != part), *halves)
            while len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
        return halves
