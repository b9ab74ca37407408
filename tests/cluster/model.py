"""The full cluster as its users see it, the same for every provider."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from tests.cluster import kubectl, paths

PROMETHEUS_URL = "http://prometheus.monitoring:9090"


class ClusterUnavailable(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """No cluster here; the message is one sentence: what is missing and how to get it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """What an image is built from: a Dockerfile and the folder it copies from."""

    context: Path
    dockerfile: Path
    tag: str


class ImageBuilder(Protocol):
    """Builds an image from a Dockerfile and makes it available to the cluster."""

    def __call__(
        self, *, context: Path, dockerfile: Path, tag: str, build_args: Mapping[str, str]
    ) -> None:
        """Errors: shell.CommandError with the end of the build log."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRef:
    """The shared Gateway: its object, and where its data plane listens inside of the cluster."""

    namespace: str = "tidegate-gateway"
    name: str = "inference"
    service_namespace: str = "envoy-gateway-system"
    service: str = "inference"
    port: int = 80

    @property
    def address(self) -> str:
        """`host:port` for clients inside of the cluster."""
        return f"{self.service}.{self.service_namespace}:{self.port}"

    @property
    def url(self) -> str:
        """The same with a scheme."""
        return f"http://{self.address}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster. Units: none. Errors: shell.CommandError from everything that runs."""

    provider: str
    kubeconfig: Path
    kubectl_bin: Path
    find_helm: Callable[[], Path]
    image_builder: ImageBuilder
    gateway: GatewayRef = dataclasses.field(default_factory=GatewayRef)
    prometheus_url: str = PROMETHEUS_URL

    @property
    def helm_bin(self) -> Path:
        """The helm executable; found on PATH or built on first use."""
        return self.find_helm()

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002
        """Standard output of kubectl; raises with what it said."""
        return kubectl.kubectl(self.kubectl_bin, kubeconfig=self.kubeconfig, args=args, input=input)

    def helm(self, *args: str) -> str:
        """Standard output of helm; raises with what it said."""
        home = paths.state_dir() / "helm"
        return kubectl.helm(self.helm_bin, kubeconfig=self.kubeconfig, home=home, args=args)

    def build_image(
        self, *, context: Path, dockerfile: Path, tag: str, build_args: Mapping[str, str] = {}
    ) -> None:
        """Build an image and load it into the cluster; quick when no file of it changed."""
        self.image_builder(context=context, dockerfile=dockerfile, tag=tag, build_args=build_args)
