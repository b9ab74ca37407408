"""Which labels of a pod's series are its application's, by the data and not by their names.

What a scrape adds has one value on all series of a target, so a label that differs among series of
one scrape is the application's, whatever it is called. Until such a scrape is seen its name is the
hint; what was found stays. Two jobs that store one exposition at the same instants, as federation
does, differ as well: their series are mirrors of each other, and tell nothing.
Source: ADR 0041.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tidegate.evidence.counts import exposition
from tidegate.evidence.counts.exposition import Labels, Lane, Samples

Pod = tuple[str, str]
Owned = Mapping[Pod, frozenset[str]]  # names of labels, by revision and pod
NONE: Owned = {}

_INSTANCE = "instance"
_PORTS = range(1, 65536)
_Scrape = dict[Labels, dict[float, float]]  # values by own labels and instant
_Series = list[tuple[Labels, Samples]]


def found(series: Iterable[tuple[Lane, Samples]], *, known: Owned = NONE) -> Owned:
    """The labels that are an application's by these series or were known to be, by pod."""
    by_pod: dict[Pod, dict[Labels, _Series]] = {}
    for lane, samples in series:
        here = placed(lane, known)
        pod = here.counter.revision, here.counter.pod
        by_pod.setdefault(pod, {}).setdefault(here.added, []).append((here.counter.own, samples))
    result = dict(known)
    for pod, by_added in by_pod.items():
        names = _differing(by_added) if len(by_added) > 1 else frozenset()
        if names:
            result[pod] = result.get(pod, frozenset()) | names
    return result


def placed(lane: Lane, owned: Owned) -> Lane:
    """The lane with the labels of its pod's application among its counter's own."""
    names = owned.get((lane.counter.revision, lane.counter.pod)) if owned else None
    return lane if not names else exposition.moved(lane, names)


def joined(one: Owned, other: Owned) -> Owned:
    """What either of them knows."""
    if not one or not other:
        return one or other
    return {pod: one.get(pod, frozenset()) | other.get(pod, frozenset()) for pod in (*one, *other)}


def _differing(by_added: Mapping[Labels, _Series]) -> frozenset[str]:
    """The labels that differ among series of one scrape of a pod."""
    names: set[str] = set()
    for one, other in _met(by_added):
        differ = {name for name, _ in set(one) ^ set(other)}
        if not differ <= names and not _mirror(_scrape(by_added[one]), _scrape(by_added[other])):
            names |= differ
    return frozenset(names)


def _met(by_added: Mapping[Labels, _Series]) -> Iterator[tuple[Labels, Labels]]:
    """Which labels met which others at the same instants of one target.

    All series of a target share its instants, so the ends of a series tell; those that met others are
    met by no further ones. Two ports of a pod are two targets, which may share an instant by chance.
    """
    seen: dict[float, list[Labels]] = {}
    for added in sorted(by_added, key=lambda it: (-_most(by_added[it]), it)):
        ends = {samples[place][0] for _, samples in by_added[added] for place in (0, -1)}
        others = {it for at in ends for it in seen.get(at, ()) if _is_one_target(it, added)}
        yield from ((other, added) for other in sorted(others))
        if not others:
            for at in {at for _, samples in by_added[added] for at, _ in samples}:
                seen.setdefault(at, []).append(added)


def _most(series: _Series) -> int:
    return max(len(samples) for _, samples in series)


def _is_one_target(one: Labels, other: Labels) -> bool:
    """An address with another port is another target; anything else of a pod is no address of it."""
    instance, another = (dict(it).get(_INSTANCE, "") for it in (one, other))
    return instance == another or _host(instance) != _host(another)


def _host(instance: str) -> str:
    """The host of an address with a port; what is none stands for itself."""
    host, _, port = instance.rpartition(":")
    is_address = port.isascii() and port.isdecimal() and int(port) in _PORTS
    return host if host and is_address else instance


def _scrape(series: _Series) -> _Scrape:
    values: _Scrape = {}
    for own, samples in series:
        values.setdefault(own, {}).update(samples)
    return values


def _mirror(one: _Scrape, other: _Scrape) -> bool:
    """True if both may be the same exposition, stored twice.

    Counters that have both agree at all instants; and they move, or there are no others.
    """
    moved = False
    for own in one.keys() & other.keys():
        both = one[own].keys() & other[own].keys()
        if any(one[own][at] != other[own][at] for at in both):
            return False
        moved = moved or len({one[own][at] for at in both}) > 1
    return moved or _last(one) == _last(other)


def _last(scrape: _Scrape) -> dict[Labels, float]:
    return {own: max(values) for own, values in scrape.items()}
