"""What all posts to receivers outside of the cluster's API have in common.

No redirect is followed, no proxy is used, no word of an answer is read. A name is resolved once, and
connected to at an address that may be called (reliability.md, T4).
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tidegate import model, ports
from tidegate.adapters import probe as http

SIGNATURE = "X-Tidegate-Signature"
_CONNECT_SECONDS = 5.0
_RESOLVER_THREADS = 8
_MAY_PASS = frozenset({408, 425, 429})
_LONGEST_WAIT_SECONDS = 300.0


class GuardedResolver(AbstractResolver):
    """Gives no address of this machine, of a metadata service, or of a group."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses that may be called. Errors: OSError where there is none."""
        found = await self._inner.resolve(host, port, family)
        special = {model.special_address(it["host"]) for it in found} - {""}
        kept = [it for it in found if not model.special_address(it["host"])]
        if not kept:
            text = f"its name stands for a {', '.join(sorted(special))} address"
            raise OSError(errno.EACCES, text)
        return kept

    async def close(self) -> None:
        """Let go of what the resolver holds."""
        await self._inner.close()


class ThreadsOfItsOwn(AbstractResolver):
    """Asks the system for names; one that hangs takes no thread from the rest of the process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of a name. Errors: OSError where there is none."""
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=family_,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for family_, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Ask nothing more; a name that hangs is left to its thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def session() -> http.Session:
    """The HTTP session of all posts, apart from that by which pods are asked.

    Must be opened and closed inside the event loop.
    """
    connector = aiohttp.TCPConnector(resolver=GuardedResolver(ThreadsOfItsOwn()), limit=0)
    return aiohttp.ClientSession(
        trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), connector=connector
    )


async def post(
    session: http.Session,
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    trust: ssl.SSLContext | bool,
    timeout_seconds: float,
) -> ports.Result[None]:
    """Post once. Errors: Retryable for what may pass (network, time-out, 408, 425, 429, 5xx)."""
    timeout = aiohttp.ClientTimeout(
        total=timeout_seconds, sock_connect=min(_CONNECT_SECONDS, timeout_seconds)
    )
    try:
        async with session.post(
            url, data=body, headers=headers, ssl=trust, timeout=timeout, allow_redirects=False
        ) as answer:
            return _judged(answer.status, wait=answer.headers.get("Retry-After", ""))
    except TimeoutError:
        return ports.Retryable(message=f"no answer within {timeout_seconds:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return ports.Retryable(message=f"not reached: {http.reason(error)}")


def signature(body: bytes, *, key: bytes) -> str:
    """What the header says of a body: its HMAC-SHA256 (RFC 2104) in hex behind `sha256=`."""
    return f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"


def secret(path: str) -> bytes:
    """What stands in a file, without the line feed that editors add.

    Errors: OSError where it cannot be read, ValueError where it is empty.
    """
    found = Path(path).read_bytes().strip()
    if not found:
        raise ValueError(path)
    return found


def trust(ca_file: str) -> ssl.SSLContext | bool:
    """Whom to trust: who the system does, or the certificates of a file. Errors: OSError."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else True


def _judged(status: int, *, wait: str) -> ports.Result[None]:
    if 200 <= status < 300:
        return ports.Ok(None)
    message = f"answered {status} where 2xx is expected"
    if status >= 500 or status in _MAY_PASS:
        return ports.Retryable(message=message, after_seconds=_seconds(wait))
    return ports.Fatal(reason="Refused", message=message)


def _seconds(wait: str) -> float | None:
    """What `Retry-After` asks for, in seconds; None where it names none, or a date."""
    if not (wait.isascii() and wait.isdecimal() and wait.strip("0")):
        return None
    return float(min(int(wait[:9]), int(_LONGEST_WAIT_SECONDS)))
