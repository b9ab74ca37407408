"""`ports.MetricSource` on prometheus-api-client: instant queries with every guard-rail we need.

The library sends and decodes; it also trusts the server more than we may. So this module bounds
what is read and for how long, refuses redirects and anything but JSON, passes on warnings (a
partial answer must not look complete) and keeps a dead source from blocking the others: threads
cannot be cancelled, so each source may hold only its share of the pool.
Source: architecture.md, 7.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import io
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from requests.adapters import HTTPAdapter, ProtocolError, ReadTimeoutError, Retry
from requests.auth import AuthBase

from tidegate.ports import Clock, Failure, Fatal, Ok, RawAnswer, Recorder, Result, Retryable
from tidegate.settings import MetricSourceSettings

POOL_THREADS = 16
# A grouped answer for some hundred rollouts. Decoded it takes some eight times as much, and the
# desk has few on their way at a time; twice this would not fit the memory of the default chart.
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_QUERY_LENGTH = 8192  # queries travel in the URL
CONNECT_TIMEOUT_SECONDS = 2.0
SLACK_SECONDS = 1.0  # for waiting for a thread and for handing the answer over
BREAKER_FAILURES = 5
BREAKER_SECONDS = 10.0

_READ_BYTES = 64 * 1024
_MESSAGE_LENGTH = 300


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

    async def query(self, source: str, *, promql: str, at: datetime) -> Result[RawAnswer]:
        """Instant query at an explicit time.

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
        result = await known.ask(promql, at=at)
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

    async def query(self, source: str, *, promql: str, at: datetime) -> Result[RawAnswer]:
        """Instant query at an explicit time; `source` only says who would have been asked."""
        del source
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
        self._client = _Client(settings, clock=clock, max_in_flight=max_in_flight)

    async def ask(self, promql: str, *, at: datetime) -> Result[RawAnswer]:
        pause = self._breaker.wait_seconds(self._clock.monotonic())
        if pause > 0:
            message = "failed repeatedly and is left alone for a moment"
            return Retryable(message=message, after_seconds=pause)
        # Waiting for a thread counts too, so that a caller's delay has a bound.
        deadline_seconds = CONNECT_TIMEOUT_SECONDS + self._timeout_seconds + SLACK_SECONDS
        result: Result[RawAnswer]
        try:
            async with asyncio.timeout(deadline_seconds):
                result = await self._in_thread(promql, at=at)
        except TimeoutError:
            result = Retryable(message=f"no answer within {deadline_seconds:g} s")
        self._breaker.record(failed=isinstance(result, Retryable), now=self._clock.monotonic())
        return result

    def close(self) -> None:
        self._client.close()

    async def _in_thread(self, promql: str, *, at: datetime) -> Result[RawAnswer]:
        await self._slots.acquire()
        job = self._pool.submit(self._client.query, promql, at=at)
        # The slot is free when the thread is, not when the caller stops waiting.
        job.add_done_callback(functools.partial(self._release, asyncio.get_running_loop()))
        return await asyncio.wrap_future(job)

    def _release(
        self, loop: asyncio.AbstractEventLoop, _job: concurrent.futures.Future[Any]
    ) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._slots.release)


class _Client:
    """PrometheusConnect with our transport. Blocking; may be called from several threads."""

    def __init__(self, settings: MetricSourceSettings, *, clock: Clock, max_in_flight: int) -> None:
        self._timeout_seconds = settings.timeout_seconds
        self._answer = threading.local()
        self._session = _session(settings)
        self._session.hooks["response"].append(self._inspect)
        self._client = PrometheusConnect(
            url=settings.url.rstrip("/"),
            headers={"Accept": "application/json", **settings.headers},
            retry=Retry(total=0),
            auth=_BearerFile(settings.bearer_token_file) if settings.bearer_token_file else None,
            session=self._session,
        )
        # The client has mounted its own adapter; a mount on the very same prefix replaces it.
        self._session.adapters.clear()
        self._session.mount(
            self._client.url,
            _Transport(
                clock=clock,
                total_seconds=CONNECT_TIMEOUT_SECONDS + settings.timeout_seconds,
                connections=max_in_flight,
            ),
        )

    def query(self, promql: str, *, at: datetime) -> Result[RawAnswer]:
        try:
            result = self._client.custom_query(
                promql,
                params={
                    "time": f"{at.timestamp():.3f}",
                    "timeout": f"{0.8 * self._timeout_seconds:g}",
                },
                timeout=(CONNECT_TIMEOUT_SECONDS, self._timeout_seconds),
            )
        except _RefusedError as refused:
            return refused.failure
        except (requests.RequestException, ProtocolError, ReadTimeoutError) as error:
            return Retryable(message=_cause(error))
        except OSError as error:
            return Fatal(reason="Credentials", message=f"cannot read a credential: {error}")
        seen: _Success = self._answer.success
        return Ok(RawAnswer(result_type=seen.result_type, result=result, warnings=seen.warnings))

    def close(self) -> None:
        self._session.close()

    def _inspect(self, response: requests.Response, **_: object) -> None:
        """Response hook: the client itself drops warnings and the type of the result."""
        self._answer.success = _success(response)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Success:
    """What the client does not return."""

    result_type: str
    warnings: tuple[str, ...]


