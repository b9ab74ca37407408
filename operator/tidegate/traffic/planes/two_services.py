"""Two Services that a route of the user names: which revision each selects, and what goes to which.

The entry Service is for stable, the other one for a candidate; a rollout moves weight between them. A
selector moves only while its Service has no weight, so users change revisions by weight alone. At rest
the entry Service has everything, whatever was promoted, so that the route is as its owner wrote it.
Source: api.md, 5.2 ("Existing mode").
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What each Service selects as seen, empty where it does not exist; whether it may have requests.

    It may have some until a route that gives it none is in force.
    """

    entry: str
    candidate: str
    entry_weighs: bool
    candidate_weighs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What each Service is to select now, and the percent that the second one is to have."""

    entry: str
    candidate: str
    percent: float


def next_move(held: Held, *, stable: str, candidate: str, percent: float) -> Move:
    """One move towards `percent` for the candidate and the rest for stable; asked again until it stands.

    A Service that does not exist is made as it is wanted.
    """
    other = candidate or stable
    entry, second = held.entry or stable, held.candidate or other
    transit = second == stable and held.candidate_weighs
    if entry != stable and percent == 100 and not transit:
        return _through(held, entry=entry, second=second, stable=stable, wanted=candidate)
    if entry != stable:
        return _through(held, entry=entry, second=second, stable=stable, wanted=stable)
    if percent > 0 and second == candidate:
        return Move(entry=entry, candidate=second, percent=percent)
    chosen = second if held.candidate_weighs else other
    return Move(entry=entry, candidate=chosen, percent=0.0)


def _through(held: Held, *, entry: str, second: str, stable: str, wanted: str) -> Move:
    """The entry Service selects another revision than stable: `wanted` serves by the second one meanwhile.

    Where neither selects it, the second one is emptied, and then chosen for it. Nobody is sent to
    anybody else on the way: whoever answers for stable keeps its users until then.
    """
    if second == wanted:
        return _all_to_second(held, entry=entry, second=second, stable=stable)
    chosen = second if held.candidate_weighs else wanted
    return Move(entry=entry, candidate=chosen, percent=0.0)


def _all_to_second(held: Held, *, entry: str, second: str, stable: str) -> Move:
    """The second Service has everything, and the entry Service selects stable once it has nothing."""
    chosen = entry if held.entry_weighs else stable
    return Move(entry=chosen, candidate=second, percent=100.0)
