"""Command lines of etcd and the Kubernetes control plane, as values.

Shared by the control-plane level (loopback, no node) and the local provider (a real node).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import certificates

SERVICE_RANGE = "10.96.0.0/16"
FIRST_SERVICE_ADDRESS = "10.96.0.1"
POD_RANGE = "10.244.0.0/16"
ADMIN = "tidegate-admin"
_ISSUER = "https://kubernetes.default.svc.cluster.local"

# The user and group behind each client certificate; the names are given by Kubernetes' own RBAC.
_CLIENTS = {
    "admin": (ADMIN, "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "apiserver-kubelet": ("kube-apiserver-kubelet", "system:masters"),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Everything that signs or identifies something in one cluster."""

    authority: certificates.Authority
    server: certificates.KeyPair
    signing_key: Path

    def client(self, name: str) -> certificates.KeyPair:
        """The client certificate of a component; `kubelet:<node>` for a kubelet."""
        if name.startswith("kubelet:"):
            node = name.removeprefix("kubelet:")
            return self.authority.issue(
                "kubelet", common_name=f"system:node:{node}", organization="system:nodes"
            )
        common_name, organization = _CLIENTS[name]
        return self.authority.issue(name, common_name=common_name, organization=organization)


def make_credentials(folder: Path, *, hosts: Sequence[str]) -> Credentials:
    """The credentials kept in `folder`; the API server answers under each of `hosts`."""
    authority = certificates.authority(folder)
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
    server = authority.issue("apiserver", common_name="kube-apiserver", hosts=(*names, *hosts))
    return Credentials(
        authority=authority, server=server, signing_key=certificates.signing_key(folder)
    )


def etcd(binary: Path, *, data: Path, client_port: int, peer_port: int) -> list[str]:
    """Etcd on loopback.

    Without fsync: the data is thrown away, and a shared disk would make every test slower. A
    latency measured on this cluster is therefore not one of a durable etcd.
    """
    client = f"http://127.0.0.1:{client_port}"
    peer = f"http://127.0.0.1:{peer_port}"
    return [
        str(binary),
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--auto-compaction-retention=10m",
        "--quota-backend-bytes=4294967296",
        "--log-level=warn",
    ]


def apiserver(
    binary: Path, *, credentials: Credentials, etcd_port: int, port: int, extra: Sequence[str]
) -> list[str]:
    """The API server; `extra` holds what differs between the levels."""
    return [
        str(binary),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--secure-port={port}",
        f"--tls-cert-file={credentials.server.certificate}",
        f"--tls-private-key-file={credentials.server.key}",
        f"--client-ca-file={credentials.authority.pair.certificate}",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={credentials.signing_key}",
        f"--service-account-signing-key-file={credentials.signing_key}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--profiling=false",
        *extra,
    ]


def controller_manager(
    binary: Path, *, credentials: Credentials, kubeconfig: Path, port: int, extra: Sequence[str]
) -> list[str]:
    """The controller manager, alone in its cluster: no leader election."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={credentials.signing_key}",
        f"--root-ca-file={credentials.authority.pair.certificate}",
        f"--cluster-signing-cert-file={credentials.authority.pair.certificate}",
        f"--cluster-signing-key-file={credentials.authority.pair.key}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        *extra,
    ]
