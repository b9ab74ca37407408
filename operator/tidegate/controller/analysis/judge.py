"""Judges subjects beside the passes: a look after each scrape, and the newest judgement at any time.

A pass reads and never waits. It names the subject it wants judged; from then on the subject is
looked at until somebody names another one or none. A new judgement asks for a pass.
Everything can be read again: after a restart one range query per metric gives the same rows and so
the same verdict. Only the checks of plain values start from nothing, which delays a verdict and
never forges one. The verdict itself is `evidence.verdict.engine`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from tidegate import model
from tidegate.controller.analysis import schedule
from tidegate.controller.analysis.case import Case
from tidegate.controller.analysis.fetch import Answers, Fetcher
from tidegate.controller.analysis.look import Look
from tidegate.controller.analysis.setting import setting_of
from tidegate.controller.analysis.subject import Subject
from tidegate.controller.background import Background
from tidegate.controller.ticks import Ticks
from tidegate.evidence.attempt import attempt, failure
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import engine
from tidegate.ports import Clock, Executor, MetricSource, Recorder
from tidegate.settings import MetricSourceSettings

STALE_INTERVALS = 3  # without a judgement for so long its metrics count as unavailable
LONGEST_SLEEP_SECONDS = 30.0
MAX_HISTORIES = 2  # of controls, which are large, at a time and per source
_UNKNOWN_SOURCE = MetricSourceSettings(name="", url="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What came of the newest look; `at` is a monotonic instant."""

    subject: Subject
    state: model.AnalysisState
    at: float


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A subject and what is known of it. `since` is the monotonic instant from which it waits."""

    subject: Subject
    case: Case
    since: float
    wanted: bool = True
    next_at: float | None = None
    looking: bool = False
    judgement: Judgement | None = None


class Analyst:
    """The newest judgement of every subject. Must be used from one event loop."""

    def __init__(
        self,
        *,
        source: MetricSource,
        clock: Clock,
        sources: Mapping[str, MetricSourceSettings],
        recorder: Recorder,
        executor: Executor,
        background: Background,
        leading: Callable[[], bool],
    ) -> None:
        self._fetcher = Fetcher(
            source=source, sources=sources, executor=executor, background=background
        )
        self._clock = clock
        self._sources = sources
        self._recorder = recorder
        self._executor = executor
        self._background = background
        self._leading = leading
        self._entries: dict[str, _Entry] = {}
        self._ticks = Ticks(
            self._come_up, clock=clock, background=background, name="tick of the analysis"
        )
        self._histories = {name: asyncio.Semaphore(MAX_HISTORIES) for name in sources}

    def judged(self, subject: Subject) -> model.AnalysisState:
        """The newest judgement of this very subject; from now on it is looked at."""
        entry = self._entries.get(subject.uid)
        if entry is None or entry.subject != subject:
            entry = self._follow(subject, known=entry)
        entry.subject = subject  # what is not compared is as new as this pass
        entry.wanted = True
        if entry.next_at is None and not entry.looking:
            self._put(entry, at=schedule.at_or_after(self._now()))
        return self._as_of_now(entry)

    def rest(self, uid: str) -> None:
        """Nobody wants this judged now; what was counted is kept."""
        entry = self._entries.get(uid)
        if entry is not None:
            entry.wanted = False

    def forget(self, uid: str) -> None:
        """Drop what is known of a ModelDeployment whose rollout ended or that is gone."""
        entry = self._entries.pop(uid, None)
        if entry is not None:
            entry.wanted = False

    # --- what is known ---------------------------------------------------------------------------

    def _as_of_now(self, entry: _Entry) -> model.AnalysisState:
        """The judgement as long as it holds; without a new one for long the metrics are away."""
        judgement = entry.judgement
        now = self._clock.monotonic()
        if judgement is None or judgement.subject != entry.subject:
            state, at = self._not_yet(entry), entry.since
        else:
            state, at = judgement.state, judgement.at
        age = now - max(at, entry.since)
        interval_seconds = self._interval_seconds(entry)
        if age <= STALE_INTERVALS * interval_seconds or not entry.subject.events:
            return state
        if state.verdict is model.Verdict.ROLL_BACK:
            return state  # harm that was seen does not pass with time
        return replace(
            state,
            verdict=model.Verdict.HOLD,
            reason=Reason.METRICS_UNAVAILABLE.value,
            message=f"no metric source has answered for {age:.0f} s",
            consecutive_errors=max(state.consecutive_errors, int(age // interval_seconds)),
            without_data_since=state.without_data_since
            or self._clock.now() - timedelta(seconds=age),
            only_proof_is_missing=False,
            silent="",
        )

    def _not_yet(self, entry: _Entry) -> model.AnalysisState:
        """What is said of a subject before its first judgement."""
        estimates = entry.case.estimates
        if not entry.subject.events:
            return model.AnalysisState(estimates=estimates)
        judged_from = entry.case.judged_from(entry.subject)
        return model.AnalysisState(
            reason=Reason.WARMUP.value,
            message=engine.warmup_message(judged_from),
            estimates=estimates,
        )

    def _interval_seconds(self, entry: _Entry) -> float:
        """How often a judgement is to be expected."""
        return max(entry.subject.analysis.interval_seconds, entry.case.setting.scrape_seconds)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    # --- whom to look at, and when ---------------------------------------------------------------

    def _follow(self, subject: Subject, *, known: _Entry | None) -> _Entry:
        """The entry of a subject; a new case when the way of judging has changed."""
        setting = setting_of(subject, scrapes=self._scrapes(subject))
        same = known is not None and known.case.setting == setting
        case = known.case if known is not None and same else Case(setting)
        since = self._clock.monotonic()
        if subject.events:
            since += max(0.0, case.judged_from(subject) - self._now())
        if known is None or not same:
            entry = _Entry(subject=subject, case=case, since=since)
            if known is not None:
                known.wanted = False
            self._entries[subject.uid] = entry
            return entry
        known.subject, known.since = subject, since
        known.next_at = None  # the instant before was that of another subject
        return known

    def _scrapes(self, subject: Subject) -> Mapping[str, float]:
        """How often each source that is asked scrapes, in seconds."""
        names = {template.source for template in subject.templates.values()}
        return {
            name: self._sources.get(name, _UNKNOWN_SOURCE).scrape_interval_seconds
            for name in sorted(names | {subject.analysis.source})
        }

    def _put(self, entry: _Entry, *, at: float) -> None:
        """Look at the entry at this instant, together with all others."""
        entry.next_at = at
        self._ticks.put(entry, at=at)

    def _come_up(self, planned: float, waiting: list[_Entry]) -> None:
        """Everything that is due at one instant is asked for at once, and judged one by one."""
        at = self._instant(planned)
        due = [one for one in waiting if one.next_at == planned and self._is_wanted(one)]
        begun = [(entry, self._begun(entry, at=at)) for entry in due]
        looks = [(entry, look) for entry, look in begun if look is not None]
        at_once = [look for _, look in looks if not look.learns]
        answers = self._fetcher.send(ask for look in at_once for ask in look.asks)
        for entry, look in looks:
            self._background.spawn(self._look(entry, look, answers), name="look of the analysis")

    def _instant(self, planned: float) -> float:
        """The planned instant, or the present one where the clock was set meanwhile."""
        now = self._now()
        late = now - planned
        return planned if 0 <= late < 2 * schedule.GRAIN_SECONDS else schedule.at_or_before(now)

    def _is_wanted(self, entry: _Entry) -> bool:
        """A pass still wants it; otherwise the next one to read it puts it back."""
        entry.next_at = None
        return entry.wanted and not entry.looking and self._leading()

    # --- looking ---------------------------------------------------------------------------------

    def _begun(self, entry: _Entry, *, at: float) -> Look | None:
        """A look that cannot even begin keeps no other one from it."""

        def broken(error: Exception) -> None:
            entry.looking = False
            self._put(entry, at=schedule.at_or_after(at + self._interval_seconds(entry)))
            self._fail(entry, entry.subject, error)

        return attempt(partial(self._begin, entry, at=at), otherwise=broken)

    def _begin(self, entry: _Entry, *, at: float) -> Look:
        subject, case = entry.subject, entry.case
        entry.looking = True
        if case.since != subject.since:
            case.begin_evidence(subject)
        if case.looked_at is not None and at < case.looked_at:
            # The clock was ahead: intervals were closed that had not been lived through.
            case.begin_evidence(subject)
        return Look.begin(subject, case, at=at)

    async def _look(self, entry: _Entry, look: Look, answers: Answers) -> None:
        """Take the answers, ask further where much is to be caught up, and judge."""
        try:
            async with AsyncExitStack() as stack:
                if look.learns:
                    for name in sorted({ask.wanted.source for ask in look.asks}):
                        if name in self._histories:
                            await stack.enter_async_context(self._histories[name])
                    answers = self._fetcher.send(look.asks)
                while True:
                    found = {ask: await answers[ask] for ask in look.asks}
                    await self._executor.run(partial(look.take, found))
                    self._write_down(look)
                    if not look.asks:
                        break
                    answers = self._fetcher.send(look.asks)
            state = await self._executor.run(partial(look.end, now=self._now()))
        except Exception as error:  # noqa: BLE001  (told in status, and the next look tries again)
            self._fail(entry, look.subject, error)
            return
        finally:
            entry.looking = False
            self._continue(entry, look)
        self._settle(entry, look, state)

    def _continue(self, entry: _Entry, look: Look) -> None:
        """Plan the next look: at once for another subject, else when there is something new."""
        now = self._now()
        at = now if entry.subject != look.subject else max(now, self._after(look))
        if at == math.inf:
            entry.next_at = at
        elif entry.wanted:
            # A clock that is set right must not leave a subject asleep for an hour.
            longest = max(LONGEST_SLEEP_SECONDS, 2 * self._interval_seconds(entry))
            self._put(entry, at=schedule.at_or_after(min(at, now + longest)))

    def _after(self, look: Look) -> float:
        """When there may be something new; infinite where only another subject brings it."""
        interval_seconds = look.subject.analysis.interval_seconds
        if not look.subject.events:
            return look.at + interval_seconds if look.case.lacks_history else math.inf
        case = look.case
        if look.at < case.looks_from(look.subject):
            return case.looks_from(look.subject)
        judged_from = case.judged_from(look.subject)
        at = schedule.next_look(
            look.newest,
            last=look.at,
            interval_seconds=interval_seconds,
            closes_at=look.case.counting.closes_at(look.subject.events, after=look.at),
        )
        return min(at, judged_from) if look.at < judged_from else at

    def _fail(self, entry: _Entry, subject: Subject, error: Exception) -> None:
        """A look of which nothing came: its cause stands in status, and what was harm stays."""
        self._recorder.problem(
            "look_failed", object=f"{subject.key.namespace}/{subject.key.name}", error=repr(error)
        )
        known = entry.judgement
        before = model.AnalysisState(estimates=entry.case.estimates)
        if known is not None and known.subject == subject:
            before = known.state
        if not subject.events or before.verdict is model.Verdict.ROLL_BACK:
            return
        state = replace(
            before,
            verdict=model.Verdict.HOLD,
            reason=Reason.ERROR.value,
            message=f"the analysis {failure(error).message}",
            consecutive_errors=before.consecutive_errors + 1,
            without_data_since=before.without_data_since or self._clock.now(),
            only_proof_is_missing=False,
            silent="",
        )
        self._keep(entry, subject, state)

    def _settle(self, entry: _Entry, look: Look, state: model.AnalysisState) -> None:
        """Keep the judgement, and have a pass look at it."""
        self._write_down(look)
        self._keep(entry, look.subject, state)

    def _keep(self, entry: _Entry, subject: Subject, state: model.AnalysisState) -> None:
        """The newest judgement, which a pass looks at where it is another one; harm goes first."""
        before = entry.judgement
        entry.judgement = Judgement(subject=subject, state=state, at=self._clock.monotonic())
        news = before is None or before.state != state or before.subject != subject
        if entry.wanted and news:
            harm = state.verdict is model.Verdict.ROLL_BACK
            self._background.wake(subject.key, priority=harm)

    def _write_down(self, look: Look) -> None:
        """Rows that were recorded go to the log at once: of much that is caught up they are large."""
        for document in look.case.journal():
            self._recorder.evidence(document)
        subject = look.subject
        for metric, error in look.case.faults():
            self._recorder.problem(
                "metric_failed",
                object=f"{subject.key.namespace}/{subject.key.name}",
                metric=metric,
                error=error,
            )
