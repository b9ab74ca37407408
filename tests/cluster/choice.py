"""Which provider this machine can use: decided from facts, without side effects."""

from __future__ import annotations

import enum
import os
import platform
import shutil
from collections.abc import Mapping
from typing import Protocol, assert_never

from tests.cluster import gobuild, shell, versions
from tests.cluster.model import ClusterUnavailable

ENGINES = ("docker", "podman", "nerdctl")


class Provider(enum.StrEnum):
    """Where a full cluster comes from."""

    EXISTING = "existing"
    KIND = "kind"
    LOCAL = "local"


class Machine(Protocol):
    """Facts about this machine; asked only when they matter, because some take seconds."""

    def engine(self) -> str | None:
        """The first container engine that answers."""

    def has_kind(self) -> bool:
        """Whether the kind command is on PATH."""

    def go_version(self) -> tuple[int, int] | None:
        """Version of the go command."""

    def is_linux(self) -> bool:
        """Whether namespaces and containers can exist here at all."""

    def is_root(self) -> bool:
        """Whether network namespaces and mounts are allowed."""

    def has_apt(self) -> bool:
        """Whether packages come from apt."""


class ThisMachine:
    """The facts of the machine this runs on."""

    def engine(self) -> str | None:
        """A client without its daemon does not count: `info` asks the daemon."""
        working = (name for name in ENGINES if shell.succeeds(name, "info", timeout_seconds=10))
        return next(working, None)

    def has_kind(self) -> bool:
        return shutil.which("kind") is not None

    def go_version(self) -> tuple[int, int] | None:
        return gobuild.go_version()

    def is_linux(self) -> bool:
        return platform.system() == "Linux"

    def is_root(self) -> bool:
        return os.geteuid() == 0

    def has_apt(self) -> bool:
        return shutil.which("apt-get") is not None


def choose(environment: Mapping[str, str], machine: Machine) -> Provider:
    """The provider to use; TIDEGATE_CLUSTER forces one.

    Errors: ClusterUnavailable with one sentence that names what is missing and how to get it.
    """
    forced = environment.get("TIDEGATE_CLUSTER", "")
    if forced == "none":
        raise ClusterUnavailable("TIDEGATE_CLUSTER=none: unset it to let tests use a cluster.")
    if forced:
        return _forced(forced, environment, machine)
    if environment.get("TIDEGATE_KUBECONFIG"):
        return _checked(Provider.EXISTING, environment, machine)
    if _kind_lacks(machine) is None:
        return Provider.KIND
    local_lacks = _local_lacks(machine)
    if local_lacks is None:
        return Provider.LOCAL
    raise ClusterUnavailable(
        "No cluster can run here: start a container engine (docker, podman or nerdctl) for kind, "
        f"name a cluster with TIDEGATE_KUBECONFIG and TIDEGATE_CONTEXT, or, for a local one, "
        f"{local_lacks}."
    )


def control_plane_lacks(machine: Machine) -> str | None:
    """What is missing for `control_plane()` and how to get it; None when it can run."""
    return _go_lacks(machine)


def _forced(forced: str, environment: Mapping[str, str], machine: Machine) -> Provider:
    if forced not in list(Provider):
        known = ", ".join([*Provider, "none"])
        raise ClusterUnavailable(f"TIDEGATE_CLUSTER={forced} is unknown: use one of {known}.")
    return _checked(Provider(forced), environment, machine)


def _checked(provider: Provider, environment: Mapping[str, str], machine: Machine) -> Provider:
    lacks = _lacks(provider, environment, machine)
    if lacks is not None:
        raise ClusterUnavailable(f"The {provider} cluster cannot be used: {lacks}.")
    return provider


def _lacks(provider: Provider, environment: Mapping[str, str], machine: Machine) -> str | None:
    match provider:
        case Provider.EXISTING:
            return _existing_lacks(environment)
        case Provider.KIND:
            return _kind_lacks(machine)
        case Provider.LOCAL:
            return _local_lacks(machine)
        case _:
            assert_never(provider)


def _existing_lacks(environment: Mapping[str, str]) -> str | None:
    if not environment.get("TIDEGATE_KUBECONFIG"):
        return "set TIDEGATE_KUBECONFIG to its kubeconfig and TIDEGATE_CONTEXT to a context of it"
    if not environment.get("TIDEGATE_CONTEXT"):
        # The current context of a kubeconfig may be production; only a named one is meant.
        return "set TIDEGATE_CONTEXT to the context of TIDEGATE_KUBECONFIG that tests may change"
    return None


def _kind_lacks(machine: Machine) -> str | None:
    if machine.engine() is None:
        return f"start a container engine ({', '.join(ENGINES)})"
    if not machine.has_kind() and _go_lacks(machine) is not None:
        return "install kind (or Go, with which it is built)"
    return None


def _local_lacks(machine: Machine) -> str | None:
    if not machine.is_linux():
        return "use a Linux machine"
    if not machine.is_root():
        return "run as root (it makes network namespaces and mounts)"
    if not machine.has_apt():
        return "use a distribution with apt-get, from which its container runtime is installed"
    return _go_lacks(machine)


def _go_lacks(machine: Machine) -> str | None:
    found = machine.go_version()
    wanted = ".".join(str(part) for part in versions.GO_MINIMUM)
    if found is None:
        return f"install Go {wanted} or newer"
    if found < versions.GO_MINIMUM:
        return f"install Go {wanted} or newer (found {found[0]}.{found[1]})"
    return None
