"""Asks a pod over HTTP whether its model is ready."""

from __future__ import annotations

import aiohttp

Session = aiohttp.ClientSession
_TIMEOUT = aiohttp.ClientTimeout(total=2.0)


class HttpReadyProbe:
    """`ports.ReadyProbe` that looks at the status code only and follows no redirect.

    The body of the answer is never read: it is a tenant's text (reliability.md, T4).
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def check(self, *, address: str, port: int, path: str) -> str:
        """Empty when the pod answered 2xx, else the reason in words."""
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{port}/{path.lstrip('/')}"
        try:
            async with self._session.get(url, timeout=_TIMEOUT, allow_redirects=False) as answer:
                if 200 <= answer.status < 300:
                    return ""
                return f"GET {url} answered {answer.status}"
        except TimeoutError:
            return f"GET {url} did not answer within {_TIMEOUT.total:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"GET {url} failed: {type(error).__name__}"


def session() -> Session:
    """The HTTP session of the probe; must be opened and closed inside the event loop.

    Proxies of the environment are ignored: the pod is in the same cluster.
    """
    return aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
