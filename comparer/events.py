"""Prediction logs as they arrive: CloudEvents over HTTP, one to a request.

KServe's logger sends them in binary mode, with the name of the service, the endpoint and, where it
is told to, headers of the request as extensions; our own hook says whose they are by extensions of
its own. Structured mode is read as well. Whatever else comes is refused with a word, never an error.
Source: CloudEvents 1.0.2, HTTP protocol binding, 3.1 and 3.2; KServe 0.21, pkg/logger/worker.go.
"""

from __future__ import annotations

import base64
import binascii
import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

HUMAN = "Human"
ANSWER_TYPES = frozenset(
    {"org.kubeflow.serving.inference.response", "io.seldon.serving.inference.response"}
)
LABEL_TYPE = "dev.tidegate.label.v1alpha1"
REQUEST_ID = "x-request-id"
MAX_ID_LENGTH = 256
_STRUCTURED = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"
_PREFIX = "ce-"
# What the operator calls a ModelDeployment and a revision; no other text becomes a label.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


class Why(enum.StrEnum):
    """Why an event is refused."""

    NO_EVENT = "NoEvent"  # neither binary nor structured mode, or no event in it
    NO_NAMES = "NoNames"  # model or revision is missing, or has a form that no name has
    NO_ID = "NoId"
    TOO_LARGE = "TooLarge"
    OTHER_NAMESPACE = "OtherNamespace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One answer to one request. `side` is a revision, or `HUMAN` for what a person says it should be."""

    namespace: str
    model: str
    side: str
    request_id: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An event that cannot be used, and what would have to be otherwise."""

    why: Why
    message: str


def read(headers: Mapping[str, str], body: bytes) -> Logged | Refusal | None:
    """The answer that an HTTP request logs; None for an event that is none, such as a logged request.

    `headers` have lower-case names.
    """
    content_type = headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type == _BATCH:
        return Refusal(why=Why.NO_EVENT, message="batches are not read: send one event at a time")
    if content_type == _STRUCTURED:
        return _structured(body)
    attributes = {
        name.removeprefix(_PREFIX): unquote(value)
        for name, value in headers.items()
        if name.startswith(_PREFIX)
    }
    return _event(attributes, body)


def _structured(body: bytes) -> Logged | Refusal | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(why=Why.NO_EVENT, message="the body is no JSON")
    if not isinstance(document, dict):
        return Refusal(why=Why.NO_EVENT, message="the body is no JSON object")
    data = _data(document)
    if data is None:
        return Refusal(why=Why.NO_EVENT, message="data_base64 is no base64")
    attributes = {name: value for name, value in document.items() if isinstance(value, str)}
    return _event(attributes, data)


def _data(document: Mapping[str, object]) -> bytes | None:
    encoded = document.get("data_base64")
    if isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return None
    return json.dumps(document.get("data")).encode()


def _event(attributes: Mapping[str, str], body: bytes) -> Logged | Refusal | None:
    kind = attributes.get("type", "")
    if not kind or not attributes.get("specversion"):
        message = "no CloudEvent: ce-type and ce-specversion are missing"
        return Refusal(why=Why.NO_EVENT, message=message)
    if kind not in ANSWER_TYPES and kind != LABEL_TYPE:
        return None
    model = attributes.get("modeldeployment") or attributes.get("inferenceservicename", "")
    revision = attributes.get("revision") or attributes.get("endpoint", "")
    by_person = kind == LABEL_TYPE
    if not _NAME.fullmatch(model) or not (by_person or _NAME.fullmatch(revision)):
        message = (
            "modeldeployment (or inferenceservicename) and revision (or endpoint) must name "
            f"a ModelDeployment and one of its revisions; got {model[:80]!r} and {revision[:80]!r}"
        )
        return Refusal(why=Why.NO_NAMES, message=message)
    request_id = _request_id(attributes)
    if not 0 < len(request_id) <= MAX_ID_LENGTH:
        message = f"the id of the request must have 1 to {MAX_ID_LENGTH} characters"
        return Refusal(why=Why.NO_ID, message=message)
    return Logged(
        namespace=attributes.get("namespace", ""),
        model=model,
        side=HUMAN if by_person else revision,
        request_id=request_id,
        body=body,
    )


def _request_id(attributes: Mapping[str, str]) -> str:
    """That of the request where it is told: KServe makes a new id for each event that has none."""
    told = attributes.get("requestid") or _header(attributes.get("metadata", ""))
    return told or attributes.get("id", "")


def _header(metadata: str) -> str:
    """The id among the headers that KServe passes on: an object of lists."""
    try:
        headers = json.loads(metadata) if metadata else None
    except (ValueError, RecursionError):
        return ""
    if not isinstance(headers, dict):
        return ""
    for name, values in headers.items():
        if name.lower() == REQUEST_ID and isinstance(values, list) and values:
            return str(values[0])
    return ""
