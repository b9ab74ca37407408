"""The comparer itself: logged answers in, counters out. It reads no clock and opens no socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from comparer import answers
from comparer.answers import UnparsableError
from comparer.counts import Counts
from comparer.events import HUMAN, Logged, Refusal, Why
from comparer.pairing import Found, Limits, Pair, Pairing, Reason, Unpaired


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a comparer works. Units: `tolerance` as the scores.

    Events of another `namespace` are refused; empty takes all. `labels` bounds the predictions that wait
    for people; None where nobody labels.
    """

    namespace: str = ""
    tolerance: float = 0.01
    answers: Limits = field(default_factory=Limits)
    labels: Limits | None = None


class Comparer:
    """Pairs answers of revisions with each other, and with what people say later.

    `epoch` is the unix second at which the monotonic clock of the instants was 0.
    """

    def __init__(self, setting: Setting, *, epoch: float = 0.0) -> None:
        self._setting = setting
        self._epoch = epoch
        self.counts = Counts()
        self.revisions = Pairing(setting.answers)
        self.people = Pairing(setting.labels, reference=HUMAN) if setting.labels else None

    def take(self, event: Logged, *, at: float) -> Refusal | None:
        """Take in one answer at an instant (monotonic seconds); why not, if so."""
        if self._setting.namespace and event.namespace not in {"", self._setting.namespace}:
            message = f"this comparer is for namespace {self._setting.namespace} only"
            return self.refuse(Refusal(why=Why.OTHER_NAMESPACE, message=message))
        if event.side == HUMAN and self.people is None:
            message = "labels are not kept here: start the comparer with --label-age"
            return self.refuse(Refusal(why=Why.NO_EVENT, message=message))
        try:
            answers.read(event.body)
        except UnparsableError:
            self.counts.unpaired(model=event.model, side=event.side, reason=Reason.UNPARSABLE)
            return None
        for pairing in self._pairings(event):
            found = pairing.add(
                model=event.model,
                side=event.side,
                request_id=event.request_id,
                body=event.body,
                at=at,
            )
            self._count(found)
        return None

    def refuse(self, refusal: Refusal) -> Refusal:
        """Count an event that cannot be used."""
        self.counts.refused[refusal.why] += 1
        return refusal

    def settle(self, *, at: float) -> None:
        """Let go of what is too old at an instant (monotonic seconds)."""
        self._count(tuple(self.revisions.expired(at)))
        if self.people is not None:
            self._count(tuple(self.people.expired(at)))

    def _pairings(self, event: Logged) -> list[Pairing]:
        people = [self.people] if self.people is not None else []
        return people if event.side == HUMAN else [self.revisions, *people]

    def _count(self, found: tuple[Found, ...]) -> None:
        for one in found:
            match one:
                case Pair():
                    self._compare(one)
                case Unpaired(model=model, side=side, reason=reason):
                    self.counts.unpaired(model=model, side=side, reason=reason)

    def _compare(self, pair: Pair) -> None:
        difference = answers.compare(
            answers.read(pair.first_body),
            answers.read(pair.second_body),
            tolerance=self._setting.tolerance,
        )
        labelled = HUMAN in {pair.first, pair.second}
        self.counts.pair(
            model=pair.model,
            first=pair.first,
            second=pair.second,
            found=difference,
            cohort=self._hour(pair.since) if labelled else "",
        )

    def _hour(self, at: float) -> str:
        """The hour of an instant, such as 2026-11-30T06Z."""
        return f"{datetime.fromtimestamp(self._epoch + at, tz=UTC):%Y-%m-%dT%HZ}"
