"""Posts to receivers that the administrator allows, signed, and to nobody else."""

from __future__ import annotations

import asyncio
import ssl
import urllib.parse
from collections.abc import Sequence

from tidegate import ports
from tidegate.adapters import outgoing
from tidegate.adapters import probe as http
from tidegate.settings import HookReceiverSettings


class HttpHooks:
    """`ports.Hooks` that follows no redirect and reads no word of an answer.

    The key is read anew for each post, since secrets are rotated in place; no message repeats what is
    in the file.
    """

    def __init__(self, session: http.Session, *, receivers: Sequence[HookReceiverSettings]) -> None:
        self._session = session
        self._receivers = tuple(receivers)

    def obstacle(self, url: str, *, namespace: str) -> str:
        """Why ModelDeployments of the namespace may not call this URL, empty where they may."""
        found = self._allowed(url, namespace=namespace)
        return found if isinstance(found, str) else ""

    async def post(
        self, url: str, *, namespace: str, media_type: str, body: bytes, timeout_seconds: float
    ) -> ports.Result[None]:
        """Post once. Errors: Retryable for what may pass (network, time-out, 408, 425, 429, 5xx)."""
        receiver = self._allowed(url, namespace=namespace)
        if isinstance(receiver, str):
            return ports.Fatal(reason="HostNotAllowed", message=receiver)
        try:
            key, trust = await asyncio.to_thread(_credentials, receiver)
        except (OSError, ValueError):
            return ports.Fatal(
                reason="Credentials",
                message="the operator cannot read the signing key or certificates of this receiver",
            )
        headers = {
            "Content-Type": media_type,
            outgoing.SIGNATURE: outgoing.signature(body, key=key),
        }
        return await outgoing.post(
            self._session,
            url,
            body=body,
            headers=headers,
            trust=trust,
            timeout_seconds=timeout_seconds,
        )

    def _allowed(self, url: str, *, namespace: str) -> HookReceiverSettings | str:
        """The receiver with this host, or why there is none; an entry with the whole name goes first."""
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        named = [it for it in self._receivers if it.is_for(host)]
        if not named:
            return f"host {host} is not allowed by the operator's setting hookReceivers"
        receiver = max(named, key=lambda it: (not it.host.startswith("*."), len(it.host)))
        if receiver.namespaces and namespace not in receiver.namespaces:
            return f"host {host} is not open to namespace {namespace}, by the setting hookReceivers"
        if parts.scheme != "https" and not receiver.plain_http:
            return f"host {host} is to be called by https, or needs plainHTTP in hookReceivers"
        return receiver


def _credentials(receiver: HookReceiverSettings) -> tuple[bytes, ssl.SSLContext | bool]:
    """The key, and whom to trust."""
    return outgoing.secret(receiver.signing_key_file), outgoing.trust(receiver.ca_file)
