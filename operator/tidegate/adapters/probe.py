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
        url = url_of(address, port=port, path=path)
        try:
            async with self._session.get(url, timeout=_TIMEOUT, allow_redirects=False) as answer:
                if 200 <= answer.status < 300:
                    return ports.Ready()
                return ports.NotReady(f"GET {url} answered {answer.status}")
        except TimeoutError:
            return ports.Unreachable(f"GET {url} did not answer within {_TIMEOUT.total:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return ports.Unreachable(
                f"GET {url} failed: {reason(error)}", refused=is_refused(error)
            )


def url_of(address: str, *, port: int, path: str) -> str:
    """The URL of a path on a pod."""
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}/{path.lstrip('/')}"


def is_refused(error: Exception) -> bool:
    """Nobody listens there, or a policy says so in his place."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return isinstance(cause, ConnectionRefusedError)


def is_closed(error: Exception) -> bool:
    """There was a connection, and it was closed without an answer."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)


def reason(error: Exception) -> str:
    """What went wrong in words; never text of the pod's."""
    if is_refused(error):
        return "connection refused"
    if is_closed(error):
        return "connection closed without an answer"
    match error:
        case aiohttp.ClientConnectorError(os_error=cause):
            return cause.strerror or type(cause).__name__
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case _:
            return type(error).__name__


def session() -> Session:
    """The HTTP session of the probe; must be opened and closed inside the event loop.

    Proxies of the environment are ignored: the pod is in the same cluster.
    """
    return aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
