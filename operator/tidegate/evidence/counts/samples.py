"""Raw answers of a metric source to series or numbers, or the reason why not.

Source: evidence.md, 2.2; api.md, 5.5; architecture.md, 7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tidegate.evidence.counts import exposition, scrapes
from tidegate.evidence.queries import identity
from tidegate.evidence.terms import Identity, Problem, Reason, Series
from tidegate.model import IdentityMode, Json

MATRIX, VECTOR = "matrix", "vector"
_REMARK = "PromQL info:"


def shared_out(
    result_type: str,
    *,
    expected: str,
    result: Json,
    warnings: Sequence[str],
    members: Sequence[Identity],
    mode: IdentityMode,
) -> Mapping[Identity, tuple[Json, ...] | Problem] | Problem:
    """The rows of a grouped answer by the rollout that asked for them, not yet looked into.

    Whatever labels a source tells revisions apart by, the rows come under the same: `namespace`,
    `model_deployment`, `revision`. Rows that nobody asked for are dropped: the query names every
    combination of namespaces, names and revisions. Errors: a warning (the answer may be partial),
    another type than `expected`, or a row without labels, of which nobody knows whose it is, make
    the whole answer unusable; a row from a foreign pod only that of the rollout it claims to be of.
    """
    if doubts := _doubts(warnings):
        return _partial(doubts)
    if result_type != expected or not _is_list(result):
        return _error(f"expected a {expected}, got {result_type or 'nothing'}")
    askers: dict[identity.Owner, list[Identity]] = {}
    for one in members:
        for owner in set(identity.owners(one)):
            askers.setdefault(owner, []).append(one)
    rows: dict[Identity, list[Json]] = {one: [] for one in members}
    foreign: dict[Identity, Problem] = {}
    # Numbers are aggregated under the labels that a gateway's series have.
    read_by = mode if expected == MATRIX else IdentityMode.GATEWAY
    for item in _items(result):
        labels = item.get("metric") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(labels, Mapping):
            return _error("malformed series")
        whose = identity.owner_of(labels, mode=read_by)
        if isinstance(whose, identity.Claim):
            foreign |= dict.fromkeys(askers.get(whose.owner, ()), _foreign(whose))
        elif whose in askers:
            row = {**item, "metric": identity.named(labels, owner=whose)}
            for asker in askers[whose]:
                rows[asker].append(row)
    return {asker: foreign.get(asker, tuple(found)) for asker, found in rows.items()}


def vector(
    result_type: str, *, result: Json, warnings: Sequence[str]
) -> tuple[Json, ...] | Problem:
    """The rows of an instant query, not yet looked into; a partial answer is unusable."""
    if doubts := _doubts(warnings):
        return _partial(doubts)
    if result_type != VECTOR or not _is_list(result):
        return _error(f"expected a {VECTOR}, got {result_type or 'nothing'}")
    return tuple(_items(result))


def series_of(rows: Sequence[Json]) -> tuple[Series, ...] | Problem:
    """Series of one rollout; samples that are no finite number are left out.

    Errors: a malformed row, or a series of which nobody knows whose it is.
    """
    found = parsed(rows)
    if isinstance(found, Problem):
        return found
    summed = next((one for one in found if exposition.is_a_sum(one)), None)
    if summed is None:
        return found
    return _error(
        f"series of {summed.labels.get(exposition.NAME, 'the metric')} have neither pod nor instance:"
        " a sum falls when one of its pods goes away, which looks like a restart; record and relabel"
        " so that each series is that of one pod"
    )


def parsed(rows: Sequence[Json]) -> tuple[Series, ...] | Problem:
    """Like `series_of`, but whose they are is left to the caller."""
    found: list[Series] = []
    for item in rows:
        series = _series(item)
        if isinstance(series, Problem):
            return series
        found.append(series)
    return tuple(found)


def matrix(
    result_type: str, *, result: Json, warnings: Sequence[str]
) -> tuple[Series, ...] | Problem:
    """All series of an answer that is one object's own; a vector has one sample each."""
    if doubts := _doubts(warnings):
        return _partial(doubts)
    if result_type == "vector" and _is_list(result):
        return parsed([_as_row(item) for item in _items(result)])
    if result_type != "matrix" or not _is_list(result):
        return _error(f"expected a matrix, got {result_type or 'nothing'}")
    return parsed(_items(result))


def _as_row(item: Json) -> Json:
    if not isinstance(item, Mapping):
        return item
    return {"metric": item.get("metric"), "values": [item.get("value")]}


