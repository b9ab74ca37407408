"""A synthetic inference: one request to a pod, and what its answer must be.

Source: api.md, 5.1 (`server.probe`); JSON Pointer: RFC 6901.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tidegate.model.document import Json

ANY_SUCCESS = 0  # as a status: each of 200 to 299


class _Nothing(enum.Enum):
    """Where a pointer leads nowhere: null is something."""

    HERE = enum.auto()


_NOTHING: Final = _Nothing.HERE
_LONGEST_PATH = 128  # in messages


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedValue:
    """A place in the JSON of an answer that must exist; with limits it must hold a number.

    `pointer` is a JSON Pointer. Without any limit any value will do, null included.
    """

    pointer: str
    min: float | None = None
    max: float | None = None

    def complaint(self, answer: Json) -> str:
        """What is wrong with this place, empty where nothing is. Never a word of the answer."""
        found = _at(answer, self.pointer)
        if found is _NOTHING:
            return f"{self.pointer} is missing"
        if self.min is None and self.max is None:
            return ""
        if isinstance(found, bool) or not isinstance(found, int | float):
            return f"{self.pointer} is not a number"
        if isinstance(found, float) and not math.isfinite(found):
            return f"{self.pointer} is not a finite number"
        if self.min is not None and found < self.min:
            return f"{self.pointer} is below {self.min:g}"
        if self.max is not None and found > self.max:
            return f"{self.pointer} is above {self.max:g}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One synthetic inference. `headers` are names and values; `body` is text, empty for none.

    `status` is the HTTP status that is expected, `ANY_SUCCESS` for any that says success. With
    `values` the answer must be JSON.
    """

    path: str
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    timeout_seconds: float = 10.0
    status: int = ANY_SUCCESS
    values: tuple[ExpectedValue, ...] = ()

    @property
    def text(self) -> str:
        """The request in words, without its query."""
        return f"{self.method} {self.path.partition('?')[0][:_LONGEST_PATH]}"

    def accepts(self, status: int) -> bool:
        """This HTTP status is the expected one."""
        return 200 <= status < 300 if self.status == ANY_SUCCESS else status == self.status

    @property
    def expected_status(self) -> str:
        """The expected HTTP status in words."""
        return "2xx" if self.status == ANY_SUCCESS else str(self.status)

    def complaint(self, answer: Json) -> str:
        """The first thing that is wrong with the JSON of an answer, empty where nothing is."""
        found = (value.complaint(answer) for value in self.values)
        return next((one for one in found if one), "")


class FirstRollout(enum.StrEnum):
    """What the very first revision has to do before it serves."""

    DIRECT = "Direct"
    PROBE = "Probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What is known of a candidate by its probe. All empty: a pod has answered as expected.

    `wrong` is what a pod answered instead, `unreachable` why no pod could be asked, `pending` whose
    answer is still to come.
    """

    wrong: str = ""
    unreachable: str = ""
    pending: str = ""


def _at(document: Json, pointer: str) -> Json | _Nothing:
    found = document
    for token in _tokens(pointer):
        if isinstance(found, Mapping) and token in found:
            found = found[token]
        elif isinstance(found, list) and _is_index(token) and int(token) < len(found):
            found = found[int(token)]
        else:
            return _NOTHING
    return found


def _tokens(pointer: str) -> Iterator[str]:
    return (it.replace("~1", "/").replace("~0", "~") for it in pointer.split("/")[1:])


def _is_index(name: str) -> bool:
    """A place in an array: digits without a zero in front. The pattern of the API bounds its length."""
    return name == "0" or (name.isascii() and name.isdigit() and name[0] != "0")
