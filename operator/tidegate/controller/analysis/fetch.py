"""One query for all subjects that want the same at a tick: the only place that asks metric sources.

Who asks at a tick is known beforehand, so equal wishes are put together before anything is sent.
An answer that is too large is asked for in parts: first by subjects, then by pods and buckets.
Nothing is kept but which parts a large subject needed. Rows are shared out and parsed once, off the
loop.
Source: performance.md, 4.1; evidence.md, 2.1.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from tidegate.controller.analysis.parts import Part, Partitions
from tidegate.controller.asking import Asking, failed, late
from tidegate.controller.background import Background
from tidegate.evidence.attempt import attempt, failure
from tidegate.evidence.counts import samples
from tidegate.evidence.queries.promql import Free, Group, Wanted
from tidegate.evidence.terms import LOOKBACK_SCRAPES, Identity, Problem, Reason, Series
from tidegate.model import Json
from tidegate.ports import Executor, Fatal, MetricSource, Ok, RawAnswer
from tidegate.settings import MetricSourceSettings

STANDARD_SCRAPES = 4
MAX_SCRAPES = 240  # per query: an hour at 15 s (evidence.md, 2.1)
MAX_MEMBERS_PER_QUERY = 200
MAX_QUERIES = 64  # for one wish of one tick, or of one subject that is large
MAX_PARALLEL = 4  # queries per source
MAX_SAMPLES = 1_000_000  # of one wish of one subject, in all parts: some 100 MB
TOLERANCE_SECONDS = 0.001  # rounding of instants

# The answer or the query is too large for the source, the adapter or a proxy between them; 422 is
# how Prometheus says that a query would load too many samples.
_TOO_LARGE = frozenset(
    {"TooLarge", "QueryTooLong", "Status413", "Status414", "Status422", "Status431"}
)

Numbers = Mapping[str, float]
Found = tuple[Series, ...] | Numbers | Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one subject wants to know at an instant; all in unix seconds.

    With `since` the samples in (since, at] and the look-back before it, without it a number, or one for
    each value of the labels of `wanted.by`; a `Free` query is answered as the number of the empty revision.
    """

    wanted: Wanted | Free
    at: float
    since: float | None = None


