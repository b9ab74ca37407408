"""The network namespace that is the node of the local cluster.

It has no default route: nothing in the cluster can reach anything outside of this machine, and the
host's own routing and iptables stay as they are.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.cluster import components, shell

NAMESPACE = "tidegate"
HOST_DEVICE = "tidegate0"
NODE_DEVICE = "uplink0"
BRIDGE = "cni0"
HOST_ADDRESS = "172.31.255.1"
NODE_ADDRESS = "172.31.255.2"
BRIDGE_ADDRESS = "10.244.0.1"
_NAMESPACE_FILE = Path("/run/netns") / NAMESPACE


def enter() -> list[str]:
    """The words that make a command run in the namespace.

    Not `ip netns exec`: it mounts a new /sys, and a kubelet then finds no cgroups.
    """
    return ["nsenter", f"--net={_NAMESPACE_FILE}", "--"]


def exists() -> bool:
    """Whether the namespace and its way to the host are there."""
    device = Path("/sys/class/net") / HOST_DEVICE
    return _NAMESPACE_FILE.exists() and device.exists()


def create() -> None:
    """Make the namespace, its bridge for pods and its link to the host.

    Errors: shell.CommandError; a half-made namespace is removed by `remove`.
    """
    shell.run("ip", "netns", "add", NAMESPACE)
    shell.run(
        *("ip", "link", "add", HOST_DEVICE, "type", "veth"),
        *("peer", "name", NODE_DEVICE, "netns", NAMESPACE),
    )
    shell.run("ip", "address", "add", f"{HOST_ADDRESS}/30", "dev", HOST_DEVICE)
    shell.run("ip", "link", "set", HOST_DEVICE, "up")
    for command in _inner_commands():
        shell.run(*enter(), *command)


def _inner_commands() -> list[list[str]]:
    bridge = f"{BRIDGE_ADDRESS}/16"
    commands = [
        f"ip address add {NODE_ADDRESS}/30 dev {NODE_DEVICE}",
        f"ip link add {BRIDGE} type bridge",
        f"ip address add {bridge} dev {BRIDGE}",
        *(f"ip link set {device} up" for device in ("lo", NODE_DEVICE, BRIDGE)),
        # Service addresses exist only as iptables rules; the route lets packets get that far.
        f"ip route add {components.SERVICE_RANGE} dev {BRIDGE}",
        "sysctl -qw net.ipv4.ip_forward=1",
    ]
    if Path("/proc/sys/net/bridge").exists():
        # Replies between two pods on the bridge must pass the address translation, too.
        commands.append("sysctl -qw net.bridge.bridge-nf-call-iptables=1")
    return [command.split() for command in commands]


def remove() -> None:
    """Delete the namespace and the link; both may be absent or half made."""
    with contextlib.suppress(shell.CommandError):
        shell.run("ip", "link", "delete", HOST_DEVICE)
    with contextlib.suppress(shell.CommandError):
        shell.run("ip", "netns", "delete", NAMESPACE)


def processes() -> list[int]:
    """Processes that live in the namespace: all of them were started by us."""
    if not _NAMESPACE_FILE.exists():
        return []
    with contextlib.suppress(shell.CommandError):
        return [int(pid) for pid in shell.run_text("ip", "netns", "pids", NAMESPACE).split()]
    return []


def kill_processes() -> None:
    """Kill what still lives in the namespace, whoever recorded it."""
    for pid in processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
