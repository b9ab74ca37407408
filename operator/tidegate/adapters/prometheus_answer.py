"""What a server of the Prometheus API answered: the parts of a complete answer, or why it is none.

Prometheus, Mimir, Thanos, Cortex and VictoriaMetrics agree on the body and not on what goes around
it, so the body decides: VictoriaMetrics sends raw samples as `application/stream+json`, and says in
`isPartial` what others say in `warnings`. Statuses become failures here and go no further.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.ports import Failure, Fatal, Retryable

MESSAGE_LENGTH = 300
TOO_LARGE = "TooLarge"

_PARTIAL = "isPartial: a part of the storage did not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """A complete answer without its rows, which the client returns."""

    result_type: str
    warnings: tuple[str, ...]


class RefusedError(Exception):
    """An answer that must not be used."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def success(status: int, *, kind: str, body: bytes) -> Success:
    """What an answer says beside its rows; `kind` is its content type.

    Errors: RefusedError for a redirect, an error status, a body that is no successful answer of
    the API.
    """
    if 300 <= status < 400:
        message = f"answered {status}: redirects are not followed, name the final URL"
        raise RefusedError(Fatal(reason="Redirect", message=message))
    payload = _payload(body)
    if status != 200:
        raise RefusedError(_failure(status, payload=payload))
    if payload is None:
        message = f"answered {kind or 'no type'} instead of JSON from the Prometheus API"
        raise RefusedError(Retryable(message=message[:MESSAGE_LENGTH]))
    data = payload.get("data")
    if payload.get("status") != "success" or not isinstance(data, dict) or "result" not in data:
        raise RefusedError(Retryable(message=_error_text(payload)))
    return Success(result_type=str(data.get("resultType", "")), warnings=_warnings(payload))


def _payload(body: bytes) -> dict[str, Any] | None:
    """The decoded object; None for anything else, such as the page of a login."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _warnings(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """Everything that speaks against the answer, whatever the shape."""
    given = payload.get("warnings") or []
    said = [str(one)[:MESSAGE_LENGTH] for one in (given if isinstance(given, list) else [given])]
    return (_PARTIAL, *said) if payload.get("isPartial") else tuple(said)


def _failure(status: int, *, payload: Mapping[str, Any] | None) -> Failure:
    message = f"answered {status}: {_error_text(payload or {})}"
    if status == 429 or status >= 500:
        return Retryable(message=message)
    return Fatal(reason=f"Status{status}", message=message)


def _error_text(payload: Mapping[str, Any]) -> str:
    return str(payload.get("error") or "no reason given")[:MESSAGE_LENGTH]
