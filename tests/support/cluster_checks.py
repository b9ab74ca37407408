"""What must hold in every rollout, checked on what users and watchers saw."""

from __future__ import annotations

from dataclasses import dataclass

from cluster_history import Look, instant
from cluster_users import allowed_deviation_percent, told
from tests.demo.users import Sums, Users, share_percent

# After a weight is confirmed the gateway still hands it to its proxies.
SWITCH_SECONDS = 2.0
SWITCH_PERCENT = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A weight, and the time in which it was in force. Units: percent, unix seconds."""

    step: str
    percent: float
    since: float
    until: float

    @property
    def middle(self) -> float:
        """A time at which all watches have told of this weight, and none of the next."""
        return (self.since + self.until) / 2


def held_steps(looks: list[Look]) -> list[Held]:
    """The confirmed holds of a finished rollout, in order."""
    held: list[Held] = []
    for index, look in enumerate(looks):
        confirmed = instant(look.step.get("confirmedAt"))
        if confirmed is None or any(it.since == confirmed for it in held):
            continue
        after = (it.at for it in looks[index:] if it.intended_percent != look.intended_percent)
        until = next(after, None)
        assert until is not None, f"step {look.step['name']} never ended"
        held.append(
            Held(
                step=look.step["name"],
                percent=look.intended_percent,
                since=confirmed,
                until=until,
            )
        )
    return held


def assert_shares(looks: list[Look], books: Users, *, version: str, steps: int) -> None:
    """Each of `steps` holds gave the version its share of the requests, within sampling error."""
    held = held_steps(looks)
    assert len(held) == steps, held
    for hold in held:
        sums = books.between(hold.since + SWITCH_SECONDS, hold.until)
        requests = sum(book.answered for book in sums.values())
        seen = share_percent(sums, version)
        assert seen is not None, f"no request in {hold}"
        allowed = SWITCH_PERCENT + allowed_deviation_percent(
            share_percent=hold.percent, requests=requests
        )
        assert abs(seen - hold.percent) <= allowed, (
            f"step {hold.step}: {seen:.1f} % of {requests} requests instead of {hold.percent} %"
        )


def assert_nobody_failed(books: Users) -> None:
    """Every request was sent, and every one got its answer."""
    assert books.skipped == 0, told(books)
    assert books.failed == 0, told(books)


def assert_only_failed_by(books: Users, *, version: str) -> None:
    """Whatever failed, failed by the answers of this version."""
    assert books.skipped == 0, told(books)
    own = books.totals().get(version, Sums()).failed
    assert books.failed == own, told(books)
