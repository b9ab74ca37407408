"""The processes of the local cluster: which, in which order, and with which configuration."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml
from tests.cluster import components, controlplane, kubeconfig, paths
from tests.cluster.local import layout, network, runtime

_API_PORT = 6443
_ETCD_PORT = 2379
_ETCD_PEER_PORT = 2380
_CONTROLLER_PORT = 10257
_CLUSTER_DNS = "10.96.0.10"
SERVER_URL = f"https://{network.NODE_ADDRESS}:{_API_PORT}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A process of the node; `ready` is asked after the start until it says yes."""

    name: str
    argv: list[str]
    ready: Callable[[], bool]


def credentials() -> components.Credentials:
    """Certificates for every address the API server is reached at."""
    hosts = (
        network.NODE_ADDRESS,
        network.BRIDGE_ADDRESS,
        components.FIRST_SERVICE_ADDRESS,
        "127.0.0.1",
    )
    return components.make_credentials(layout.folder("pki"), hosts=hosts)


def etcd(binary: Path) -> Component:
    argv = components.etcd(
        binary,
        data=layout.root() / "etcd",
        client_port=_ETCD_PORT,
        peer_port=_ETCD_PEER_PORT,
    )
    return Component(name="etcd", argv=argv, ready=_at_once)


def apiserver(binaries: Path, creds: components.Credentials) -> Component:
    """The API server, ready when it says so to the administrator."""
    kubelet_client = creds.client("apiserver-kubelet")
    argv = components.apiserver(
        binaries / "kube-apiserver",
        credentials=creds,
        etcd_port=_ETCD_PORT,
        port=_API_PORT,
        extra=[
            f"--advertise-address={network.BRIDGE_ADDRESS}",
            "--enable-admission-plugins=NodeRestriction",
            # Else logs and exec look up the node's name in DNS, where it is unknown.
            "--kubelet-preferred-address-types=InternalIP,Hostname",
            f"--kubelet-client-certificate={kubelet_client.certificate}",
            f"--kubelet-client-key={kubelet_client.key}",
        ],
    )
    return Component(
        name="kube-apiserver",
        argv=argv,
        ready=lambda: controlplane.answers(f"{SERVER_URL}/readyz", creds),
    )


def containerd(image_store: Path) -> Component:
    """Needs the folder /run/tidegate; its CNI network is written here, too."""
    layout.RUN.mkdir(exist_ok=True)
    cni = layout.folder("cni")
    network_list = json.dumps(cni_network(data=layout.root() / "cni-addresses"), indent=2)
    paths.write_if_changed(cni / "10-tidegate.conflist", network_list)
    config = layout.root() / "containerd.toml"
    text = runtime.configuration(
        cni_configuration=cni, opt=layout.root() / "opt", image_store=image_store
    )
    paths.write_if_changed(config, text)
    argv = ["containerd", "--config", str(config), "--log-level", "info"]
    return Component(name="containerd", argv=argv, ready=runtime.ready)


def controller_manager(binaries: Path, creds: components.Credentials) -> Component:
    argv = components.controller_manager(
        binaries / "kube-controller-manager",
        credentials=creds,
        kubeconfig=_kubeconfig("kube-controller-manager", creds),
        port=_CONTROLLER_PORT,
        extra=["--kube-api-qps=200", "--kube-api-burst=400"],
    )
    return Component(name="kube-controller-manager", argv=argv, ready=_at_once)


def scheduler(binaries: Path, creds: components.Credentials) -> Component:
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {
            "kubeconfig": str(_kubeconfig("kube-scheduler", creds)),
            "qps": 200,
            "burst": 400,
        },
    }
    file = _write_yaml("kube-scheduler.yaml", config)
    argv = [
        str(binaries / "kube-scheduler"),
        f"--config={file}",
        "--bind-address=127.0.0.1",
    ]
    return Component(name="kube-scheduler", argv=argv, ready=_at_once)