class _RefusedError(Exception):
    """An answer that must not be used."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _Transport(HTTPAdapter):
    """Reads a bounded, uncompressed body within a bounded time, and never retries."""

    def __init__(self, *, clock: Clock, total_seconds: float, connections: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._clock = clock
        self._total_seconds = total_seconds

    def send(  # noqa: PLR0917  (the signature is that of requests)
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send, and read the body here instead of leaving that to the caller."""
        del stream
        give_up_at = self._clock.monotonic() + self._total_seconds
        response = super().send(
            request, stream=True, timeout=timeout, verify=verify, cert=cert, proxies=proxies
        )
        with contextlib.closing(response):
            body = self._body(response, give_up_at=give_up_at)
        response.raw = io.BytesIO(body)
        return response

    def _body(self, response: requests.Response, *, give_up_at: float) -> bytes:
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise _RefusedError(Fatal(reason="Encoding", message=f"unasked encoding {encoding}"))
        body = bytearray()
        # read1 returns what is there; read would wait for a full block from a dripping server.
        while part := response.raw.read1(_READ_BYTES):
            body += part
            if len(body) > MAX_BODY_BYTES:
                message = f"the answer is larger than {MAX_BODY_BYTES} bytes"
                raise _RefusedError(Fatal(reason="TooLarge", message=message))
            if self._clock.monotonic() > give_up_at:
                raise _RefusedError(Retryable(message="the answer came too slowly"))
        return bytes(body)


class _BearerFile(AuthBase):
    """Adds the token of a file that is read again for every request, since it is rotated."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._path.read_text(encoding="latin-1").strip()
        if not (token.isascii() and token.isprintable() and " " not in token and token):
            # The HTTP library would refuse it too, and show it in its message.
            message = f"{self._path} holds no token"
            raise _RefusedError(Fatal(reason="Credentials", message=message))
        request.headers["Authorization"] = f"Bearer {token}"
        return request


def _session(settings: MetricSourceSettings) -> requests.Session:
    """A session that follows no redirect and ignores proxies and .netrc of the environment."""
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    session.verify = settings.ca_file or True
    session.headers.update({"User-Agent": "tidegate", "Accept-Encoding": "identity"})
    return session


def _success(response: requests.Response) -> _Success:
    """The parts of a complete answer that the client drops; anything else is refused."""
    status = response.status_code
    if 300 <= status < 400:
        message = f"answered {status}: redirects are not followed, name the final URL"
        raise _RefusedError(Fatal(reason="Redirect", message=message))
    payload = _payload(response)
    if status != 200:
        raise _RefusedError(_failure(status, payload=payload))
    if payload is None:
        kind = response.headers.get("Content-Type", "no type")
        message = f"answered {kind} instead of JSON from the Prometheus API"
        raise _RefusedError(Retryable(message=message[:_MESSAGE_LENGTH]))
    data = payload.get("data")
    if payload.get("status") != "success" or not isinstance(data, dict) or "result" not in data:
        raise _RefusedError(Retryable(message=_error_text(payload)))
    warnings = payload.get("warnings") or []
    if not isinstance(warnings, list):
        warnings = [warnings]
    return _Success(
        result_type=str(data.get("resultType", "")),
        warnings=tuple(str(warning)[:_MESSAGE_LENGTH] for warning in warnings[:10]),
    )


def _payload(response: requests.Response) -> dict[str, Any] | None:
    """The decoded object of a JSON answer; None for anything else."""
    if not response.headers.get("Content-Type", "").startswith("application/json"):
        return None
    try:
        payload = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _failure(status: int, *, payload: Mapping[str, Any] | None) -> Failure:
    message = f"answered {status}: {_error_text(payload or {})}"
    if status == 429 or status >= 500:
        return Retryable(message=message)
    return Fatal(reason=f"Status{status}", message=message)


def _error_text(payload: Mapping[str, Any]) -> str:
    return str(payload.get("error") or "no reason given")[:_MESSAGE_LENGTH]


def _cause(error: Exception) -> str:
    """Why a request failed, without the URL: the query in it would fill the message."""
    if isinstance(error, ValueError):  # a malformed header or URL: its text may hold a secret
        return type(error).__name__
    inner = getattr(error.args[0], "reason", None) if error.args else None
    text = str(inner or error).rsplit(": ", 1)[-1]
    return f"{type(error).__name__}: {text}"[:_MESSAGE_LENGTH]
