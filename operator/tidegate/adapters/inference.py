"""Sends a pod one synthetic inference over HTTP."""

from __future__ import annotations

import json

import aiohttp

from tidegate import model, ports
from tidegate.adapters import probe as http

LONGEST_ANSWER = 256 * 1024  # bytes; so much is decoded within a few milliseconds
_CONNECT_SECONDS = 2.0


class HttpInferenceProbe:
    """`ports.InferenceProbe` that follows no redirect.

    The answer is read only where something is expected of it, and never repeated: it is a tenant's
    text (reliability.md, T4). A pod that took the connection and gives no answer in time has
    answered wrong; one that cannot be connected to has not been asked.
    """

    def __init__(self, session: http.Session) -> None:
        self._session = session

    async def infer(self, *, address: str, port: int, probe: model.Probe) -> ports.ReadyAnswer:
        """How the pod answered; everything but an HTTP answer, or its lack, is `Unreachable`."""
        try:
            async with self._session.request(
                probe.method,
                http.url_of(address, port=port, path=probe.path),
                data=probe.body.encode() or None,
                headers=dict(probe.headers),
                skip_auto_headers=("Accept-Encoding",),
                timeout=_timeout(probe),
                allow_redirects=False,
            ) as answer:
                return await _judged(answer, probe)
        except aiohttp.ConnectionTimeoutError:
            return ports.Unreachable("no connection in time")
        except TimeoutError:
            return ports.NotReady(f"no answer within {probe.timeout_seconds:g} s")
        except aiohttp.ClientPayloadError:
            return ports.NotReady("the answer broke off")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return ports.Unreachable(
                http.reason(error), refused=http.is_refused(error), closed=http.is_closed(error)
            )


def _timeout(probe: model.Probe) -> aiohttp.ClientTimeout:
    connect = min(_CONNECT_SECONDS, probe.timeout_seconds / 2)
    return aiohttp.ClientTimeout(total=probe.timeout_seconds, sock_connect=connect)


async def _judged(answer: aiohttp.ClientResponse, probe: model.Probe) -> ports.ReadyAnswer:
    if not probe.accepts(answer.status):
        return ports.NotReady(f"answered {answer.status} where {probe.expected_status} is expected")
    if not probe.values:
        return ports.Ready()
    text = await _read(answer)
    if text is None:
        return ports.NotReady(f"answered more than {LONGEST_ANSWER} bytes")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return ports.NotReady("the answer is not JSON")
    complaint = probe.complaint(document)
    return ports.NotReady(f"in the answer {complaint}") if complaint else ports.Ready()


async def _read(answer: aiohttp.ClientResponse) -> bytes | None:
    """The body as it was sent, or None where it is too long."""
    found = bytearray()
    async for part in answer.content.iter_chunked(LONGEST_ANSWER):
        found += part
        if len(found) > LONGEST_ANSWER:
            return None
    return bytes(found)
