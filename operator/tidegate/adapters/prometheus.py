"""`ports.MetricSource` on servers of the Prometheus API: instant queries with every guard-rail.

What is sent and read is bounded in `prometheus_http`, what an answer must look like stands in
`prometheus_answer`. Here a dead source is kept from blocking the others: threads cannot be
cancelled, so each source may hold only its share of the pool.
Source: architecture.md, 7.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tidegate.adapters.prometheus_http import CONNECT_TIMEOUT_SECONDS, Client
from tidegate.ports import Clock, Fatal, RawAnswer, Recorder, Result, Retryable
from tidegate.settings import MetricSourceSettings

POOL_THREADS = 16
MAX_QUERY_LENGTH = 8192  # queries travel in the URL
SLACK_SECONDS = 1.0  # for waiting for a thread and for handing the answer over
BREAKER_FAILURES = 5
BREAKER_SECONDS = 10.0


class PrometheusSources:
    """All metric sources of the settings, sharing one pool of threads.

    Must be used from one event loop and closed at the end.
    """

    def __init__(
        self, sources: Sequence[MetricSourceSettings], *, clock: Clock, recorder: Recorder
    ) -> None:
        self._clock = clock
        self._recorder = recorder
        self._pool = concurrent.futures.ThreadPoolExecutor(
            POOL_THREADS, thread_name_prefix="prometheus"
        )
        share = max(1, POOL_THREADS // max(1, len(sources)))
        self._sources = {
            settings.name: _Source(settings, clock=clock, pool=self._pool, max_in_flight=share)
            for settings in sources
        }

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> Result[RawAnswer]:
        """Instant query at an explicit time, for a namespace where the source is told.

        Errors: Retryable for everything that may pass (network, time-out, 429, 5xx, an answer
        that is not JSON, a source that failed repeatedly); Fatal for what the administrator or
        the author of the query must mend (redirect, 4xx, an answer above 4 MiB).
        """
        known = self._sources.get(source)
        if known is None:
            return Fatal(reason="UnknownSource", message=f"no metric source {source!r}")
        if len(promql) > MAX_QUERY_LENGTH:
            message = f"the query is longer than {MAX_QUERY_LENGTH} characters"
            return Fatal(reason="QueryTooLong", message=message)
        started = self._clock.monotonic()
        result = await known.ask(promql, at=at, namespace=namespace)
        self._recorder.metric_query(
            source=source,
            seconds=self._clock.monotonic() - started,
            outcome=type(result).__name__,
        )
        return result

    def close(self) -> None:
        """Drop what waits and free the connections; threads end with their own time-outs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for source in self._sources.values():
            source.close()


class AnySource:
    """One Prometheus that answers for every source, whatever its name."""

    def __init__(self, url: str, *, clock: Clock, recorder: Recorder) -> None:
        self._name = url
        settings = MetricSourceSettings(name=url, url=url)
        self._sources = PrometheusSources([settings], clock=clock, recorder=recorder)

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> Result[RawAnswer]:
        """Instant query at an explicit time; `source` only says who would have been asked."""
        del source, namespace
        return await self._sources.query(self._name, promql=promql, at=at)

    def close(self) -> None:
        """Free the connections."""
        self._sources.close()


class Breaker:
    """Stops asking a source that failed `BREAKER_FAILURES` times in a row, then tries once."""

    __slots__ = ("_failures", "_open_until")

    def __init__(self) -> None:
        self._failures = 0
        self._open_until = 0.0

    def wait_seconds(self, now: float) -> float:
        """0 when the source may be asked; after the pause only one caller gets 0."""
        if self._failures < BREAKER_FAILURES:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        self._open_until = now + BREAKER_SECONDS
        return 0.0

    def record(self, *, failed: bool, now: float) -> None:
        """Take note of how a call ended."""
        self._failures = self._failures + 1 if failed else 0
        if self._failures >= BREAKER_FAILURES:
            self._open_until = now + BREAKER_SECONDS


class _Source:
    """One Prometheus: its client, its share of the threads and its breaker."""

    def __init__(
        self,
        settings: MetricSourceSettings,
        *,
        clock: Clock,
        pool: concurrent.futures.ThreadPoolExecutor,
        max_in_flight: int,
    ) -> None:
        self._clock = clock
        self._pool = pool
        self._name = settings.name
        self._timeout_seconds = settings.timeout_seconds
        self._slots = asyncio.Semaphore(max_in_flight)
        self._breaker = Breaker()
        self._client = Client(settings, clock=clock, max_in_flight=max_in_flight)

    async def ask(self, promql: str, *, at: datetime, namespace: str) -> Result[RawAnswer]:
        pause = self._breaker.wait_seconds(self._clock.monotonic())
        if pause > 0:
            message = "failed repeatedly and is left alone for a moment"
            return Retryable(message=message, after_seconds=pause)
        # Waiting for a thread counts too, so that a caller's delay has a bound.
        deadline_seconds = CONNECT_TIMEOUT_SECONDS + self._timeout_seconds + SLACK_SECONDS
        result: Result[RawAnswer]
        try:
            async with asyncio.timeout(deadline_seconds):
                result = await self._in_thread(promql, at=at, namespace=namespace)
        except TimeoutError:
            result = Retryable(message=f"no answer within {deadline_seconds:g} s")
        self._breaker.record(failed=isinstance(result, Retryable), now=self._clock.monotonic())
        return result

    def close(self) -> None:
        self._client.close()

    async def _in_thread(self, promql: str, *, at: datetime, namespace: str) -> Result[RawAnswer]:
        await self._slots.acquire()
        job = self._pool.submit(self._client.query, promql, at=at, namespace=namespace)
        # The slot is free when the thread is, not when the caller stops waiting.
        job.add_done_callback(functools.partial(self._release, asyncio.get_running_loop()))
        return await asyncio.wrap_future(job)

    def _release(
        self, loop: asyncio.AbstractEventLoop, _job: concurrent.futures.Future[Any]
    ) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._slots.release)
