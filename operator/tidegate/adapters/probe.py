"""Asks a pod over HTTP whether its model is ready."""

from __future__ import annotations

import aiohttp

from tidegate import ports

Session = aiohttp.ClientSession
_TIMEOUT = aiohttp.ClientTimeout(total=2.0)


class HttpReadyProbe:
    """`ports.ReadyProbe` that looks at the status code only and follows no redirect.

    The body of the answer is never read: it is a tenant's text (reliability.md, T4).
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def check(self, *, address: str, port: int, path: str) -> ports.ReadyAnswer:
        """What the pod says of itself; everything but an HTTP answer is `Unreachable`."""
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{port}/{path.lstrip('/')}"
        try:
            async with self._session.get(url, timeout=_TIMEOUT, allow_redirects=False) as answer:
                if 200 <= answer.status < 300:
                    return ports.Ready()
                return ports.NotReady(f"GET {url} answered {answer.status}")
        except TimeoutError:
            return ports.Unreachable(f"GET {url} did not answer within {_TIMEOUT.total:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            refused = _is_refused(error)
            reason = "connection refused" if refused else _reason(error)
            return ports.Unreachable(f"GET {url} failed: {reason}", refused=refused)


def _is_refused(error: Exception) -> bool:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return isinstance(cause, ConnectionRefusedError)


def _reason(error: Exception) -> str:
    """What went wrong in words; never text of the pod's."""
    match error:
        case aiohttp.ClientConnectorError(os_error=cause):
            return cause.strerror or type(cause).__name__
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return "connection closed without an answer"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case _:
            return type(error).__name__


def session() -> Session:
    """The HTTP session of the probe; must be opened and closed inside the event loop.

    Proxies of the environment are ignored: the pod is in the same cluster.
    """
    return aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
