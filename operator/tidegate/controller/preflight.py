"""Looks for the series of stable beside the passes, so that missing labels show before a candidate.

A pass says what it serves and reads what was found last; it never waits. Looks are rare once all is
well, and bounded always: few at a time, each namespace in its turn.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from tidegate import model, ports
from tidegate.controller.asking import Asking
from tidegate.controller.background import Background
from tidegate.controller.workqueue import Key
from tidegate.evidence.counts import samples
from tidegate.evidence.queries import diagnosis, presets
from tidegate.evidence.queries.diagnosis import Ask, Question
from tidegate.evidence.queries.promql import Free
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import Identity, Problem, Reason, Series, Template
from tidegate.evidence.verdict import preflight
from tidegate.evidence.verdict.preflight import Answer, Finding
from tidegate.settings import MetricSourceSettings

FIRST_SCRAPES = 2  # pods that have just become ready are scraped first
PROMOTED_SCRAPES = 1  # pods that were a candidate's have been ready for a while
SOON_SCRAPES = 4  # between looks while something is missing, the first time
RARELY_SECONDS = 600.0
BACK_OFF = 2.0
JITTER = 0.1
TICK_SECONDS = 5.0
MAX_LOOKS = 16  # per tick
PARALLEL = 2  # the rest of a source's connections is for rollouts
_NARROW_SCRAPES = 3  # of an answer that was too large


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What serves, and how it will be judged.

    `addresses` are the IPs of its ready pods; `urgent` while a candidate waits or is tried.
    """

    namespace: str
    name: str
    uid: str
    revision: str
    metrics: tuple[model.Metric, ...]
    templates: Mapping[str, Template]
    server: str
    data_plane: str
    source: str
    addresses: tuple[str, ...] = ()
    urgent: bool = False

    def same_as(self, other: Subject) -> bool:
        """The same questions about the same pods."""
        return (self.uid, self.revision, self.metrics, self.templates) == (
            other.uid,
            other.revision,
            other.metrics,
            other.templates,
        )

    def gives_way_to(self, other: Subject) -> bool:
        """A candidate that was tried beside this revision serves now."""
        return self.urgent and self.uid == other.uid and self.revision != other.revision

    def questions(self) -> list[Question]:
        """What each metric needs; a template that cannot be rendered is told by validation."""
        found = (
            diagnosis.question(
                metric,
                template=self.templates[metric.name],
                identity=self.identity,
                addresses=self.addresses,
            )
            for metric in self.metrics
            if metric.name in self.templates
        )
        return [one for one in found if not isinstance(one, Unsafe)]

    def requests(self) -> Question | None:
        """What the server itself counts, whoever sees the traffic."""
        counter = presets.REQUESTS.get(self.server)
        if counter is None:
            return None
        found = diagnosis.traffic_question(counter, source=self.source, identity=self.identity)
        return None if isinstance(found, Unsafe) else found

    @property
    def identity(self) -> Identity:
        """Whose series are looked for."""
        return Identity(namespace=self.namespace, name=self.name, candidate=self.revision)


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A subject, what was found of it, and when to look again (monotonic seconds)."""

    subject: Subject
    due_at: float
    rows: tuple[model.Preflight, ...] | None = None
    wait_seconds: float = 0.0


class Preflight:
    """What is known of the series of every stable revision. Must be used from one event loop."""

    def __init__(
        self,
        *,
        source: ports.MetricSource,
        clock: ports.Clock,
        sources: Mapping[str, MetricSourceSettings],
        background: Background,
    ) -> None:
        self._looks = Looks(source=source, clock=clock, sources=sources)
        self._clock = clock
        self._sources = sources
        self._background = background
        self._looking = False
        self._entries: dict[Key, _Entry] = {}
        self._slots = asyncio.Semaphore(PARALLEL)

    def newest(self, key: Key, subject: Subject) -> tuple[model.Preflight, ...] | None:
        """What was found last of this subject, None before the first look; never waits."""
        self._begin()
        entry, now = self._entries.get(key), self._clock.monotonic()
        if entry is None or not entry.subject.same_as(subject):
            was_candidate = entry is not None and entry.subject.gives_way_to(subject)
            scrapes = PROMOTED_SCRAPES if was_candidate else FIRST_SCRAPES
            first = scrapes * self._scrape_seconds(subject.source)
            self._entries[key] = _Entry(subject=subject, due_at=now + first)
            return None
        if subject.urgent and not entry.subject.urgent:
            entry.due_at, entry.wait_seconds = now, 0.0
        entry.subject = subject
        return entry.rows

    def forget(self, key: Key) -> None:
        """Nothing serves here any more."""
        self._entries.pop(key, None)

    def _begin(self) -> None:
        """Look for as long as the process lives; only who leads makes passes, and so has subjects."""
        if not self._looking:
            self._looking = True
            self._background.spawn(self._look_for_ever(), name="preflight")

    async def _look_for_ever(self) -> None:
        try:
            while True:
                await self._clock.sleep(self._tick_seconds())
                await self._look_at(self._due())
        finally:
            self._looking = False  # an error is reported, and the next pass begins again

    async def _look_at(self, keys: Sequence[Key]) -> None:
        changes = await asyncio.gather(*map(self._look, keys), return_exceptions=True)
        for key, changed in zip(keys, changes, strict=True):
            if isinstance(changed, BaseException):
                self._put_off(key)
                self._background.report("preflight", changed)
            elif changed:
                self._background.wake(key)

    def _put_off(self, key: Key) -> None:
        """A subject whose look breaks must not keep others from theirs."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.due_at = self._clock.monotonic() + RARELY_SECONDS

    def _tick_seconds(self) -> float:
        shortest = min((it.scrape_interval_seconds for it in self._sources.values()), default=15.0)
        return min(TICK_SECONDS, shortest)

    def _due(self) -> list[Key]:
        """Who is to be looked at now: those of one namespace never before the first of another."""
        now = self._clock.monotonic()
        due = sorted((it.due_at, key) for key, it in self._entries.items() if it.due_at <= now)
        by_namespace: dict[str, list[Key]] = {}
        for _, key in due:
            by_namespace.setdefault(key.namespace, []).append(key)
        turns = chain.from_iterable(zip_longest(*by_namespace.values()))
        return [key for key in turns if key is not None][:MAX_LOOKS]

    async def _look(self, key: Key) -> bool:
        """Look at one subject; True when something else was found than before."""
        entry = self._entries.get(key)
        if entry is None:
            return False
        subject = entry.subject
        async with self._slots:
            rows = await self._looks.rows(subject)
        changed = rows != entry.rows
        entry.rows = rows
        entry.wait_seconds = self._wait_seconds(entry)
        spread = zlib.crc32(f"{key.namespace}/{key.name}".encode()) / 2**32
        entry.due_at = self._clock.monotonic() + entry.wait_seconds * (1 + JITTER * spread)
        return changed

    def _wait_seconds(self, entry: _Entry) -> float:
        """Soon while something is missing, then ever more rarely; a rollout is not kept waiting."""
        assert entry.rows is not None
        if all(row.ready for row in entry.rows):
            return RARELY_SECONDS
        scrapes = [self._scrape_seconds(row.source) for row in entry.rows]
        soon = SOON_SCRAPES * max(scrapes)
        if entry.subject.urgent:
            return soon
        return min(RARELY_SECONDS, max(soon, BACK_OFF * entry.wait_seconds))

    def _scrape_seconds(self, source: str) -> float:
        settings = self._sources.get(source)
        return settings.scrape_interval_seconds if settings else 15.0


