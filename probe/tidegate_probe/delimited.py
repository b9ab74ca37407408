"""Tables as text: CSV and its relatives, compressed or not."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from tidegate_probe.fields import ProfileError
from tidegate_probe.sources import Batch, Spelling, Value, check_names, rows_of_batch

UTF_8 = "utf-8-sig"  # with or without the mark that spreadsheets write
MISSING_WORDS = ("", "null", "NULL", "<NA>")  # and whatever reads as NaN
_DELIMITERS = ",;\t|"
_WHOLE = re.compile(r"-?\d+\.0")

Row = list[str]


class Delimited:
    """Files of text with the same columns.

    `delimiter` None is found in the first line; `missing` are further words for nothing.

    Errors: ProfileError, which names the file and what to do; OSError.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        encoding: str = UTF_8,
        delimiter: str | None = None,
        missing: Sequence[str] = (),
    ) -> None:
        self._paths = paths
        self._encoding = _known(encoding)
        if delimiter is not None and len(delimiter) != 1:
            raise ProfileError(f"delimiter: {delimiter!r} is no single character; write one")
        self._delimiter = delimiter
        self._missing = frozenset((*MISSING_WORDS, *missing))
        self.names = tuple(self._header(paths[0]))
        for path in paths[1:]:
            if tuple(self._header(path)) != self.names:
                raise ProfileError(
                    f"{path}: has other columns than {paths[0]}; give them one by one"
                )

    def batches(self, kinds: Mapping[str, str | None]) -> Iterator[Batch]:
        """As `Source.batches`."""
        size = sum(path.stat().st_size for path in self._paths)
        done = 0
        for path in self._paths:
            with self._opened(path) as (raw, rows):
                next(rows, None)
                for chunk in self._chunks(path, rows):
                    yield Batch(
                        columns=self._columns(chunk, kinds),
                        read=min(1.0, (done + raw.tell()) / max(1, size)),
                    )
            done += path.stat().st_size

    def as_served(self, texts: Sequence[str]) -> Spelling:
        """As `Source.as_served`: pandas writes true as True, and 3 as 3.0 where others miss."""
        if {text.lower() for text in texts} <= {"true", "false"}:
            return str.lower
        if all(_WHOLE.fullmatch(text) for text in texts):
            return _without_fraction
        return str

    def _header(self, path: Path) -> Row:
        with self._opened(path) as (_, rows):
            header = next(rows, [])
        if not header:
            raise ProfileError(f"{path}: is empty; its first line names the columns")
        check_names(header, file=str(path))
        if all(_is_number(name) for name in header):
            raise ProfileError(
                f"{path}: the first line holds numbers; write a line with the names of the columns "
                "before it"
            )
        return header

    @contextmanager
    def _opened(self, path: Path) -> Iterator[tuple[BinaryIO, Iterator[Row]]]:
        """The file as it lies on the disk, for how much is read, and its rows."""
        with path.open("rb") as raw, _unpacked(raw, path) as binary:
            text = io.TextIOWrapper(binary, encoding=self._encoding, newline="")
            lines = _Lines(text)
            try:
                delimiter = self._delimiter or _delimiter(text.readline())
                text.seek(0)
                yield raw, csv.reader(lines, delimiter=delimiter, strict=True)
            except UnicodeError as error:
                raise ProfileError(self._wrong_encoding(path)) from error
            except csv.Error as error:
                raise ProfileError(
                    f"{path}: line {lines.number} is no CSV ({error}); write the file anew"
                ) from error
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise ProfileError(
                    f"{path}: is not packed by gzip, or not whole ({error}); pack it anew"
                ) from error

    def _chunks(self, path: Path, rows: Iterator[Row]) -> Iterator[list[Row]]:
        width = len(self.names)
        first = 1
        while lines := list(islice(rows, rows_of_batch(width))):
            for number, row in enumerate(lines, start=first):
                if row and len(row) != width:
                    raise ProfileError(
                        f"{path}: row {number} behind the header has {len(row)} cells, but there are "
                        f"{width} columns; put quotes around a text that holds the delimiter"
                    )
            first += len(lines)
            yield [row for row in lines if row]

    def _columns(
        self, rows: Sequence[Row], kinds: Mapping[str, str | None]
    ) -> dict[str, Sequence[Value]]:
        cells = zip(*rows, strict=True) if rows else [()] * len(self.names)
        return {
            name: self._values(column, categorical=kinds[name] == "categorical")
            for name, column in zip(self.names, cells, strict=True)
            if name in kinds
        }

    def _values(self, texts: Sequence[str], *, categorical: bool) -> Sequence[Value]:
        missing = self._missing
        if categorical:
            return [None if text in missing else text for text in texts]
        if "_" not in "".join(texts):
            with suppress(ValueError):
                return [None if text in missing else float(text) for text in texts]
        return [_number_or_text(text, missing) for text in texts]

    def _wrong_encoding(self, path: Path) -> str:
        """Which line cannot be read, and in which column, where that can be said."""
        told = "UTF-8" if self._encoding == UTF_8 else self._encoding
        where = next(self._unreadable(path), "")
        return (
            f"{path}: {where}is no text in {told}; name its own, such as "
            "--encoding cp1252, latin-1 or utf-16"
        )

    def _unreadable(self, path: Path) -> Iterator[str]:
        header = b""
        with path.open("rb") as raw, _unpacked(raw, path) as binary:
            for number, line in enumerate(binary, start=1):
                header = header or line
                try:
                    line.decode(self._encoding)
                except UnicodeError:
                    yield f"line {number}{self._column_of(line, header)} "

    def _column_of(self, line: bytes, header: bytes) -> str:
        if line is header or len(line) > csv.field_size_limit():
            return ""
        texts = [one.decode(self._encoding, errors="replace") for one in (header, line)]
        delimiter = self._delimiter or _delimiter(texts[0])
        names, *rows = csv.reader(texts, delimiter=delimiter)
        bad = [at for cells in rows for at, cell in enumerate(cells) if "\ufffd" in cell]
        return f", column {names[bad[0]]!r}," if bad and bad[0] < len(names) else ""


class _Lines(Iterator[str]):
    """Lines, and how many there were."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.number = 0

    def __next__(self) -> str:
        line = next(self._text)
        self.number += 1
        return line


def _unpacked(raw: BinaryIO, path: Path) -> BinaryIO:
    # A gzip file reads like any other; only its type does not say so.
    return cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw


def _known(encoding: str) -> str:
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise ProfileError(
            f"encoding: {encoding!r} is unknown; write utf-8, cp1252 or latin-1"
        ) from error
    return encoding


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _number_or_text(text: str, missing: frozenset[str]) -> Value:
    if text in missing:
        return None
    if "_" in text:  # Python reads 1_000 as a number, other programs write names so
        return text
    try:
        return float(text)
    except ValueError:
        return text


def _is_number(text: str) -> bool:
    return isinstance(_number_or_text(text, frozenset()), float)


def _without_fraction(text: str) -> str:
    return text.removesuffix(".0")