def numbers_of(rows: Sequence[Json]) -> Mapping[str, float] | Problem:
    """One number per revision of one rollout; a revision whose number is not finite is left out.

    Errors: a malformed row, or two numbers for one revision.
    """
    numbers: dict[str, float] = {}
    seen: set[str] = set()
    for item in rows:
        labels = item.get("metric") if isinstance(item, Mapping) else None
        sample = _sample(item.get("value")) if isinstance(item, Mapping) else None
        if not isinstance(labels, Mapping) or sample is None:
            return _error("malformed sample")
        revision = str(labels.get("revision", ""))
        if revision in seen:
            return _error(f"revision {revision!r} has more than one number")
        seen.add(revision)
        if math.isfinite(sample[1]):
            numbers[revision] = sample[1]
    return numbers


def numbers_by_label(rows: Sequence[Json]) -> tuple[Series, ...] | Problem:
    """Numbers of one rollout under their labels, each a series of one sample; as `parsed`."""
    return parsed([_as_row(item) for item in rows])


def within(series: Sequence[Series], *, after: float, until: float) -> tuple[Series, ...]:
    """The samples in (after, until] unix seconds; series without any are left out."""
    cut = (
        replace(one, samples=tuple(it for it in one.samples if after < it[0] <= until))
        for one in series
    )
    return tuple(one for one in cut if one.samples)


def parse_number(
    result_type: str, *, result: Json, warnings: Sequence[str] = ()
) -> float | Problem:
    """The one number that a free query returned.

    Errors: NoData for an empty answer, NaN and infinity; Error for several series or another type.
    """
    if doubts := _doubts(warnings):
        return _partial(doubts)
    if result_type == "scalar":
        return _number(result)
    if result_type != "vector" or not _is_list(result):
        return _error(f"expected one number, got {result_type or 'nothing'}")
    items = _items(result)
    if not items:
        return Problem(reason=Reason.NO_DATA, message="the query returned nothing")
    if len(items) > 1:
        return _error(f"expected one series, got {len(items)}")
    item = items[0]
    return _number(item.get("value")) if isinstance(item, Mapping) else _error("malformed sample")


def _series(item: Json) -> Series | Problem:
    if not isinstance(item, Mapping):
        return _error("malformed series")
    labels, values = item.get("metric"), item.get("values")
    if not isinstance(labels, Mapping) or not _is_list(values):
        return _error(
            "a series has no plain samples: native histograms are not supported, scrape classic ones "
            "too (always_scrape_classic_histograms)"
        )
    samples: list[tuple[float, float]] = []
    for value in _items(values):
        sample = _sample(value)
        if sample is None:
            return _error("malformed sample")
        if math.isfinite(sample[1]):
            samples.append(sample)
    names = {str(key): str(value) for key, value in labels.items()}
    return Series(labels=names, samples=tuple(sorted(samples)))


def _sample(value: Json) -> tuple[float, float] | None:
    """A pair of unix seconds and a number written as a string."""
    pair = _items(value)
    if len(pair) != 2:
        return None
    instant, text = pair
    if isinstance(instant, bool) or not isinstance(instant, int | float):
        return None
    if not isinstance(text, str):
        return None
    try:
        return float(instant), float(text)
    except (ValueError, OverflowError):  # an integer may have any number of digits
        return None


def _number(value: Json) -> float | Problem:
    sample = _sample(value)
    if sample is None:
        return _error("malformed sample")
    if not math.isfinite(sample[1]):
        return Problem(reason=Reason.NO_DATA, message=f"the query returned {sample[1]}")
    return sample[1]


def scraped_twice(series: Sequence[Series]) -> str:
    """A pod that two scrapes met at one address and that told both the same; empty without one.

    Of two addresses of a pod it takes counters that move to tell; see `tally`.
    """
    met: dict[tuple[exposition.Counter, tuple[str, ...]], list[scrapes.Entry]] = {}
    for one in scrapes.entries_of(series):
        met.setdefault((one.lane.counter, one.lane.place), []).append(one)
    twice = {
        counter.pod
        for (counter, _), found in met.items()
        if len(found) > 1 and exposition.agree([one.samples for one in found])
    }
    return min(twice, default="")


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _is_list(value: Json) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _foreign(claim: identity.Claim) -> Problem:
    return _error(
        f"a series with the labels of revision {claim.owner.revision} comes from pod {claim.pod}, "
        "which is none of its pods: scrape with honor_labels off, and let no pod label of a user "
        f"become {identity.REVISION} or {identity.MODEL_DEPLOYMENT}"
    )


def _doubts(warnings: Sequence[str]) -> tuple[str, ...]:
    """The warnings without remarks on how a query is written.

    From 2.48 to 2.53, and where it is built into others, Prometheus lists those among them.
    """
    return tuple(one for one in warnings if not one.startswith(_REMARK))


def _partial(warnings: Sequence[str]) -> Problem:
    message = f"the answer may be partial: {'; '.join(warnings)}"
    return Problem(reason=Reason.METRICS_UNAVAILABLE, message=message[:500])


def _error(message: str) -> Problem:
    return Problem(reason=Reason.ERROR, message=message)
