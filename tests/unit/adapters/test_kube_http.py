from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate import ports
from tidegate.adapters import kube_http as http

READ = http.Request(verb="get", method="GET", path="/x")
WRITE = http.Request(verb="apply", method="PATCH", path="/x", content_type=http.APPLY)
PATCH = http.Request(verb="json_patch", method="PATCH", path="/x", content_type=http.JSON_PATCH)


def reply(status: int, document: Any = None, **headers: str) -> http.Reply:
    data = json.dumps(document if document is not None else {}).encode()
    return http.parse(status, {k.replace("_", "-"): v for k, v in headers.items()}, data)


def said(message: str, *, reason: str = "", causes: list[dict[str, str]] | None = None) -> Any:
    details = {"causes": causes} if causes else {}
    return {"kind": "Status", "message": message, "reason": reason, "details": details}


CASES: list[tuple[str, http.Request, http.Reply, ports.Result[Any]]] = [
    ("success", READ, reply(200, {"a": 1}), ports.Ok({"a": 1})),
    ("created", WRITE, reply(201, {"a": 1}), ports.Ok({"a": 1})),
    ("absent", READ, reply(404, said("not found", reason="NotFound")), ports.Ok(None)),
    (
        "absent kind",
        READ,
        reply(404),
        ports.Fatal(reason="NotServed", message=f"{READ.path} is not served"),
    ),
    ("conflict", WRITE, reply(409, said("modified")), ports.Conflict(message="modified")),
    (
        "another field owner",
        WRITE,
        reply(409, said("owned", causes=[{"reason": "FieldManagerConflict"}])),
        ports.Fatal(reason="FieldConflict", message="owned"),
    ),
    ("failed test", PATCH, reply(422, said("rejected")), ports.Conflict(message="rejected")),
    (
        "patch that a webhook denies",
        PATCH,
        reply(422, said('admission webhook "a.b" denied the request: no', reason="Invalid")),
        ports.Fatal(reason="Invalid", message='admission webhook "a.b" denied the request: no'),
    ),
    (
        "patch to an invalid object",
        PATCH,
        reply(422, said("bad", reason="Invalid", causes=[{"reason": "FieldValueInvalid"}])),
        ports.Fatal(reason="Invalid", message="bad"),
    ),
    (
        "invalid document",
        WRITE,
        reply(422, said("bad", reason="Invalid")),
        ports.Fatal(reason="Invalid", message="bad"),
    ),
    (
        "too many requests",
        WRITE,
        reply(429, said("slow down"), Retry_After="7"),
        ports.Retryable(message="slow down", after_seconds=7.0),
    ),
    (
        "expired list",
        READ,
        reply(410, said("expired")),
        ports.Retryable(message="expired"),
    ),
    (
        "server error on a read",
        READ,
        reply(500, said("boom")),
        ports.Retryable(message="boom"),
    ),
    (
        "server error on a write",
        WRITE,
        reply(503, said("boom"), Retry_After="1"),
        ports.Retryable(message="boom", after_seconds=1.0, maybe_applied=True),
    ),
    (
        "CRD older than the operator",
        WRITE,
        reply(500, said("failed to create typed patch object: .status.x: not declared")),
        ports.Fatal(
            reason="UnknownField",
            message="failed to create typed patch object: .status.x: not declared",
        ),
    ),
    (
        "forbidden",
        READ,
        reply(403, said("may not", reason="Forbidden")),
        ports.Fatal(reason="Forbidden", message="may not"),
    ),
    ("bad request", WRITE, reply(400), ports.Fatal(reason="HTTP400", message="HTTP 400")),
    ("redirect", READ, reply(302), ports.Fatal(reason="HTTP302", message="HTTP 302")),
    (
        "date in Retry-After",
        READ,
        reply(429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"),
        ports.Retryable(message="HTTP 429"),
    ),
    (
        "an hour in Retry-After",
        READ,
        reply(503, Retry_After="3600"),
        ports.Retryable(message="HTTP 503", after_seconds=30.0),
    ),
    (
        "html from a proxy",
        WRITE,
        http.parse(502, {}, b"<html>"),
        ports.Retryable(message="HTTP 502", maybe_applied=True),
    ),
    (
        "truncated success of a write",
        WRITE,
        http.parse(200, {}, b'{"a": '),
        ports.Retryable(message="truncated answer", maybe_applied=True),
    ),
    (
        "no JSON object",
        READ,
        http.parse(200, {}, b"[]"),
        ports.Retryable(message="truncated answer"),
    ),
    ("empty success", WRITE, http.parse(200, {}, b""), ports.Ok({})),
    (
        "causes that are no list",
        PATCH,
        reply(422, {"message": "odd", "details": {"causes": None}}),
        ports.Conflict(message="odd"),
    ),
]


@pytest.mark.parametrize(
    ("request_", "reply_", "expected"),
    [pytest.param(*case[1:], id=case[0]) for case in CASES],
)
def test_reply_becomes_its_outcome(
    request_: http.Request, reply_: http.Reply, expected: ports.Result[Any]
) -> None:
    assert http.outcome(request_, reply_) == expected


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "expected"),
    [
        (ports.SERVICE, "ns", "s", "/api/v1/namespaces/ns/services/s"),
        (ports.DEPLOYMENT, "", "", "/apis/apps/v1/deployments"),
        (
            ports.CLUSTER_METRIC_TEMPLATE,
            "ignored",
            "t",
            "/apis/tidegate.dev/v1alpha1/clustermetrictemplates/t",
        ),
        (ports.SERVICE, "a/../b", "?x", "/api/v1/namespaces/a%2F..%2Fb/services/%3Fx"),
    ],
)
def test_path_addresses_the_object_and_quotes_names(
    kind: ports.Kind, namespace: str, name: str, expected: str
) -> None:
    assert http.path(kind, namespace=namespace, name=name) == expected


def test_documents_share_their_names_and_short_texts() -> None:
    text = json.dumps({"role-of-this": ["stable-of-this", 1, None, True, {"deep-in-it": 2.5}]})
    one, other = (http.with_shared_texts(json.loads(text)) for _ in range(2))
    assert one == other == json.loads(text)
    assert one["role-of-this"][0] is other["role-of-this"][0]
    assert [id(name) for name in one] == [id(name) for name in other]


def test_sharing_leaves_the_document_as_it_is() -> None:
    document = {"a": [{"b": "c"}]}
    shared = http.with_shared_texts(document)
    shared["a"][0]["b"] = "d"
    assert document == {"a": [{"b": "c"}]}
