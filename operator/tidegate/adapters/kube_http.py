"""HTTP as the Kubernetes API speaks it: requests as values, replies to outcomes. No I/O.

Source: architecture.md, 1 (the table of outcomes).
"""

from __future__ import annotations

import json
import re
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tidegate import ports

JSON = "application/json"
YAML = "application/yaml"
# JSON is YAML, but for what only YAML takes for a line break or refuses to read as it stands.
_LINE_BREAKS = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff]")
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
_LONGEST_RETRY_AFTER_SECONDS = 30.0
_LONGEST_SHARED_TEXT = 128  # what is longer is mostly a message, and said once
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. `verb` is the name of the port's method, for the metrics."""

    verb: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: ports.Object | Sequence[ports.Object] | None = None
    content_type: str = JSON
    accept: str = JSON
    urgent: bool = False

    @property
    def writes(self) -> bool:
        """Whether the cluster may differ afterwards."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back. `document` is empty when the body was no JSON object.

    `date` is when the server says that it sent it.
    """

    status: int
    document: ports.Object = field(default_factory=dict)
    complete: bool = True
    retry_after_seconds: float | None = None
    date: datetime | None = None


def root(kind: ports.Kind) -> str:
    """The URL path of the kind's group and version."""
    return f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"


def path(kind: ports.Kind, *, namespace: str, name: str = "") -> str:
    """The URL path of a collection or an object; names are quoted, they may come from users."""
    parts = [root(kind)]
    if kind.namespaced and namespace:
        parts += ["namespaces", urllib.parse.quote(namespace, safe="")]
    parts.append(kind.plural)
    if name:
        parts.append(urllib.parse.quote(name, safe=""))
    return "/".join(parts)


def parse(status: int, headers: Mapping[str, str], data: bytes) -> Reply:
    """The reply with its decoded body."""
    try:
        document = with_shared_texts(json.loads(data)) if data else {}
    except ValueError:
        document = None
    return Reply(
        status=status,
        document=document if isinstance(document, dict) else {},
        complete=isinstance(document, dict),
        retry_after_seconds=_retry_after_seconds(headers),
        date=_date(headers),
    )


def with_shared_texts(value: Any) -> Any:
    """A decoded JSON document whose names and short texts are the same objects as everybody's.

    Documents of a fleet say the same words: unshared, more than half of what the store keeps of an
    object would be these. The input stays as it is.
    """
    if isinstance(value, str):
        return sys.intern(value) if len(value) <= _LONGEST_SHARED_TEXT else value
    if isinstance(value, dict):
        return {sys.intern(name): with_shared_texts(one) for name, one in value.items()}
    if isinstance(value, list):
        return [with_shared_texts(one) for one in value]
    return value


def schemas(document: ports.Object, *, group: str, version: str) -> dict[str, ports.Object]:
    """Schemas of whole objects by kind, out of an OpenAPI v3 document of the API server."""
    components = (document.get("components") or {}).get("schemas") or {}
    return {
        one["kind"]: schema
        for schema in components.values()
        for one in schema.get("x-kubernetes-group-version-kind") or []
        if (one.get("group"), one.get("version")) == (group, version)
    }


def body_of(request: Request) -> ports.Object | Sequence[ports.Object] | str | None:
    """What the client library is to send: it writes JSON by itself, and YAML not at all."""
    if request.content_type != YAML:
        return request.body
    text = json.dumps(request.body, ensure_ascii=False)
    return _LINE_BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def outcome(request: Request, reply: Reply) -> ports.Result[ports.Object | None]:
    """Translate an HTTP reply (architecture.md, 1); `Ok(None)` is an object that does not exist."""
    message = _message(reply)
    match reply.status:
        case status if 200 <= status < 300 and reply.complete:
            return ports.Ok(reply.document)
        case status if 200 <= status < 300:
            return ports.Retryable(message="truncated answer", maybe_applied=request.writes)
        case 404:
            return _absent(request, reply)
        case 409 if _has_cause(reply, "FieldManagerConflict"):
            # Another manager owns the field: repeating would never help (architecture.md, 6).
            return ports.Fatal(reason="FieldConflict", message=message)
        case 409:
            return ports.Conflict(message=message)
        case 422 if request.content_type == JSON_PATCH and not (_causes(reply) or _denied(message)):
            return ports.Conflict(message=message)
        case 408 | 410 | 429:  # 410: a list that took longer than its continue token lives
            return ports.Retryable(message=message, after_seconds=reply.retry_after_seconds)
        case 500 if "failed to create typed patch object" in message:
            return ports.Fatal(reason="UnknownField", message=message)
        case status if status >= 500:
            return ports.Retryable(
                message=message,
                after_seconds=reply.retry_after_seconds,
                maybe_applied=request.writes,
            )
        case status:
            return ports.Fatal(reason=_reason(reply, status), message=message)


def _denied(message: str) -> bool:
    """An admission webhook may deny with any status; the API server says so in these words."""
    return message.startswith("admission webhook ") and " denied the request" in message


def _absent(request: Request, reply: Reply) -> ports.Result[ports.Object | None]:
    """No such object, or not even such a kind: a Status comes only where the kind is served."""
    if reply.document:
        return ports.Ok(None)
    return ports.Fatal(reason=ports.NOT_SERVED, message=f"{request.path} is not served")


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Kubernetes sends whole seconds; a date, which HTTP allows too, is left to the back-off.

    What is in front of an API server may ask for an hour, which no rollback can wait for.
    """
    value = headers.get("Retry-After", "")
    return min(float(value), _LONGEST_RETRY_AFTER_SECONDS) if value.isdecimal() else None


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        return parsedate_to_datetime(headers.get("Date", ""))
    except ValueError:
        return None


def _message(reply: Reply) -> str:
    message = reply.document.get("message")
    return str(message) if message else f"HTTP {reply.status}"


def _reason(reply: Reply, status: int) -> str:
    reason = reply.document.get("reason")
    return str(reason) if reason else f"HTTP{status}"


def _causes(reply: Reply) -> list[Mapping[str, Any]]:
    details = reply.document.get("details") or {}
    return details.get("causes") or []


def _has_cause(reply: Reply, reason: str) -> bool:
    return any(cause.get("reason") == reason for cause in _causes(reply))
