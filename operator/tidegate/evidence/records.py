"""Rows as documents, for the structured log and for replay: written, hashed and read back.

A float is written in the shortest form that reads back as the same float, and keys are sorted, so
that equal rows have equal bytes and the same hash.
Source: evidence.md, 14.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from tidegate.evidence.dispersion import Phi, PhiSource
from tidegate.evidence.intervals import Counts, Flag, PodCounts, Row
from tidegate.evidence.model import Problem, Reason
from tidegate.rollout.model import Document, Json


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
    lines = [json.dumps(document(row), sort_keys=True, separators=(",", ":")) for row in rows]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read(documents: Sequence[Json]) -> tuple[Row, ...] | Problem:
    """The rows of logged documents, or what is wrong with the first one that is none."""
    rows: list[Row] = []
    for number, one in enumerate(documents):
        try:
            rows.append(_row(_mapping(one)))
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
        "podsS": [{"n": pod.n, "x": list(pod.x)} for pod in counts.pods_s],
        "complete": counts.complete,
    }


def _row(value: Mapping[str, Json]) -> Row:
    return Row(
        t0=_number(value["t0"]),
        t1=_number(value["t1"]),
        step=int(_number(value["step"])),
        weight=_number(value["weight"]),
        flags=tuple(Flag(str(one)) for one in _list(value["flags"])),
        counts={name: _counts(_mapping(one)) for name, one in _mapping(value["counts"]).items()},
    )


def _counts(value: Mapping[str, Json]) -> Counts:
    return Counts(
        n_c=_number(value["nC"]),
        n_s=_number(value["nS"]),
        x_c=_numbers(value["xC"]),
        x_s=_numbers(value["xS"]),
        phi=tuple(_phi(_mapping(one)) for one in _list(value["phi"])),
        pods_s=tuple(_pod(_mapping(one)) for one in _list(value["podsS"])),
        complete=value["complete"] is True,
    )


def _phi(value: Mapping[str, Json]) -> Phi:
    return Phi(
        value=_number(value["value"]),
        df=int(_number(value["df"])),
        source=PhiSource(str(value["source"])),
    )


def _pod(value: Mapping[str, Json]) -> PodCounts:
    return PodCounts(n=_number(value["n"]), x=_numbers(value["x"]))


def _mapping(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is no object")
    return value


def _list(value: Json) -> Sequence[Json]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{value!r} is no list")
    return value


def _numbers(value: Json) -> tuple[float, ...]:
    return tuple(_number(one) for one in _list(value))


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value
