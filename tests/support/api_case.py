"""What a rule of the API lets pass and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass

from api_examples import Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Values at a place of an object that a rule lets pass, and values that it refuses.

    `blames` is the path in the refusal, `says` a part of its message.
    """

    rule: str
    body: Object
    at: str
    good: tuple[object, ...]
    bad: tuple[object, ...]
    blames: str
    says: str
