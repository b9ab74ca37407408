"""Tables in Parquet files, by pyarrow where it is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidegate_probe.bins import category_text, is_missing
from tidegate_probe.fields import ProfileError
from tidegate_probe.sources import Batch, Spelling, Value, check_names, rows_of_batch


class Parquet:
    """Parquet files with the same columns.

    Errors: ProfileError, which names the file and what to do, also where pyarrow is missing.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = {path: _opened(path) for path in paths}
        first, *others = self._files.items()
        self.names = tuple(first[1].schema_arrow.names)
        check_names(self.names, file=str(first[0]))
        for path, file in others:
            if tuple(file.schema_arrow.names) != self.names:
                raise ProfileError(
                    f"{path}: has other columns than {first[0]}; give them one by one"
                )

    def batches(self, kinds: Mapping[str, str | None]) -> Iterator[Batch]:
        """As `Source.batches`."""
        rows = sum(file.metadata.num_rows for file in self._files.values())
        done = 0
        names = [name for name in self.names if name in kinds]
        for path, file in self._files.items():
            for batch in file.iter_batches(rows_of_batch(len(names)), columns=names):
                done += batch.num_rows
                columns = {
                    name: _values(batch.column(name), name, path, told=kinds[name])
                    for name in names
                }
                yield Batch(columns=columns, read=done / max(1, rows))

    def as_served(self, texts: Sequence[str]) -> Spelling:  # noqa: ARG002  # as Source
        """As `Source.as_served`: the types say how."""
        return str


def _opened(path: Path) -> Any:
    try:
        # Optional, and hundreds of megabytes: only who has Parquet needs it.
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ProfileError(
            f"{path}: Parquet is read by pyarrow, which is not installed: "
            "pip install 'tidegate-probe[parquet]', or write the data as CSV"
        ) from error
    try:
        return parquet.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ProfileError(f"{path}: is no Parquet file ({error}); write it anew") from error


def _values(array: Any, name: str, path: Path, *, told: str | None) -> Sequence[Value]:
    """Numbers, texts and None; truth values become texts as JSON has them."""
    import pyarrow as pa  # noqa: PLC0415  # as above

    kind, is_a = array.type, pa.types
    if is_a.is_dictionary(kind):
        array, kind = array.dictionary_decode(), kind.value_type
    if is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_decimal(kind):
        if told == "categorical":
            return [None if is_missing(one) else category_text(one) for one in array.to_pylist()]
        numbers: list[Value] = array.cast(pa.float64(), safe=False).to_pylist()
        return numbers
    if is_a.is_boolean(kind) or is_a.is_string(kind) or is_a.is_large_string(kind):
        texts: list[Value] = array.cast(pa.string()).to_pylist()
        return [text or None for text in texts]
    if is_a.is_null(kind):
        return [None] * len(array)
    raise ProfileError(
        f"{path}: column {name!r} holds {kind}; make a number or a name of it, or --drop {name}"
    )
