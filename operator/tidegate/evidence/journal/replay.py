"""What the log says of the evidence of a rollout, and the same judgements worked out again from it.

Three kinds of documents tell all: how a rollout is judged (`opened`), each closed interval (`row`)
and each look (`judged`). The rollout is named so that no other one in the same log has its name,
such as `namespace/id`. Opening a rollout again, as after a restart, begins it from the start; where rows came
late it continues what distributions have shown, of which the rows are not written twice.
Source: evidence.md, 14.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tidegate.evidence.counts.rows import Counts, Row
from tidegate.evidence.journal import codec, row_lines
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import OPEN, Context, EvidenceConfig, Judgement
from tidegate.evidence.sequential.ledger import Ledger
from tidegate.evidence.verdict import engine
from tidegate.model import Document, Json

T = TypeVar("T")

OPENED = "evidence-opened"
ROW = "evidence-row"
JUDGED = "evidence-judged"
_EVENTS = (OPENED, ROW, JUDGED)
_MARK = '"evidence-'
# What damaged or foreign lines come to when they are worked out.
_DAMAGED = (ArithmeticError, LookupError, AssertionError, RecursionError, TypeError, ValueError)


def opened(
    *, rollout: str, namespace: str, name: str, config: EvidenceConfig, continues: bool = False
) -> Document:
    """How the rollout of this ModelDeployment is judged from its first row on.

    Where it `continues`, what distributions have shown stays, and rows come again without these.
    """
    return {
        "event": OPENED,
        "rollout": rollout,
        "namespace": namespace,
        "name": name,
        "continues": continues,
        "config": codec.write(config),
    }


def row(*, rollout: str, row: Row) -> Document:
    """One more closed interval."""
    return {"event": ROW, "rollout": rollout, "row": row_lines.document(row)}


def judged(
    *, rollout: str, rows: int, digest: str, context: Context, judgement: Judgement
) -> Document:
    """One look: how many rows it was based on, their digest, what else it knew, what it found."""
    return {
        "event": JUDGED,
        "rollout": rollout,
        "rows": rows,
        "digest": digest,
        "context": codec.write(context),
        "judgement": codec.write(_decided(judgement)),
    }


def _decided(judgement: Judgement) -> Judgement:
    """Without what is for display: it decides nothing and is not rounded for other machines."""
    findings = tuple(
        replace(one, ratio=None, ratio_interval=OPEN, rate_interval=OPEN, phi=None)
        for one in judgement.findings
    )
    return replace(judgement, findings=findings)


# --- worked out again ----------------------------------------------------------------------------


class LogError(ValueError):
    """A line that cannot be replayed; the message names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A judgement worked out again. `difference` says where the logged one differs, if it does."""

    line: int
    rollout: str
    context: Context
    judgement: Judgement
    difference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All judgements of a log up to the first difference.

    `skipped` are those of rollouts that were opened before the log begins.
    """

    looks: tuple[Look, ...]
    skipped: int

    @property
    def difference(self) -> str:
        """The first difference in words, with its line; empty when all are equal."""
        last = self.looks[-1] if self.looks else None
        return f"line {last.line}: {last.difference}" if last and last.difference else ""


def replay(lines: Iterable[str], *, rollout: str = "") -> Report:
    """Work out every judgement of a log again from its rows, and compare it byte by byte.

    Other lines of the log are passed over. `rollout` names the one that is wanted, with or without
    its namespace; empty are all.
    Errors: LogError for a line that speaks of evidence and cannot be read.
    """
    sessions: dict[str, _Session] = {}
    looks: list[Look] = []
    skipped = 0
    for number, document in _documents(lines):
        name = _field(document, "rollout", number=number)
        if not isinstance(name, str) or (rollout and rollout not in (name, name.split("/")[-1])):
            continue
        with _told(number):
            if document["event"] == OPENED:
                _open(sessions, document, name=name, number=number)
            elif name not in sessions:
                skipped += document["event"] == JUDGED
            elif document["event"] == ROW:
                sessions[name].take(document, number=number)
            else:
                looks.append(sessions[name].judge(document, rollout=name, number=number))
        if looks and looks[-1].difference:
            break
    return Report(looks=tuple(looks), skipped=skipped)


@contextmanager
def _told(number: int) -> Iterator[None]:
    """Whatever a line comes to, it is named."""
    try:
        yield
    except LogError:
        raise
    except _DAMAGED as error:
        raise _broken(
            number, f"it cannot be worked out ({type(error).__name__} {error})"
        ) from error