Answers = Mapping[Ask, asyncio.Future[Found]]
_Work = Callable[[], Awaitable[Mapping["Ask", Found]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What is asked, without for whom; `range_seconds` is 0 for numbers.

    `namespace` is that of the askers where the source is told.
    """

    group: Group
    at: float
    range_seconds: int = 0
    namespace: str = ""


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """What came back by member, of how many samples, and how many queries may still be sent."""

    found: dict[Identity, Found] = field(default_factory=dict)
    samples: dict[Identity, int] = field(default_factory=dict)
    queries_left: int = MAX_QUERIES

    def settle(self, members: Iterable[Identity], problem: Problem) -> None:
        """The same problem for all of them."""
        self.found |= dict.fromkeys(members, problem)

    def add(self, part: Mapping[Identity, Found]) -> None:
        """Put the pods of another part to those that are known; a problem in one is one of all."""
        for one, found in part.items():
            known = self.found.get(one)
            if isinstance(found, tuple) and (problem := self._too_many(one, found)):
                self.found[one] = problem
            elif isinstance(known, tuple) and isinstance(found, tuple):
                self.found[one] = known + found
            elif isinstance(known, Mapping) and isinstance(found, Mapping):
                # Metrics that are counted together, each summed by a query of its own.
                self.found[one] = {
                    it: known.get(it, 0.0) + found.get(it, 0.0)
                    for it in known.keys() | found.keys()
                }
            elif not isinstance(known, Problem):
                self.found[one] = found

    def _too_many(self, one: Identity, found: tuple[Series, ...]) -> Problem | None:
        """Why a subject's samples are more than can be held; less of the time could be had."""
        self.samples[one] = self.samples.get(one, 0) + sum(len(it.samples) for it in found)
        if self.samples[one] <= MAX_SAMPLES:
            return None
        message = f"more than {MAX_SAMPLES:,} samples in one answer of all parts"
        return replace(_error(message), too_large=True)

    def is_spoiled(self, members: Iterable[Identity]) -> bool:
        """Nobody can use what else is asked for."""
        return all(isinstance(self.found.get(one), Problem) for one in members)


class Fetcher:
    """Asks metric sources, at most one query per wish and tick where that works.

    Must be used from one event loop.
    """

    def __init__(
        self,
        *,
        source: MetricSource,
        sources: Mapping[str, MetricSourceSettings],
        executor: Executor,
        background: Background,
    ) -> None:
        self._asking = Asking(source=source, sources=sources)
        self._sources = sources
        self._executor = executor
        self._background = background
        self._slots = {name: asyncio.Semaphore(MAX_PARALLEL) for name in sources}
        self._partitions = Partitions()

    def send(self, asks: Iterable[Ask]) -> Answers:
        """Begin to ask; each answer comes by itself, so that no source holds up another."""
        loop = asyncio.get_running_loop()
        answers = {ask: loop.create_future() for ask in dict.fromkeys(asks)}
        wishes: dict[_Wish, list[Ask]] = {}
        for ask, answer in answers.items():
            problem = self._refusal(ask)
            if problem is not None:
                answer.set_result(problem)
            elif isinstance(ask.wanted, Free):
                self._begin(partial(self._number, ask), [ask], answers)
            else:
                wishes.setdefault(self._wish(ask, ask.wanted), []).append(ask)
        for wish, wanting in wishes.items():
            for some in self._batches(wish, wanting):
                self._begin(partial(self._ask, wish, some), some, answers)
        return answers

    def _batches(self, wish: _Wish, wanting: Sequence[Ask]) -> Iterator[Sequence[Ask]]:
        """Who is asked for together: one that is large has a deadline of its own."""
        together: list[Ask] = []
        alone: dict[Identity, list[Ask]] = {}
        for ask in wanting:
            one = _identity(ask)
            whole = (Part(metric, (one,)) for metric in wish.group.metrics)
            large = any(self._partitions.is_known(_key(wish, it)) for it in whole)
            (alone.setdefault(one, []) if large else together).append(ask)
        yield from alone.values()
        for first in range(0, len(together), MAX_MEMBERS_PER_QUERY):
            yield together[first : first + MAX_MEMBERS_PER_QUERY]

    def max_span_seconds(self, source: str) -> float:
        """The longest span that is asked for at once."""
        settings = self._sources.get(source)
        return MAX_SCRAPES * (settings.scrape_interval_seconds if settings else 1.0)

    def _begin(self, work: _Work, asks: Sequence[Ask], answers: Answers) -> None:
        source = asks[0].wanted.source

        async def answer() -> None:
            found: Mapping[Ask, Found] = {}
            try:
                async with asyncio.timeout(self._sources[source].deadline_seconds):
                    found = await work()
            except TimeoutError:
                found = dict.fromkeys(asks, late(source))
            except Exception as error:
                found = dict.fromkeys(asks, _error(f"{source}: {error!r}"))
                raise
            finally:
                for ask in asks:
                    if ask in found:
                        answers[ask].set_result(found[ask])
                    else:
                        answers[ask].cancel()

        self._background.spawn(answer(), name=f"query of {source}")

    def _refusal(self, ask: Ask) -> Problem | None:
        """Why this is not asked at all."""
        source, namespace = ask.wanted.source, _namespace(ask)
        if source not in self._sources:
            return _error(f"unknown metric source {source!r}")
        if not self._sources[source].is_open_to(namespace):
            return _error(f"metric source {source!r} is not open to namespace {namespace}")
        if ask.since is None:
            return None
        span_seconds = ask.at - ask.since
        if span_seconds <= self.max_span_seconds(source) + TOLERANCE_SECONDS:
            return None
        return _error(f"{span_seconds:.0f} s of samples are too much for one query")

    def _lookback_seconds(self, source: str) -> float:
        return LOOKBACK_SCRAPES * self._sources[source].scrape_interval_seconds

    def _wish(self, ask: Ask, wanted: Wanted) -> _Wish:
        settings = self._sources[wanted.source]
        namespace = settings.asked_for(wanted.identity.namespace).get("namespace", "")
        if ask.since is None:
            return _Wish(group=wanted.group, at=ask.at, namespace=namespace)
        scrape_seconds = settings.scrape_interval_seconds
        span_seconds = scrape_seconds * _shared_scrapes((ask.at - ask.since) / scrape_seconds)
        range_seconds = math.ceil(span_seconds + self._lookback_seconds(wanted.source))
        return _Wish(
            group=wanted.group, at=ask.at, range_seconds=range_seconds, namespace=namespace
        )

    async def _number(self, ask: Ask) -> Mapping[Ask, Found]:
        """The one number of a free query, which is never grouped."""
        assert isinstance(ask.wanted, Free), ask
        source = ask.wanted.source
        async with self._slots[source]:
            result = await self._asking.query(
                source,
                promql=ask.wanted.promql,
                at=datetime.fromtimestamp(ask.at, tz=UTC),
                namespace=ask.wanted.namespace,
            )
        if not isinstance(result, Ok):
            return {ask: failed(source, result.message)}
        answer = result.value
        number = samples.parse_number(
            answer.result_type, result=answer.result, warnings=answer.warnings
        )
        if not isinstance(number, Problem):
            return {ask: {"": number}}
        if number.reason is Reason.NO_DATA:
            number = replace(number, message=f"{number.message}; asked {ask.wanted.words}")
        return {ask: number}

    async def _ask(self, wish: _Wish, asks: Sequence[Ask]) -> Mapping[Ask, Found]:
        """The answers for all that have one wish; who spoils them is asked for alone."""
        gathered = _Gathered()
        parts = self._parts(wish, asks)
        async with self._slots[wish.group.source]:
            while parts:
                parts += await self._send(parts.pop(), wish=wish, gathered=gathered)
        lookback_seconds = self._lookback_seconds(wish.group.source)
        return await self._executor.run(
            partial(_shares, asks, found=gathered.found, lookback_seconds=lookback_seconds)
        )

    def _parts(self, wish: _Wish, asks: Sequence[Ask]) -> list[Part]:
        """What to send first: a query for each metric, in the parts that are known to be needed."""
        members = tuple(dict.fromkeys(_identity(ask) for ask in asks))
        whole = [Part(metric, members) for metric in wish.group.metrics]
        if len(members) > 1:
            return whole
        return [it for one in whole for it in self._partitions.parts(_key(wish, one), one)]

    async def _send(self, part: Part, *, wish: _Wish, gathered: _Gathered) -> Sequence[Part]:
        """One query; the smaller ones to send instead where it is too large."""
        if gathered.is_spoiled(part.members):
            return ()
        group = wish.group
        if gathered.queries_left == 0:
            gathered.settle(part.members, failed(group.source, "too many queries for one tick"))
            return ()
        gathered.queries_left -= 1
        text = group.text(
            part.members,
            metric=part.metric,
            range_seconds=wish.range_seconds,
            more=part.matchers,
        )
        at = datetime.fromtimestamp(wish.at, tz=UTC)
        result = await self._asking.query(
            group.source, promql=text, at=at, namespace=wish.namespace
        )
        if isinstance(result, Ok):
            work = partial(_parsed, result.value, wish=wish, members=part.members)
            gathered.add(await self._executor.run(work))
            return ()
        if isinstance(result, Fatal) and result.reason in _TOO_LARGE:
            return self._smaller(part, wish=wish, gathered=gathered, message=result.message)
        gathered.settle(part.members, failed(group.source, result.message))
        return ()

    def _smaller(
        self, part: Part, *, wish: _Wish, gathered: _Gathered, message: str
    ) -> Sequence[Part]:
        if len(part.members) > 1:
            return part.halves()
        # A number per revision is one row, however many pods there are.
        halves = self._partitions.cut(_key(wish, part), part) if wish.range_seconds else ()
        if not halves:
            problem = _error(f"{wish.group.source}: {message}")
            gathered.settle(part.members, replace(problem, too_large=True))
        return halves


def _parsed(
    answer: RawAnswer, *, wish: _Wish, members: Sequence[Identity]
) -> Mapping[Identity, Found]:
    """Each member's rows, parsed once however many metrics read them."""
    rows = samples.shared_out(
        answer.result_type,
        expected=samples.MATRIX if wish.range_seconds else samples.VECTOR,
        result=answer.result,
        warnings=answer.warnings,
        members=members,
        mode=wish.group.mode,
    )
    if isinstance(rows, Problem):
        return dict.fromkeys(members, rows)
    parse = _parser(wish)
    return {
        one: own if isinstance(own, Problem) else attempt(partial(parse, own), otherwise=failure)
        for one, own in rows.items()
    }


def _parser(wish: _Wish) -> Callable[[Sequence[Json]], Found]:
    if wish.range_seconds:
        return samples.series_of
    return samples.numbers_by_label if wish.group.by else samples.numbers_of


def _shares(
    asks: Sequence[Ask], *, found: Mapping[Identity, Found], lookback_seconds: float
) -> Mapping[Ask, Found]:
    return {
        ask: _own(ask, found[_identity(ask)], lookback_seconds=lookback_seconds) for ask in asks
    }


def _own(ask: Ask, found: Found, *, lookback_seconds: float) -> Found:
    """What an ask wants of its subject's rows."""
    assert isinstance(ask.wanted, Wanted), ask
    if isinstance(found, Problem):
        return found
    if isinstance(found, Mapping):
        return {revision: number * ask.wanted.scale for revision, number in found.items()}
    if ask.since is None:
        return found
    # The range was wider than wanted; without the cut an answer would depend on who asked.
    return samples.within(found, after=ask.since - lookback_seconds, until=ask.at)


def _key(wish: _Wish, part: Part) -> object:
    """What is remembered of a part of one subject: the instant is another one each time."""
    return replace(wish, at=0.0), part.metric, part.members[0]


def _namespace(ask: Ask) -> str:
    wanted = ask.wanted
    return wanted.namespace if isinstance(wanted, Free) else wanted.identity.namespace


def _identity(ask: Ask) -> Identity:
    assert isinstance(ask.wanted, Wanted), ask
    return ask.wanted.identity


def _shared_scrapes(wanted_scrapes: float) -> int:
    """The next larger of a few spans, so that subjects that are behind by this or that share."""
    shared = STANDARD_SCRAPES
    while shared < wanted_scrapes:
        shared *= 2
    return min(shared, MAX_SCRAPES)


def _error(message: str) -> Problem:
    return Problem(reason=Reason.ERROR, message=message)
