"""Rows as documents, for the structured log and for replay: written, hashed and read back.

A float is written in the shortest form that reads back as the same float, and keys are sorted, so
that equal rows have equal bytes and the same hash.
Source: evidence.md, 14.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from tidegate.evidence.counts.dispersion import Phi, PhiSource
from tidegate.evidence.counts.rows import Counts, Flag, PodCounts, Row
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
    return {
        "nC": counts.n_c,
        "nS": counts.n_s,
        "xC": list(counts.x_c),
        "xS": list(counts.x_s),
        "phi": [{"value": p.value, "df": p.df, "source": p.source.value} for p in counts.phi],
        "podsS": [_pod_document(pod) for pod in counts.pods_s],
        "podsC": [_pod_document(pod) for pod in counts.pods_c],
        "afterS": None if counts.after_s is None else _pod_document(counts.after_s),
        "complete": counts.complete,
    }


def _pod_document(pod: PodCounts) -> Document:
    return {"pod": pod.pod, "n": pod.n, "x": list(pod.x)}


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
    return Counts(
        n_c=codec.number(value["nC"]),
        n_s=codec.number(value["nS"]),
        x_c=_numbers(value["xC"]),
        x_s=_numbers(value["xS"]),
        phi=tuple(_phi(codec.mapping(one)) for one in codec.listed(value["phi"])),
        pods_s=tuple(_pod(codec.mapping(one)) for one in codec.listed(value["podsS"])),
        pods_c=tuple(_pod(codec.mapping(one)) for one in codec.listed(value["podsC"])),
        after_s=None if value["afterS"] is None else _pod(codec.mapping(value["afterS"])),
        complete=value["complete"] is True,
    )


def _phi(value: Mapping[str, Json]) -> Phi:
    return Phi(
        value=codec.number(value["value"]),
        df=int(codec.number(value["df"])),
        source=PhiSource(str(value["source"])),
    )


def _pod(value: Mapping[str, Json]) -> PodCounts:
    return PodCounts(
        pod=codec.text(value["pod"]), n=codec.number(value["n"]), x=_numbers(value["x"])
    )


def _numbers(value: Json) -> tuple[float, ...]:
    return tuple(codec.number(one) for one in codec.listed(value))
