"""Rows as documents, for the structured log and for replay: written, hashed and read back.

A float is written in the shortest form that reads back as the same float, and keys are sorted, so
that equal rows have equal bytes and the same hash.
Source: evidence.md, 14.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from tidegate.evidence.counts.dispersion import Phi, PhiSource
from tidegate.evidence.counts.rows import Bins, Cohorts, Counts, Flag, PodCounts, PodLabels, Row
from tidegate.evidence.journal import codec
from tidegate.evidence.terms import Problem, Reason
from tidegate.model import Document, Json


def document(row: Row) -> Document:
    """One row as a JSON document."""
    return {
        "t0": row.t0,
        "t1": row.t1,
        "step": row.step,
        "weight": row.weight,
        "flags": [flag.value for flag in row.flags],
        "counts": {name: _counts_document(row.counts[name]) for name in sorted(row.counts)},
    }


def digest(rows: Sequence[Row]) -> str:
    """SHA-256 over the rows in their order, as 64 hex digits."""
    return digest_of([codec.canonical(document(row)) for row in rows])


class RunningDigest:
    """The digest of a table that grows, without reading it again."""

    __slots__ = ("_empty", "_hash")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._empty = True

    def add(self, row: Row) -> None:
        """One more row."""
        between = "" if self._empty else "\n"
        self._hash.update(f"{between}{codec.canonical(document(row))}".encode())
        self._empty = False

    @property
    def value(self) -> str:
        """The same as `digest` of all rows, as 64 hex digits."""
        return self._hash.hexdigest()


def digest_of(lines: Sequence[str]) -> str:
    """The same for rows as canonical texts."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read(documents: Sequence[Json]) -> tuple[Row, ...] | Problem:
    """The rows of logged documents, or what is wrong with the first one that is none."""
    rows: list[Row] = []
    for number, one in enumerate(documents):
        try:
            rows.append(_row(codec.mapping(one)))
        except (KeyError, TypeError, ValueError) as error:
            message = f"row {number} is no row of an interval table: {error}"
            return Problem(reason=Reason.ERROR, message=message)
    return tuple(rows)


def _counts_document(counts: Counts) -> Document:
    binned = {"binsC": counts.bins_c, "binsS": counts.bins_s}
    labelled = {"cohortsC": counts.cohorts_c, "cohortsS": counts.cohorts_s}
    return {
        **{key: _bins_document(bins) for key, bins in binned.items() if bins},
        **{key: _cohorts_document(cohorts) for key, cohorts in labelled.items() if cohorts},
        "nC": counts.n_c,
        "nS": counts.n_s,
        "xC": list(counts.x_c),
        "xS": list(counts.x_s),
        "phi": [{"value": p.value, "df": p.df, "source": p.source.value} for p in counts.phi],
        "podsS": _pods_document(counts.pods_s),
        "podsC": _pods_document(counts.pods_c),
        "cold": [counts.cold_c, counts.cold_s],
        "afterS": None if counts.after_s is None else _pods_document((counts.after_s,)),
        "complete": counts.complete,
    }


def _bins_document(bins: Mapping[str, Bins]) -> Document:
    """By feature the labels of its bins, and a list of counts for each pod."""
    return {
        feature: {
            "bin": list(bins[feature].labels),
            "n": [[_short(it) for it in pod] for pod in bins[feature].counts],
        }
        for feature in sorted(bins)
    }


def _cohorts_document(cohorts: Cohorts) -> Document:
    """By when a cohort begins, for each pod its name, predictions, labels, events and bad ones."""
    return {
        f"{start:.0f}": [
            [one.pod, *map(_short, (one.predictions, one.labelled, one.n, one.x))] for one in pods
        ]
        for start, pods in sorted(cohorts.items())
    }


def _pods_document(pods: Sequence[PodCounts]) -> Document:
    """Counts by the position of the pod, so that a row of 200 pods is a line that shippers carry.

    Most pods have no bad events, so a stream has only the positions that have some, as [pod, count].
    Names of one Deployment's pods begin alike, so that part stands once.
    """
    streams = zip(*(pod.x for pod in pods), strict=True)
    shared = _common_start([pod.pod for pod in pods])
    return {
        "of": shared,
        "pod": [pod.pod.removeprefix(shared) for pod in pods],
        "n": [_short(pod.n) for pod in pods],
        "x": [[[at, _short(one)] for at, one in enumerate(stream) if one] for stream in streams],
    }


