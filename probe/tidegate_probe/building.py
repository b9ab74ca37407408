"""A profile of files: what `Profile.fit` does with data that need not fit into memory.

Two passes: the first finds the bins, the second counts. What a person can mend is refused, with
every column that is wrong in one message; in code of theirs they would see it.
"""

from __future__ import annotations

import difflib
import shlex
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tidegate_probe.bins import Bins, CategoryBins, NumericBins, count
from tidegate_probe.fields import Field, Positive, ProfileError
from tidegate_probe.profile import SIZE, Profile, check_rows
from tidegate_probe.sources import Source, Spelling, Value
from tidegate_probe.survey import MOST_TEXTS, Survey, finite

LEAST_COVERED = 0.2  # of the rows with a category: below, it is rather an identifier
_SHOWN = 10  # problems in one message
_LONGEST = 20  # characters of a value in a message

Progress = Callable[[str, float], None]  # is told what is done, and the share of it that is done


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is what: columns that the model says, that are no features, and kinds told.

    `label` holds truths, which no model sees; `drop` is left out, too.
    """

    outputs: Sequence[str] = ()
    label: Sequence[str] = ()
    drop: Sequence[str] = ()
    categorical: Sequence[str] = ()
    numeric: Sequence[str] = ()
    like: Profile | None = None


@dataclass(slots=True)
class _Column:
    """On the way to a field; `told` is "numeric", "categorical" or None."""

    name: str
    told: str | None
    earlier: Bins | None
    survey: Survey = field(default_factory=Survey)
    bins: Bins | None = None
    spelled: Spelling = str
    counts: list[int] = field(default_factory=list)


def build(
    source: Source,
    choice: Choice,
    *,
    model: str,
    model_version: str,
    positive: Positive | None,
    progress: Progress = lambda *_: None,
) -> Profile:
    """The profile of a source.

    Errors: ProfileError, which names each column that is wrong and what to do about it.
    """
    columns = _columns(source, choice)
    kinds = {column.name: column.told for column in columns}
    for batch in source.batches(kinds):
        for column in columns:
            column.survey.add(batch.columns[column.name])
        progress("reading", batch.read)
    rows = columns[0].survey.rows
    check_rows(rows)
    _find_bins(columns, source)
    for batch in source.batches(kinds):
        for column in columns:
            _count(column, batch.columns[column.name])
        progress("counting", batch.read)
    fields = {column.name: _field(column) for column in columns}
    return Profile(
        model=model,
        model_version=model_version,
        rows=rows,
        features={name: one for name, one in fields.items() if name not in choice.outputs},
        outputs={name: fields[name] for name in choice.outputs},
        positive=positive,
    )


def _columns(source: Source, choice: Choice) -> list[_Column]:
    for option, names in (
        ("output", choice.outputs),
        ("label", choice.label),
        ("drop", choice.drop),
        ("categorical", choice.categorical),
        ("numeric", choice.numeric),
    ):
        for name in names:
            _check_is_column(name, source, option=option)
    earlier = {**choice.like.features, **choice.like.outputs} if choice.like else {}
    told = dict.fromkeys(choice.numeric, "numeric") | dict.fromkeys(
        choice.categorical, "categorical"
    )
    told |= {name: one.bins.kind for name, one in earlier.items()}
    out = {*choice.label, *choice.drop}
    kept = [name for name in source.names if name not in out]
    if set(choice.outputs) & out:
        raise ProfileError("output: a column is an output or left out, not both")
    if "" in kept:
        raise ProfileError(
            f"column {source.names.index('') + 1} has no name; name it, or leave it out by --drop '': "
            "pandas writes its index so"
        )
    if not set(kept) - set(choice.outputs):
        raise ProfileError("no feature is left; drop fewer columns")
    return [
        _Column(name, told.get(name), earlier[name].bins if name in earlier else None)
        for name in kept
    ]


def _check_is_column(name: str, source: Source, *, option: str) -> None:
    if name in source.names:
        return
    near = difflib.get_close_matches(name, source.names, n=1)
    meant = f"did you mean {near[0]!r}?" if near else f"there are {_some(source.names)}"
    raise ProfileError(f"{option}: {name!r} is no column; {meant}")


def _find_bins(columns: Sequence[_Column], source: Source) -> None:
    """Errors: ProfileError with a line for each column that is wrong."""
    problems = []
    for column in columns:
        if column.survey.texts:
            column.spelled = source.as_served(list(column.survey.seen))
        problem = _mixed(column) or _assigned(column)
        if problem:
            problems.append(f"column {column.name!r} {problem}")
    if len(problems) > _SHOWN:
        more = len(problems) - _SHOWN
        problems = [*problems[:_SHOWN], f"and {more} more columns like these"]
    if problems:
        raise ProfileError("\n".join(problems))


def _mixed(column: _Column) -> str:
    """What is wrong with the values as such; nothing where all is well."""
    survey, option = column.survey, shlex.quote(column.name)
    if not survey.numbers and not survey.texts:
        return f"has no value in {survey.rows} rows; mend what should fill it, or --drop {option}"
    if column.told == "categorical" or not survey.first_text:
        return ""
    row, text = survey.first_text
    shown = _shown(text)
    if column.told == "numeric" and not survey.numbers:
        return f"holds no number, but text such as {shown} in row {row}; --drop {option}"
    if column.told is None and survey.numbers:
        return (
            f"holds {survey.numbers} numbers and {survey.texts} texts, the first of them {shown} in "
            f"row {row}; mend it, or say what it is: --numeric {option}, --categorical {option}, "
            f"or --missing {shlex.quote(text[:_LONGEST])} for nothing"
        )
    return ""


def _assigned(column: _Column) -> str:
    """Give the column its bins; what is wrong with them, or nothing."""
    survey = column.survey
    if column.earlier is not None:
        column.bins = column.earlier
    elif column.told == "numeric" or not survey.texts:
        column.bins = survey.sample.bins(SIZE)
    else:
        column.bins = categories = survey.categories(column.spelled)
        covered = survey.covered(categories, column.spelled)
        if column.told is None and covered < LEAST_COVERED:
            return _like_identifiers(column, categories, covered)
    return ""


def _like_identifiers(column: _Column, bins: CategoryBins, covered: float) -> str:
    survey, option = column.survey, shlex.quote(column.name)
    many = f"more than {MOST_TEXTS:,}" if survey.too_many else f"{len(survey.seen):,}"
    kept = len(bins.categories)
    text = survey.first_text[1] if survey.first_text else ""
    return (
        f"has {many} different texts such as {_shown(text)}, and the {kept} that would be kept are "
        f"{covered:.1%} of them, so it would tell little; mend it, or --drop {option}"
        + (f", or keep them: --categorical {option}" if kept else "")
    )


def _count(column: _Column, values: Sequence[Value]) -> None:
    assert column.bins is not None
    if column.spelled is not str and column.survey.texts:
        spelled = column.spelled
        values = [spelled(value) if isinstance(value, str) else value for value in values]
    counts = _counts(column.bins, values)
    earlier = column.counts or [0] * len(counts)
    column.counts = [a + b for a, b in zip(earlier, counts, strict=True)]


def _counts(bins: Bins, values: Sequence[Value]) -> Sequence[int]:
    """As `count`; of numbers it sorts, which takes a quarter of the time."""
    if not isinstance(bins, NumericBins):
        return count(bins, values)
    ordered = sorted(finite(values))
    ends = [bisect_right(ordered, edge) for edge in bins.edges]
    kept = [upper - lower for lower, upper in pairwise([0, *ends, len(ordered)])]
    others = sum(isinstance(value, str) for value in values)
    return [*kept, len(values) - len(ordered) - others, others]


def _field(column: _Column) -> Field:
    assert column.bins is not None
    return Field(column.bins, tuple(column.counts))


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