class Looks:
    """One look at a time, by as many queries as it takes."""

    def __init__(
        self,
        *,
        source: ports.MetricSource,
        clock: ports.Clock,
        sources: Mapping[str, MetricSourceSettings],
    ) -> None:
        self._asking = Asking(source=source, sources=sources)
        self._clock = clock
        self._sources = sources

    async def rows(self, subject: Subject) -> tuple[model.Preflight, ...]:
        """What its sources say of each metric now."""
        findings = [await self._finding(question) for question in subject.questions()]
        silent = any(it.row.reason is model.PreflightReason.NO_TRAFFIC for it in findings)
        seen = any(it.traffic for it in findings)
        traffic = silent and not seen and await self._server_has_traffic(subject)
        return preflight.rows(findings, traffic=traffic)

    async def _finding(self, question: Question) -> Finding:
        namespace = question.identity.namespace
        opened = {name: it for name, it in self._sources.items() if it.is_open_to(namespace)}
        settings = opened.get(question.source)
        if settings is None:
            return Finding(row=preflight.no_source(question, known=list(opened)))
        answers: dict[Ask, Answer] = {}
        while (ask := preflight.next_ask(question, answers)) is not None:
            answers[ask] = await self._answer(question, ask, settings=settings)
        scrape_seconds = settings.scrape_interval_seconds
        return preflight.finding(question, answers, scrape_seconds=scrape_seconds)

    async def _server_has_traffic(self, subject: Subject) -> bool:
        """Silence of every metric that is judged may be theirs alone."""
        question = subject.requests()
        settings = self._sources.get(question.source) if question is not None else None
        if question is None or settings is None or not settings.is_open_to(subject.namespace):
            return False
        found = await self._answer(question, Ask.PODS, settings=settings)
        return not isinstance(found, Problem) and preflight.has_traffic(found)

    async def _answer(
        self, question: Question, ask: Ask, *, settings: MetricSourceSettings
    ) -> Answer:
        """The series of one question; of an answer that is too large the newest part will do."""
        message = ""
        for scrapes in (preflight.RANGE_SCRAPES, _NARROW_SCRAPES):
            range_seconds = max(1, round(scrapes * settings.scrape_interval_seconds))
            texts = question.texts(ask, range_seconds=range_seconds)
            results = [await self._query(question, text) for text in texts]
            failures = [one for one in results if not isinstance(one, ports.Ok)]
            if not failures:
                good = [one.value for one in results if isinstance(one, ports.Ok)]
                return _together([_parsed(question, one) for one in good])
            message = failures[0].message
            if not isinstance(failures[0], ports.Fatal):
                break
        return Problem(reason=Reason.METRICS_UNAVAILABLE, message=message)

    async def _query(self, question: Question, text: str) -> ports.Result[ports.RawAnswer]:
        return await self._asking.in_time(
            question.source,
            promql=text,
            at=self._clock.now(),
            namespace=question.identity.namespace,
        )


def _together(answers: Sequence[Answer]) -> Answer:
    """The series of all metrics that are counted together; a problem in one is one of all."""
    found: tuple[Series, ...] = ()
    for one in answers:
        if isinstance(one, Problem):
            return one
        found += one
    return found


def _parsed(question: Question, answer: ports.RawAnswer) -> Answer:
    if not isinstance(question.wanted, Free):
        return samples.matrix(answer.result_type, result=answer.result, warnings=answer.warnings)
    number = samples.parse_number(
        answer.result_type, result=answer.result, warnings=answer.warnings
    )
    return number if isinstance(number, Problem) else preflight.NUMBER