def _open(sessions: dict[str, _Session], document: Document, *, name: str, number: int) -> None:
    config = _read(EvidenceConfig, document, "config", number=number)
    before = sessions.pop(name, None)
    if not document.get("continues"):
        sessions[name] = _Session(config=config, ledger=ledger.begin(config))
    elif before is not None:
        state = ledger.begin(config, drifts=before.ledger.drifts)
        sessions[name] = _Session(config=config, ledger=state)


@dataclass(slots=True, kw_only=True)
class _Session:
    """A rollout as far as the log has told of it."""

    config: EvidenceConfig
    ledger: Ledger
    lines: list[str] = field(default_factory=list)

    def take(self, document: Document, *, number: int) -> None:
        logged = _field(document, "row", number=number)
        found = row_lines.read([logged])
        if not isinstance(found, tuple):
            raise _broken(number, found.message)
        for rule in self.config.metrics:
            counts = found[0].counts.get(rule.name)
            if counts is not None and rule.counts_bad and not _fits(counts, streams=rule.streams):
                raise _broken(
                    number, f"{rule.name} has not the {rule.streams} streams of its config"
                )
        self.ledger = ledger.record(self.ledger, row=found[0], config=self.config)
        # The digest is of the line as it was written, perhaps by the release before.
        self.lines.append(codec.canonical(logged))

    def judge(self, document: Document, *, rollout: str, number: int) -> Look:
        context = _read(Context, document, "context", number=number)
        found = engine.decide(self.ledger, context=context, config=self.config)
        return Look(
            line=number,
            rollout=rollout,
            context=context,
            judgement=found,
            difference=self._difference(document, found, number=number),
        )

    def _difference(self, document: Document, found: Judgement, *, number: int) -> str:
        if _field(document, "digest", number=number) != row_lines.digest_of(self.lines):
            return (
                f"it was based on {document.get('rows')} rows, the {len(self.lines)} rows before "
                "it in the log are not the same: lines are missing or were changed"
            )
        logged = _field(document, "judgement", number=number)
        again = codec.write(_decided(found))
        if codec.canonical(logged) == codec.canonical(again):
            return ""
        return _first_difference("judgement", logged, again)


def _fits(counts: Counts, *, streams: int) -> bool:
    """A number for each stream, as the ledger would leave out the metric without."""
    return {len(counts.x_c), len(counts.x_s), len(counts.phi)} == {streams}


def _documents(lines: Iterable[str]) -> Iterator[tuple[int, Document]]:
    """The documents of this module with the numbers of their lines, from 1."""
    for number, line in enumerate(lines, start=1):
        if _MARK not in line:
            continue
        try:
            document = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise _broken(number, f"it is no JSON ({error})") from error
        if isinstance(document, dict) and document.get("event") in _EVENTS:
            yield number, document


def _refuse(constant: str) -> Json:
    raise ValueError(f"{constant} is no number of JSON")


def _broken(number: int, problem: str) -> LogError:
    return LogError(
        f"line {number} cannot be replayed: {problem}; give the operator's log as it was written, "
        "with whole lines, no prefixes and the version of Tidegate that wrote it"
    )


def _field(document: Document, name: str, *, number: int) -> Json:
    if name not in document:
        raise _broken(number, f"it has no {name}")
    return document[name]


def _read(kind: type[T], document: Document, name: str, *, number: int) -> T:
    try:
        return codec.read(kind, _field(document, name, number=number))
    except (TypeError, ValueError) as error:
        raise _broken(number, f"{name}: {error}") from error


def _first_difference(path: str, logged: Json, again: Json) -> str:
    """Where two documents that differ do so first, in the order of their keys."""
    if isinstance(logged, Mapping) and isinstance(again, Mapping):
        for key in sorted(set(logged) | set(again)):
            if key not in logged or key not in again:
                return f"{path}.{key} is only in the {'logged' if key in logged else 'new'} one"
            if codec.canonical(logged[key]) != codec.canonical(again[key]):
                return _first_difference(f"{path}.{key}", logged[key], again[key])
    if isinstance(logged, list) and isinstance(again, list) and len(logged) == len(again):
        for index, (one, other) in enumerate(zip(logged, again, strict=True)):
            if codec.canonical(one) != codec.canonical(other):
                return _first_difference(f"{path}[{index}]", one, other)
    return f"{path} is {codec.canonical(logged)} in the log and {codec.canonical(again)} now"
