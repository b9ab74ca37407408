"""Which pods may be asked for their ready URL: pods of the revision, at an address of their own.

Addresses come from EndpointSlices, which a tenant may be allowed to write, and a pod in the network
of its node has the node's address. The operator reaches more than a tenant does, so it asks only
where a pod of the revision is known to listen by itself.
Source: reliability.md, T4 (the operator as a deputy).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tidegate import model
from tidegate.model import objects

FIRST_FREE_PORT = 1024  # below are the ports of the system's own services


def refusal(address: str, *, uid: str, port: int, pods: Iterable[model.Document]) -> str:
    """Why the pod with this uid must not be asked at this address; empty where it may be.

    `pods` are those of the revision, read live.
    """
    if problem := _never(address):
        return problem
    pod = next((one for one in pods if objects.at(one, "metadata", "uid") == uid), None)
    if pod is None or address not in _addresses(pod, "podIP", "podIPs"):
        return f"{address} is not the address of a pod of this revision"
    on_node = objects.at(pod, "spec", "hostNetwork") is True
    if on_node or address in _addresses(pod, "hostIP", "hostIPs"):
        return f"{address} is the address of a node (hostNetwork)"
    if port < FIRST_FREE_PORT and port not in _declared(pod):
        return f"port {port} is below {FIRST_FREE_PORT} and no container declares it"
    return ""


def _never(address: str) -> str:
    try:
        special = model.special_address(address)
    except ValueError:
        return f"{address!r} is not an IP address"
    return f"{address} is a {special} address" if special else ""


def _addresses(pod: model.Document, one: str, many: str) -> set[str]:
    """Addresses in both forms of a pod's status."""
    status = objects.at(pod, "status")
    listed = objects.items(objects.at(status, many))
    return {
        objects.text(objects.at(status, one)),
        *(objects.text(objects.at(entry, "ip")) for entry in listed),
    } - {""}


def _declared(pod: model.Document) -> Iterator[int]:
    for kind in ("containers", "initContainers"):  # a sidecar may be an init container
        for container in objects.items(objects.at(pod, "spec", kind)):
            for port in objects.items(objects.at(container, "ports")):
                yield objects.whole(objects.at(port, "containerPort"))
