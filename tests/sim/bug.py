"""A deliberate bug: a small patch of the operator that some run must catch.

It is named after what it breaks; `old` must occur as often in the file as it says, so that a bug
cannot silently turn into no bug when the code changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.crash import Mode


def by_both(*scripts: str) -> tuple[str, ...]:
    """The names of these plays with weights of a route and with weights by pods."""
    return tuple(f"{it}_{plane}" for it in scripts for plane in ("gatewayapi", "replicaratio"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One patch below operator/tidegate; `more` are further ones as (file, old, new).

    `plays` are tried first, undisturbed and then in `modes`. `old` stands in the file `times` times.
    """

    name: str
    file: str
    old: str
    new: str
    plays: tuple[str, ...] = ("promotion", "rollback")
    modes: tuple[Mode, ...] = ()
    more: tuple[tuple[str, str, str], ...] = ()
    times: int = 1

    @property
    def patches(self) -> tuple[tuple[str, str, str, int], ...]:
        """File, old text, new text, and how often the old one stands there."""
        first = (self.file, self.old, self.new, self.times)
        return (first, *((*edit, 1) for edit in self.more))
