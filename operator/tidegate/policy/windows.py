"""When rollouts may not go forward: windows of policies, and when that changes (api.md, 9.1).

A time is closed while a window of kind Deny covers it, and outside of all windows of kind Allow of
any one policy that has some.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from tidegate import model
from tidegate.policy.spans import spans

RULE = "freezeWindows"
# Beginnings and ends, of all windows together, that are looked at to find out when a closed time
# ends; more are not foreseen.
MOST_BOUNDARIES = 1000
_Place = tuple[int, int]  # of a policy, and of a window in it
_Boundary = tuple[datetime, int, int, bool]  # when, the same two, and whether it begins


def freeze(policies: Iterable[model.Policy], at: datetime) -> model.Freeze:
    """Whether it is closed at this instant, by whom, and when that changes."""
    owners = [it for it in policies if it.windows]
    if not owners:
        return model.OPEN
    covering = {
        (number, index)
        for number, owner in enumerate(owners)
        for index, window in enumerate(owner.windows)
        if covers(window, at)
    }
    closed = [it for number, owner in enumerate(owners) for it in _closed(number, owner, covering)]
    return model.Freeze(
        closed_by=", ".join(f"{owner.id} ({name})" for owner, name, _ in closed),
        changes_at=_change(owners, at, covering),
        holds_begun=any(holds is model.InFlight.HOLD for *_, holds in closed),
    )


def covers(window: model.Window, at: datetime) -> bool:
    """The instant lies in the window; its end does not."""
    found = next(spans(window, at), None)
    return found is not None and found.covers(at)


def _closed(
    number: int, owner: model.Policy, covering: set[_Place]
) -> list[tuple[model.Policy, str, model.InFlight]]:
    """What of a policy keeps it closed: policy, window and what it does to what has begun."""
    allowed = [it for it in owner.windows if it.kind is model.WindowKind.ALLOW]
    on = [it for index, it in enumerate(owner.windows) if (number, index) in covering]
    found = [(owner, it.name, it.in_flight) for it in on if it.kind is model.WindowKind.DENY]
    if allowed and not any(it.kind is model.WindowKind.ALLOW for it in on):
        names = ", ".join(it.name for it in allowed)
        holds = model.InFlight.HOLD in {it.in_flight for it in allowed}
        strictest = model.InFlight.HOLD if holds else model.InFlight.CONTINUE
        found.append((owner, f"outside of {names}", strictest))
    return found


def _change(owners: Sequence[model.Policy], at: datetime, covering: set[_Place]) -> datetime | None:
    """The first instant at which it opens or closes; None where that is not foreseen."""
    covering = set(covering)
    closing = {number for number, it in enumerate(owners) if _closed(number, it, covering)}
    was_closed, looked_at = bool(closing), 0
    for instant, together in groupby(_boundaries(owners, at), key=_instant):
        if looked_at >= MOST_BOUNDARIES:
            return None
        for _, number, index, begins in together:
            looked_at += 1
            (covering.add if begins else covering.discard)((number, index))
            closes = bool(_closed(number, owners[number], covering))
            (closing.add if closes else closing.discard)(number)
        if bool(closing) is not was_closed:
            return instant
    return None


def _instant(boundary: _Boundary) -> datetime:
    return boundary[0]


def _boundaries(owners: Sequence[model.Policy], at: datetime) -> Iterator[_Boundary]:
    """Beginnings and ends after `at`, the earliest first."""
    each = (
        _of_window(window, at, number=number, index=index)
        for number, owner in enumerate(owners)
        for index, window in enumerate(owner.windows)
    )
    return heapq.merge(*each)


def _of_window(
    window: model.Window, at: datetime, *, number: int, index: int
) -> Iterator[_Boundary]:
    for span in spans(window, at):
        if span.begins > at:
            yield span.begins, number, index, True
        if span.ends is not None:
            yield span.ends, number, index, False
