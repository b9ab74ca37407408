"""Who asks a metric source: credentials from files that are read anew for every request.

Secrets are mounted as files and rotated in place. No message ever holds what stands in them.
"""

from __future__ import annotations

import base64
from pathlib import Path

from requests import PreparedRequest
from requests.auth import AuthBase

from tidegate.adapters.prometheus_answer import RefusedError
from tidegate.ports import Fatal
from tidegate.settings import BasicAuth, MetricSourceSettings


class Credentials(AuthBase):
    """Adds what the settings of a source name: a token, a user, headers.

    Errors: RefusedError for a file that holds no such thing, OSError for one that cannot be read.
    """

    def __init__(self, settings: MetricSourceSettings) -> None:
        self._token_file = settings.bearer_token_file
        self._basic = settings.basic_auth
        self._header_files = settings.header_files

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """The request with its headers."""
        if self._token_file:
            request.headers["Authorization"] = f"Bearer {_token(self._token_file)}"
        elif self._basic is not None:
            request.headers["Authorization"] = _basic(self._basic)
        for name, path in self._header_files.items():
            request.headers[name] = _visible(path, what="value of a header")
        return request


def _token(path: str) -> str:
    token = _visible(path, what="token")
    if " " in token:
        raise _refused(path, what="token")
    return token


def _basic(given: BasicAuth) -> str:
    user = given.username or _text(given.username_file, what="user name")
    if ":" in user:
        raise _refused(given.username_file, what="user name without a colon")
    password = _text(given.password_file, what="password")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _visible(path: str, *, what: str) -> str:
    """Text that may stand in a header: the HTTP library would show any other in its message."""
    text = _text(path, what=what).strip()
    if not (text and text.isascii() and text.isprintable()):
        raise _refused(path, what=what)
    return text


def _text(path: str, *, what: str) -> str:
    """What stands in the file, without the line feed that editors add."""
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _refused(path, what=what) from None
    if not text:
        raise _refused(path, what=what)
    return text


def _refused(path: str, *, what: str) -> RefusedError:
    return RefusedError(Fatal(reason="Credentials", message=f"{path} holds no {what}"))