def _common_start(names: Sequence[str]) -> str:
    first, last = min(names, default=""), max(names, default="")
    length = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[:length] if length is not None else first[: len(last)]


def _short(value: float) -> float:
    """The same number; a whole one without its decimal."""
    return int(value) if float(value).is_integer() else value


def _row(value: Mapping[str, Json]) -> Row:
    return Row(
        t0=codec.number(value["t0"]),
        t1=codec.number(value["t1"]),
        step=int(codec.number(value["step"])),
        weight=codec.number(value["weight"]),
        flags=tuple(Flag(str(one)) for one in codec.listed(value["flags"])),
        counts={
            name: _counts(codec.mapping(one))
            for name, one in codec.mapping(value["counts"]).items()
        },
    )


def _counts(value: Mapping[str, Json]) -> Counts:
    cold_c, cold_s = _numbers(value.get("cold", [0.0, 0.0]))
    return Counts(
        n_c=codec.number(value["nC"]),
        n_s=codec.number(value["nS"]),
        x_c=_numbers(value["xC"]),
        x_s=_numbers(value["xS"]),
        phi=tuple(_phi(codec.mapping(one)) for one in codec.listed(value["phi"])),
        pods_s=_pods(value["podsS"]),
        pods_c=_pods(value.get("podsC", [])),
        cold_c=cold_c,
        cold_s=cold_s,
        after_s=next(iter(_pods(value.get("afterS") or [])), None),
        complete=value["complete"] is True,
        bins_c=_bins(value.get("binsC", {})),
        bins_s=_bins(value.get("binsS", {})),
        cohorts_c=_cohorts(value.get("cohortsC", {})),
        cohorts_s=_cohorts(value.get("cohortsS", {})),
    )


def _cohorts(value: Json) -> Cohorts:
    return {
        float(start): tuple(_pod_labels(codec.listed(one)) for one in codec.listed(pods))
        for start, pods in codec.mapping(value).items()
    }


def _pod_labels(value: Sequence[Json]) -> PodLabels:
    pod, predictions, labelled, n, x = value
    return PodLabels(
        pod=codec.text(pod),
        predictions=codec.number(predictions),
        labelled=codec.number(labelled),
        n=codec.number(n),
        x=codec.number(x),
    )


def _bins(value: Json) -> Mapping[str, Bins]:
    return {
        feature: Bins.of(
            labels=tuple(codec.text(it) for it in codec.listed(codec.mapping(one)["bin"])),
            counts=tuple(_numbers(it) for it in codec.listed(codec.mapping(one)["n"])),
        )
        for feature, one in codec.mapping(value).items()
    }


def _phi(value: Mapping[str, Json]) -> Phi:
    return Phi(
        value=codec.number(value["value"]),
        df=int(codec.number(value["df"])),
        source=PhiSource(str(value["source"])),
    )


def _pods(value: Json) -> tuple[PodCounts, ...]:
    if not isinstance(value, Mapping):  # as the release before wrote them: one object for each pod
        return tuple(_pod(codec.mapping(one)) for one in codec.listed(value))
    totals = _numbers(value["n"])
    names = [f"{value.get('of', '')}{one}" for one in codec.listed(value["pod"])]
    streams = [_stream(one, pods=len(totals)) for one in codec.listed(value["x"])]
    return tuple(
        PodCounts(pod=name, n=total, x=tuple(stream[at] for stream in streams))
        for at, (name, total) in enumerate(zip(names, totals, strict=True))
    )


def _stream(value: Json, *, pods: int) -> list[float]:
    """Bad events of every pod, by position."""
    found = [0.0] * pods
    for one in codec.listed(value):
        at, count = _numbers(one)
        if at not in range(pods):
            raise ValueError(f"{at!r} is no position of {pods} pods")
        found[int(at)] = count
    return found


def _pod(value: Mapping[str, Json]) -> PodCounts:
    return PodCounts(
        pod=codec.text(value.get("pod", "")), n=codec.number(value["n"]), x=_numbers(value["x"])
    )


def _numbers(value: Json) -> tuple[float, ...]:
    return tuple(codec.number(one) for one in codec.listed(value))
