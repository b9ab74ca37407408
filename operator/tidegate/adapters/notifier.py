"""Posts news to receivers that the administrator allows: by name, or at a host of hooks."""

from __future__ import annotations

import asyncio
import ssl
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate import model, ports
from tidegate.adapters import outgoing
from tidegate.adapters import probe as http
from tidegate.settings import NotificationReceiverSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    """Where a message goes, and by which headers besides. Its text is secret."""

    url: str
    headers: Mapping[str, str]
    trust: ssl.SSLContext | bool


class HttpNotifier:
    """A notifier that shares with hooks whom they may call, and how they do.

    URL, key and token are read anew for each post, since secrets are rotated in place; no message
    repeats what is in a file.
    """

    def __init__(
        self,
        session: http.Session,
        *,
        hooks: ports.Hooks,
        receivers: Sequence[NotificationReceiverSettings],
    ) -> None:
        self._session = session
        self._hooks = hooks
        self._receivers = {it.name: it for it in receivers}

    def obstacle(self, to: model.Recipient, *, namespace: str) -> str:
        """Why nothing of the namespace may be sent there, empty where it may."""
        if to.url:
            return self._hooks.obstacle(to.url, namespace=namespace)
        found = self._receiver(to.receiver, namespace=namespace)
        return found if isinstance(found, str) else ""

    async def post(
        self,
        to: model.Recipient,
        *,
        namespace: str,
        media_type: str,
        body: bytes,
        timeout_seconds: float,
    ) -> ports.Result[None]:
        """Post once. Errors: as `outgoing.post`, and Fatal where it may not or cannot be sent."""
        if to.url:
            return await self._hooks.post(
                to.url,
                namespace=namespace,
                media_type=media_type,
                body=body,
                timeout_seconds=timeout_seconds,
            )
        receiver = self._receiver(to.receiver, namespace=namespace)
        if isinstance(receiver, str):
            return ports.Fatal(reason="ReceiverNotAllowed", message=receiver)
        try:
            address = await asyncio.to_thread(_address, receiver, body)
        except (OSError, ValueError):
            return ports.Fatal(reason="Credentials", message=_unusable(receiver))
        return await outgoing.post(
            self._session,
            address.url,
            body=body,
            headers={"Content-Type": media_type, **address.headers},
            trust=address.trust,
            timeout_seconds=timeout_seconds,
        )

    def _receiver(self, name: str, *, namespace: str) -> NotificationReceiverSettings | str:
        """The receiver of this name, or why there is none for the namespace."""
        found = self._receivers.get(name)
        if found is None or (found.namespaces and namespace not in found.namespaces):
            return (
                f"receiver {name} is not open to namespace {namespace}, by the operator's setting "
                "notificationReceivers"
            )
        return found


def _address(receiver: NotificationReceiverSettings, body: bytes) -> _Address:
    """Errors: OSError or ValueError for a file that cannot be used."""
    url = outgoing.secret(receiver.url_file).decode("ascii")
    parts = urllib.parse.urlsplit(url)
    schemes = {"https", "http"} if receiver.plain_http else {"https"}
    if parts.scheme not in schemes or not parts.hostname or len(url.split()) != 1:
        raise ValueError(receiver.url_file)
    headers: dict[str, str] = {}
    if receiver.signing_key_file:
        key = outgoing.secret(receiver.signing_key_file)
        headers[outgoing.SIGNATURE] = outgoing.signature(body, key=key)
    if receiver.bearer_token_file:
        token = outgoing.secret(receiver.bearer_token_file).decode("ascii")
        headers["Authorization"] = f"Bearer {token}"
    return _Address(url=url, headers=headers, trust=outgoing.trust(receiver.ca_file))


def _unusable(receiver: NotificationReceiverSettings) -> str:
    """What the administrator is to look at; which file is his affair, what is in it nobody's."""
    return (
        f"the operator cannot use the files of receiver {receiver.name}: its urlFile has to hold one "
        "https URL, and its other files must be there and not be empty"
    )
