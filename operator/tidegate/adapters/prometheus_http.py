"""One metric source over HTTP: PrometheusConnect with a transport that trusts nobody.

Blocking. The library sends and decodes; what is read and for how long has bounds here, redirects
are refused, and proxies and `.netrc` of the environment are ignored.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Mapping
from datetime import datetime

import requests
from prometheus_api_client import PrometheusConnect
from requests.adapters import HTTPAdapter, ProtocolError, ReadTimeoutError, Retry

from tidegate.adapters import prometheus_answer as answers
from tidegate.adapters.prometheus_answer import RefusedError, Success
from tidegate.adapters.prometheus_credentials import Credentials
from tidegate.ports import Clock, Fatal, Ok, RawAnswer, Result, Retryable
from tidegate.settings import MetricSourceSettings

# A grouped answer for some hundred rollouts. Decoded it takes some eight times as much, and the
# desk has few on their way at a time; twice this would not fit the memory of the default chart.
MAX_BODY_BYTES = 4 * 1024 * 1024
CONNECT_TIMEOUT_SECONDS = 2.0

_READ_BYTES = 64 * 1024


class Client:
    """PrometheusConnect with our transport. Blocking; may be called from several threads."""

    def __init__(self, settings: MetricSourceSettings, *, clock: Clock, max_in_flight: int) -> None:
        self._timeout_seconds = settings.timeout_seconds
        self._parameters = dict(settings.query_parameters)
        self._namespace_parameter = settings.namespace_parameter
        self._answer = threading.local()
        self._session = _session(settings)
        self._session.hooks["response"].append(self._inspect)
        self._client = PrometheusConnect(
            url=settings.url.rstrip("/"),
            headers={"Accept": "application/json", **settings.headers},
            retry=Retry(total=0),
            auth=Credentials(settings),
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

    def query(self, promql: str, *, at: datetime, namespace: str) -> Result[RawAnswer]:
        """Ask once. Errors: as `PrometheusSources.query`."""
        parameters = dict(self._parameters)
        if self._namespace_parameter:
            if not namespace:
                return Fatal(reason="NoNamespace", message="the query is for no namespace")
            parameters[self._namespace_parameter] = namespace
        try:
            result = self._client.custom_query(
                promql,
                params={
                    **parameters,
                    "time": f"{at.timestamp():.3f}",
                    "timeout": f"{0.8 * self._timeout_seconds:g}",
                },
                timeout=(CONNECT_TIMEOUT_SECONDS, self._timeout_seconds),
            )
        except RefusedError as refused:
            return refused.failure
        except (requests.RequestException, ProtocolError, ReadTimeoutError) as error:
            return Retryable(message=_cause(error))
        except OSError as error:
            return Fatal(reason="Credentials", message=f"cannot read a credential: {error}")
        seen: Success = self._answer.success
        return Ok(RawAnswer(result_type=seen.result_type, result=result, warnings=seen.warnings))

    def close(self) -> None:
        """Free the connections."""
        self._session.close()

    def _inspect(self, response: requests.Response, **_: object) -> None:
        """Response hook: the client itself drops warnings and the type of the result."""
        self._answer.success = answers.success(
            response.status_code,
            kind=response.headers.get("Content-Type", ""),
            body=response.content,
        )


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
            raise RefusedError(Fatal(reason="Encoding", message=f"unasked encoding {encoding}"))
        body = bytearray()
        # read1 returns what is there; read would wait for a full block from a dripping server.
        while part := response.raw.read1(_READ_BYTES):
            body += part
            if len(body) > MAX_BODY_BYTES:
                message = f"the answer is larger than {MAX_BODY_BYTES} bytes"
                raise RefusedError(Fatal(reason=answers.TOO_LARGE, message=message))
            if self._clock.monotonic() > give_up_at:
                raise RefusedError(Retryable(message="the answer came too slowly"))
        return bytes(body)


def _session(settings: MetricSourceSettings) -> requests.Session:
    """A session that follows no redirect and ignores proxies and .netrc of the environment.

    Certificates are read anew for each connection, so they may be rotated.
    """
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    session.verify = settings.ca_file or True
    if settings.client_certificate_file:
        session.cert = (settings.client_certificate_file, settings.client_key_file)
    if settings.proxy_url:
        session.proxies = dict.fromkeys(("http", "https"), settings.proxy_url)
    session.headers.update({"User-Agent": "tidegate", "Accept-Encoding": "identity"})
    return session


def _cause(error: Exception) -> str:
    """Why a request failed, without the URL: the query in it would fill the message."""
    if isinstance(error, ValueError):  # a malformed header or URL: its text may hold a secret
        return type(error).__name__
    inner = getattr(error.args[0], "reason", None) if error.args else None
    text = str(inner or error).rsplit(": ", 1)[-1]
    return f"{type(error).__name__}: {text}"[: answers.MESSAGE_LENGTH]
