"""Two histograms made comparable before their distance is taken: same bins, enough in each.

    >>> pair = comparable(Binned(ordered=(500, 300, 200)), current=Binned(ordered=(40, 35, 25)))

Source: evidence.md, 10.1 and 10.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tidegate.evidence.counts import exposition
from tidegate.evidence.drift import numeric
from tidegate.evidence.terms import Problem, Reason

MIN_EXPECTED = 5.0
EXPORTER_TOLERANCE = 0.01
MISSING, OTHER = "missing", "other"

Both = tuple[float, float]  # one bin: reference, current


@dataclass(frozen=True, slots=True, kw_only=True)
class Binned:
    """Observations of one feature, score or class.

    Shapes: `ordered` (bins,) ascending over edges fixed by the training baseline, outer bins open;
            `missing` and `other` are bins of their own.
    Units:  counts.
    """

    ordered: tuple[float, ...]
    missing: float = 0.0
    other: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Counts over the same bins. Shapes: both (B,), B >= 2.

    None is empty in both, but for the second of two: it stands for whatever a constant is not.
    """

    reference: tuple[float, ...]
    current: tuple[float, ...]


def comparable(reference: Binned, *, current: Binned) -> Pair | Problem:
    """Both histograms over the finest common bins that the current window can fill.

    Bins empty in both are dropped. A window below five observations per bin has the bin with the
    smallest share in the reference (of equals the outermost) merged into its smaller neighbour
    until each is expected to hold five. Only the reference decides what is merged, so that the
    test keeps its size. `missing` and `other` stay apart. A feature that is constant on both sides
    has an empty bin beside it: so many observations that were never there are a proof, too.

    Shapes: `ordered` of both has one length.
    Errors: Problem(NoData) when a side is empty or nothing but `missing` was seen,
            Problem(Insufficient) where too few observations leave less than two bins.
    Source: evidence.md, 10.5.
    """
    assert len(reference.ordered) == len(current.ordered), "the edges differ"
    ordered = _seen(zip(reference.ordered, current.ordered, strict=True))
    apart = _seen([(reference.missing, current.missing), (reference.other, current.other)])
    total = _sum([*ordered, *apart])
    seen = len(ordered) + len(apart)
    if _thin(total, size=seen):
        ordered = _merged_inwards(ordered, total=total)
    missing = (reference.missing, current.missing)
    return _checked([*ordered, *apart], total=total, missing=missing, constant=seen == 1)


def comparable_categories(
    reference: Mapping[str, float], *, current: Mapping[str, float]
) -> Pair | Problem:
    """Counts by category over common bins; what the reference does not know counts as `other`.

    Categories stand in the order of their names, then `missing`; `other` (categories of these
    names, if the reference has them) comes last. A window below five observations per category has
    the rarest of the reference folded into `other`; `missing` stays apart.

    Errors: as `comparable`.
    Source: evidence.md, 10.5.
    """
    apart = (MISSING, OTHER)
    known = sorted(name for name in reference if name not in apart)
    numeric.counts(current.values())
    unknown = math.fsum(current[name] for name in sorted(current) if name not in (*known, MISSING))
    named = _seen((reference[name], current.get(name, 0.0)) for name in known)
    missing = _seen([(reference.get(MISSING, 0.0), current.get(MISSING, 0.0))])
    other = (reference.get(OTHER, 0.0), unknown)
    total = _sum([*named, *missing, other])
    seen = len(named) + len(missing) + len(_seen([other]))
    if _thin(total, size=seen):
        rare = [both for both in named if _expected(both, total=total) < MIN_EXPECTED]
        named = [both for both in named if both not in rare]
        other = _sum([*rare, other])
    found = [*named, *missing, *_seen([other])]
    return _checked(found, total=total, missing=_sum(missing), constant=seen == 1)


def by_label(reference: Mapping[str, float], *, current: Mapping[str, float]) -> Pair | Problem:
    """Both histograms over common bins, by the labels that counters carry.

    Labels that are numbers up to `+Inf` are upper edges; any others are categories. Edges, and a list
    of categories with `other` for the rest, are fixed beforehand: then both sides must have the
    same ones, whatever they count. Other categories may appear with their first observation.

    Errors: Problem(IncompatibleBins) for other edges or another list; else as `comparable`.
    Source: evidence.md, 10.5.
    """
    if _are_edges(sorted({*reference, *current} - {MISSING, OTHER}, key=_edge)):
        reference, current = _spelled(reference), _spelled(current)
    labels = {*reference, *current}
    if _is_fixed(labels) and reference.keys() != current.keys():
        return Problem(reason=Reason.INCOMPATIBLE_BINS, message=_differing(reference, current))
    edges = sorted(labels - {MISSING, OTHER}, key=_edge)
    if not _are_edges(edges):
        return comparable_categories(reference, current=current)
    first, second = (
        Binned(
            ordered=tuple(side[label] for label in edges),
            missing=side.get(MISSING, 0.0),
            other=side.get(OTHER, 0.0),
        )
        for side in (reference, current)
    )
    return comparable(first, current=second)


