"""Kinds of label values that everybody writes in one of a few ways, such as the codes of HTTP.

A condition that no value of such a kind fulfils was written for another way: `5xx` where the server
writes 500, 500 where it writes 5xx. Of values that are of no known kind nobody can say which
others there may be.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

_GRPC = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


def _in_camel_case(name: str) -> str:
    return "OK" if name == "OK" else name.title().replace("_", "")


# A proxy writes 0 where no answer came.
_CODES = frozenset({"0", *(f"{code}" for code in range(100, 600))})
_KINDS: tuple[tuple[frozenset[str], frozenset[str]], ...] = (  # all values, those that tell it
    (_CODES, _CODES - {"0"}),
    (frozenset(f"{digit}xx" for digit in range(1, 6)),) * 2,
    (frozenset(f"{digit}XX" for digit in range(1, 6)),) * 2,
    (frozenset(_GRPC), frozenset({"OK"})),
    (frozenset(map(_in_camel_case, _GRPC)), frozenset({"OK"})),
    (frozenset(f"{number}" for number in range(17)), frozenset({"0"})),
    (frozenset({"true", "false"}),) * 2,
    (frozenset({"True", "False"}),) * 2,
)
EVERY: frozenset[str] = frozenset().union(*(kind for kind, _ in _KINDS))
# Words of success in many vocabularies, which alone tell no kind.
SUCCESS = frozenset({"OK", "0"})


def possible(values: AbstractSet[str]) -> frozenset[str]:
    """Every value that there may be beside these; empty where they are of no known kind."""
    found: frozenset[str] = frozenset()
    for kind, telling in _KINDS:
        if values <= kind and values & telling:
            found |= kind
    return found
