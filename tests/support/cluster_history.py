"""Everything that happened to the objects of a namespace, in the order in which it was told."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
from cluster_client import Client, Object, Refused, path_of

from tidegate import ports

T = TypeVar("T")

WATCHED = (
    ports.MODEL_DEPLOYMENT,
    ports.HTTP_ROUTE,
    ports.SERVICE,
    ports.DEPLOYMENT,
    ports.LEASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An object as it was told at `at` (unix seconds); `gone` when it was deleted then."""

    at: float
    kind: str
    body: Object
    gone: bool = False

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def version(self) -> int:
        return version_of(self.body)


class TimedOut(AssertionError):  # noqa: N818 - reads as the sentence it is
    """What was waited for did not happen."""


class History:
    """Watches a namespace from its creation on; `wait_for` looks at what was told so far."""

    def __init__(self, client: Client, *, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._told: list[Seen] = []
        self._newest: dict[str, int] = {}  # by kind, so that nothing is told twice
        self._news = threading.Condition()
        self._closed = False
        self._streams: list[requests.Response] = []
        for kind in WATCHED:
            threading.Thread(target=self._follow, args=(kind,), daemon=True).start()

    def close(self) -> None:
        """End the watches."""
        self._closed = True
        for stream in self._streams:
            raw: Any = stream.raw
            with contextlib.suppress(OSError, AttributeError):
                raw.connection.sock.shutdown(socket.SHUT_RDWR)  # ends a read that blocks

    def of(self, kind: ports.Kind, name: str) -> list[Seen]:
        """What was told of one object."""
        with self._news:
            return [seen for seen in self._told if seen.kind == kind.kind and seen.name == name]

    def of_kind(self, kind: ports.Kind) -> list[Seen]:
        """What was told of all objects of a kind."""
        with self._news:
            return [seen for seen in self._told if seen.kind == kind.kind]

    def wait_for(
        self, look: Callable[[], T | None], *, seconds: float, explain: Callable[[], str]
    ) -> T:
        """Ask `look` after everything that is told until it answers with something true.

        Errors: TimedOut with the explanation.
        """
        deadline = time.monotonic() + seconds
        while True:
            if answer := look():
                return answer
            with self._news:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._news.wait(timeout=min(left, 0.5))
        raise TimedOut(explain())

    def _follow(self, kind: ports.Kind) -> None:
        """List once, then watch; a broken stream goes on from the newest version seen."""
        while not self._closed:
            try:
                if kind.kind not in self._newest:
                    self._list(kind)
                self._stream(kind)
            # Closed, or the API server went away, or it does not serve a new kind yet.
            except (OSError, ValueError, AttributeError, Refused):
                time.sleep(0.2)

    def _list(self, kind: ports.Kind) -> None:
        listed = json.loads(self._client.text(path_of(kind, namespace=self._namespace)))
        known = self._newest.get(kind.kind, 0)
        for body in listed["items"]:
            if version_of(body) > known:
                self._tell(kind, body, gone=False)
        self._newest[kind.kind] = version_of(listed)

    def _stream(self, kind: ports.Kind) -> None:
        version = str(self._newest[kind.kind])
        stream = self._client.watch(kind, namespace=self._namespace, resource_version=version)
        self._streams.append(stream)
        # As they arrive: byte by byte, a busy machine tells of events half a minute late.
        for line in stream.iter_lines(chunk_size=None):
            event = json.loads(line)
            if event["type"] == "ERROR":
                self._list(kind)  # the version is too old to go on from
                return
            self._tell(kind, event["object"], gone=event["type"] == "DELETED")
            self._newest[kind.kind] = version_of(event["object"])

    def _tell(self, kind: ports.Kind, body: Object, *, gone: bool) -> None:
        with self._news:
            self._told.append(Seen(at=time.time(), kind=kind.kind, body=body, gone=gone))
            self._news.notify_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One version of a ModelDeployment. Units: `at` in unix seconds, shares in percent."""

    at: float
    body: Object

    @property
    def status(self) -> Object:
        return dict(self.body.get("status") or {})

    @property
    def generation(self) -> int:
        """Which spec this version holds."""
        return int(self.body["metadata"]["generation"])

    @property
    def version(self) -> int:
        return version_of(self.body)

    @property
    def current(self) -> bool:
        """Whether the operator has answered the newest spec."""
        return bool(self.status.get("observedGeneration") == self.generation)

    @property
    def phase(self) -> str:
        return str(self.status.get("phase", ""))

    @property
    def message(self) -> str:
        return str(self.status.get("message", ""))

    @property
    def rollout(self) -> Object:
        return dict(self.status.get("rollout") or {})

    @property
    def active(self) -> bool:
        return bool(self.rollout.get("active"))

    @property
    def intended_percent(self) -> float:
        """The candidate's share as the operator wants it."""
        return float(self.rollout.get("traffic", {}).get("candidate", 0.0))

    @property
    def step(self) -> Object:
        """The step being walked; empty when there is none."""
        return dict(self.rollout.get("step") or {}) if self.active else {}

    @property
    def stable_version(self) -> str:
        return str((self.status.get("stable") or {}).get("modelVersion", ""))

    @property
    def stable_revision(self) -> str:
        return str((self.status.get("stable") or {}).get("revision", ""))

    @property
    def last_result(self) -> str:
        return str((self.status.get("lastRollout") or {}).get("result", ""))

    @property
    def rejected_versions(self) -> list[str]:
        return [entry["modelVersion"] for entry in self.status.get("rejectedRevisions") or ()]

    @property
    def waiting_for(self) -> Object:
        return dict(self.rollout.get("waitingFor") or {})

    @property
    def step_started_at(self) -> float:
        """When the operator began the step, before it wrote its weight. Unix seconds."""
        started = instant(self.rollout["step"]["startedAt"])
        assert started is not None
        return started

    def condition(self, kind: str) -> Object:
        """A condition by its type; empty when there is none."""
        conditions = self.status.get("conditions") or ()
        return next((dict(found) for found in conditions if found["type"] == kind), {})


def version_of(body: Object) -> int:
    """Its resourceVersion: etcd counts all writes of the cluster in one order (KEP-5504)."""
    return int(body["metadata"]["resourceVersion"])


def looks(told: Sequence[Seen]) -> list[Look]:
    """Every version of a ModelDeployment that was told."""
    return [Look(at=seen.at, body=seen.body) for seen in told if not seen.gone]


def weight_of(route: Object, revision: str) -> float:
    """Share in percent that an HTTPRoute gives to the Service of a revision."""
    backends = [
        backend for rule in route["spec"]["rules"] for backend in rule.get("backendRefs", ())
    ]
    total = sum(backend["weight"] for backend in backends)
    mine = sum(b["weight"] for b in backends if b["name"].endswith(f"-{revision}"))
    return 100.0 * mine / total if total else 0.0


def instant(text: str | None) -> float | None:
    """Unix seconds of an RFC 3339 time."""
    return dt.datetime.fromisoformat(text).timestamp() if text else None