def _is_fixed(labels: AbstractSet[str]) -> bool:
    return OTHER in labels or any(_edge(it) == math.inf for it in labels - {MISSING})


def _spelled(bins: Mapping[str, float]) -> Mapping[str, float]:
    """The same bins, whose edges are told by their numbers."""
    return {exposition.spelled(label): count for label, count in bins.items()}


def _are_edges(labels: Sequence[str]) -> bool:
    edges = [_edge(it) for it in labels]
    return bool(edges) and edges[-1] == math.inf and not any(map(math.isnan, edges))


def _edge(label: str) -> float:
    """The upper edge that a label says, NaN where it says none."""
    try:
        return float(label)
    except ValueError:
        return math.nan


def _differing(reference: Mapping[str, float], current: Mapping[str, float]) -> str:
    """Which bins stand on one side alone, for people."""
    lacks = sorted(reference.keys() - current.keys())
    more = sorted(current.keys() - reference.keys())
    sides = ((more, "only of the candidate"), (lacks, "only of the reference"))
    texts = [f"{_listed(labels)} {whose}" for labels, whose in sides if labels]
    return f"bins differ: {'; '.join(texts)}"


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:3])
    return f"{shown} and {len(labels) - 3} more" if len(labels) > 3 else shown


def collapse_equal_edges(
    counts: Sequence[float], *, edges: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Counts and edges without the bins that have no width, as ties in the baseline make them.

    Shapes: edges (bins - 1,) ascending with repetitions, counts (bins,) with open outer bins; the
            result has the distinct edges, and their counts.
    Source: evidence.md, 10.5.
    """
    assert len(counts) == len(edges) + 1, (len(counts), len(edges))
    assert list(edges) == sorted(edges), "edges must ascend"
    kept_counts, kept_edges = [counts[0]], [] if not edges else [edges[0]]
    for index in range(1, len(edges)):
        if edges[index] == kept_edges[-1]:
            kept_counts[-1] += counts[index]
        else:
            kept_counts.append(counts[index])
            kept_edges.append(edges[index])
    tail = [counts[-1]] if edges else []
    return tuple(kept_counts + tail), tuple(kept_edges)


def exporter_agrees(predictions: float, *, inputs: float) -> bool:
    """Predictions and observed inputs of one window are within one percent of each other."""
    return abs(predictions - inputs) <= EXPORTER_TOLERANCE * max(predictions, inputs)


def _seen(bins: Iterable[Both]) -> list[Both]:
    checked = [numeric.counts(both).tolist() for both in bins]
    return [(r, c) for r, c in checked if (r, c) != (0.0, 0.0)]


def _sum(bins: Sequence[Both]) -> Both:
    return math.fsum(r for r, _ in bins), math.fsum(c for _, c in bins)


def _thin(total: Both, *, size: int) -> bool:
    return total[1] < MIN_EXPECTED * size


def _expected(both: Both, *, total: Both) -> float:
    """What the current window holds in a bin if nothing changed."""
    return total[1] * both[0] / total[0] if total[0] else 0.0


def _merged_inwards(ordered: Sequence[Both], *, total: Both) -> list[Both]:
    merged = list(ordered)
    for _ in range(len(ordered) - 1):
        last = len(merged) - 1
        smallest = min(range(last + 1), key=lambda at: (merged[at][0], min(at, last - at), at))
        if _expected(merged[smallest], total=total) >= MIN_EXPECTED:
            break
        beside = [at for at in (smallest - 1, smallest + 1) if 0 <= at <= last]
        partner = min(beside, key=lambda at: (merged[at][0], at))
        low, high = min(smallest, partner), max(smallest, partner)
        merged[low : high + 1] = [_sum(merged[low : high + 1])]
    return merged


def _checked(bins: Sequence[Both], *, total: Both, missing: Both, constant: bool) -> Pair | Problem:
    if total[0] == 0:
        return numeric.no_data("the reference is empty")
    if total[1] == 0:
        return numeric.no_data("the current window is empty")
    if missing == total:
        return numeric.no_data("both sides have missing values only")
    if constant and not _thin(total, size=2):
        bins = [*bins, (0.0, 0.0)]
    if len(bins) < 2:
        return numeric.insufficient("less than two bins are left")
    return Pair(reference=tuple(r for r, _ in bins), current=tuple(c for _, c in bins))
