"""Where the operator sends requests on behalf of a tenant."""

from __future__ import annotations

import pytest

from tidegate import model
from tidegate.controller import probe_guard


def pod(**more: model.Json) -> model.Document:
    spec = {
        "containers": [
            {"name": "server", "ports": [{"containerPort": 80}, {"containerPort": 8080}]}
        ],
        "initContainers": [{"name": "proxy", "ports": [{"containerPort": 443}]}, {"name": "init"}],
    }
    status = {
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
        "hostIP": "10.1.0.1",
        "hostIPs": [{"ip": "10.1.0.1"}, {"ip": "fd01::1"}],
    }
    return {"metadata": {"uid": "u1"}, "spec": spec, "status": status, **more}


def refusal(
    address: str, *, uid: str = "u1", port: int = 8080, of: model.Document | None = None
) -> str:
    return probe_guard.refusal(address, uid=uid, port=port, pods=[pod() if of is None else of])


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("10.0.0.1", 8080),
        ("fd00::1", 8080),
        ("10.0.0.1", 80),
        ("10.0.0.1", 443),
        ("10.0.0.1", 1024),
    ],
)
def test_a_pod_is_asked_at_its_own_address(address: str, port: int) -> None:
    assert refusal(address, port=port) == ""


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("0.0.0.0", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("metadata.google.internal", "not an IP address"),
        ("10.0.0.2", "not the address of a pod"),
        ("10.1.0.1", "not the address of a pod"),
    ],
)
def test_other_addresses_are_refused(address: str, why: str) -> None:
    assert why in refusal(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254"])
def test_even_where_a_pod_claims_them(address: str) -> None:
    claims = pod(status={"podIP": address})
    assert refusal(address, of=claims)


@pytest.mark.parametrize(
    "of",
    [
        pod(spec={"hostNetwork": True}),
        pod(status={"podIP": "10.0.0.1", "hostIP": "10.0.0.1"}),
        pod(status={"podIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.1"}]}),
    ],
)
def test_the_network_of_a_node_is_refused(of: model.Document) -> None:
    assert "address of a node" in refusal("10.0.0.1", of=of)


def test_a_low_port_that_nobody_declares_is_refused() -> None:
    assert "port 22 is below 1024" in refusal("10.0.0.1", port=22)
    assert refusal("10.0.0.1", port=80, of=pod(spec={}))


def test_an_endpoint_without_its_pod_is_refused() -> None:
    assert refusal("10.0.0.1", uid="10.0.0.1")
    assert refusal("10.0.0.1", of={})