def proxy(binaries: Path, creds: components.Credentials) -> Component:
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": components.POD_RANGE,
        "hostnameOverride": layout.NODE_NAME,
        "clientConnection": {"kubeconfig": str(_kubeconfig("kube-proxy", creds))},
        # A route change must reach the data plane fast: tests measure how fast.
        "iptables": {"minSyncPeriod": "200ms", "syncPeriod": "30s"},
        # The table size belongs to the host; setting it from a namespace is refused.
        "conntrack": {"maxPerCore": 0},
        "oomScoreAdj": 0,
    }
    file = _write_yaml("kube-proxy.yaml", config)
    return Component(
        name="kube-proxy",
        argv=[str(binaries / "kube-proxy"), f"--config={file}"],
        ready=_at_once,
    )


def kubelet(binaries: Path, creds: components.Credentials) -> Component:
    """The kubelet; its own check is the node's Ready condition (see provider.py)."""
    file = _write_yaml("kubelet.yaml", kubelet_configuration(creds))
    config = _kubeconfig(f"kubelet:{layout.NODE_NAME}", creds)
    argv = [
        str(binaries / "kubelet"),
        f"--config={file}",
        f"--kubeconfig={config}",
        f"--root-dir={layout.root() / 'kubelet'}",
        f"--cert-dir={layout.root() / 'kubelet-pki'}",
        f"--hostname-override={layout.NODE_NAME}",
        f"--node-ip={network.BRIDGE_ADDRESS}",
    ]
    return Component(name="kubelet", argv=argv, ready=_at_once)


def kubelet_configuration(creds: components.Credentials) -> dict[str, object]:
    """Kubelet settings for a node that is a network namespace of a shared machine."""
    resolver = layout.root() / "resolv.conf"
    resolver.touch()  # pods with host DNS get none: there is no way out
    percent = "1%"  # the disk is shared with everything else, a full one is not our news
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(creds.authority.pair.certificate)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{layout.CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,
        "maxPods": 250,
        "serializeImagePulls": False,
        "clusterDNS": [_CLUSTER_DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": str(resolver),
        "podLogsDir": str(layout.root() / "pod-logs"),
        "volumePluginDir": str(layout.root() / "volume-plugins"),
        "imageGCHighThresholdPercent": 100,  # never delete images: they cannot be pulled again
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": percent,
            "imagefs.available": percent,
            "nodefs.inodesFree": percent,
        },
    }


def cni_network(*, data: Path) -> dict[str, object]:
    """The network of pods: a bridge on which the node is the gateway."""
    bridge = {
        "type": "bridge",
        "bridge": network.BRIDGE,
        "isDefaultGateway": True,
        "hairpinMode": True,  # a pod may reach itself through its own Service
        "ipam": {
            "type": "host-local",
            "dataDir": str(data),
            "ranges": [[{"subnet": components.POD_RANGE, "gateway": network.BRIDGE_ADDRESS}]],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": layout.CNI_NETWORK, "plugins": [bridge, portmap]}


def write_admin_kubeconfig(creds: components.Credentials) -> None:
    """Write the kubeconfig that people and tests use."""
    kubeconfig.write(
        layout.kubeconfig(),
        server=SERVER_URL,
        authority=creds.authority.pair.certificate,
        client=creds.client("admin"),
        context="tidegate-local",
    )


def _kubeconfig(client: str, creds: components.Credentials) -> Path:
    name = client.partition(":")[0]
    return kubeconfig.write(
        layout.folder("kubeconfigs") / name,
        server=SERVER_URL,
        authority=creds.authority.pair.certificate,
        client=creds.client(client),
        context=name,
    )


def _write_yaml(name: str, document: Mapping[str, object]) -> Path:
    file = layout.root() / name
    paths.write_if_changed(file, yaml.safe_dump(dict(document), sort_keys=False))
    return file


def _at_once() -> bool:
    return True
