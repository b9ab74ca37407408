"""The kind provider: thin, because kind and a container engine do the work."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.cluster import addons, choice, existing, gobuild, paths, rendering, shell, versions
from tests.cluster.model import Cluster, ClusterUnavailable
from tests.cluster.progress import Progress

NAME = "tidegate"
IMAGES = rendering.Images(
    envoy_gateway=versions.ENVOY_GATEWAY_IMAGE,
    envoy=versions.ENVOY_IMAGE,
    prometheus=versions.PROMETHEUS_IMAGE,
)
_CREATE_TIMEOUT_SECONDS = 900.0
_BUILD_TIMEOUT_SECONDS = 1800.0


def ensure(progress: Progress) -> Cluster:
    """The running kind cluster `tidegate`, made when there is none.

    Errors: ClusterUnavailable without a container engine; shell.CommandError with what kind said.
    """
    engine = choice.ThisMachine().engine()
    if engine is None:
        raise ClusterUnavailable(f"No container engine answers: start {choice.ENGINES[0]}.")
    _note_use(engine)
    if NAME not in _kind(engine, "get", "clusters").split():
        with progress.step("create the kind cluster", hint="pulls about 1 GB the first time"):
            _create(engine)
    kubeconfig = _kubeconfig()
    _kind(engine, "export", "kubeconfig", "--name", NAME, "--kubeconfig", str(kubeconfig))
    client = addons.Client(
        kubectl_bin=existing.find_kubectl(), helm_bin=existing.find_helm(), kubeconfig=kubeconfig
    )
    addons.ensure(client, images=IMAGES, progress=progress)
    return _handle(engine, client)


def was_used() -> bool:
    """Whether a kind cluster was made from this state folder."""
    return _mark().exists()


def remove(progress: Progress) -> None:
    """Delete the kind cluster."""
    engine = json.loads(_mark().read_text())["engine"]
    with progress.step("delete the kind cluster"):
        _kind(engine, "delete", "cluster", "--name", NAME)
    _kubeconfig().unlink(missing_ok=True)
    _mark().unlink()


def status() -> dict[str, bool]:
    """Whether the kind cluster exists."""
    engine = json.loads(_mark().read_text())["engine"]
    return {f"kind cluster {NAME}": NAME in _kind(engine, "get", "clusters").split()}


def _handle(engine: str, client: addons.Client) -> Cluster:
    def build_image(
        *, context: Path, dockerfile: Path, tag: str, build_args: Mapping[str, str]
    ) -> None:
        _build_image(engine, context=context, dockerfile=dockerfile, tag=tag, build_args=build_args)

    return Cluster(
        provider="kind",
        kubeconfig=client.kubeconfig,
        kubectl_bin=client.kubectl_bin,
        find_helm=lambda: client.helm_bin,
        image_builder=build_image,
    )


def _create(engine: str) -> None:
    shutil.rmtree(_loaded_images(), ignore_errors=True)  # a new cluster has none of them
    shell.run_logged(
        *(_kind_bin(), "create", "cluster", "--name", NAME, "--wait", "120s"),
        *("--image", versions.KIND_NODE_IMAGE, "--config", paths.MANIFESTS / "kind.yaml"),
        *("--kubeconfig", _kubeconfig()),
        log=paths.log_dir() / "kind.log",
        env=_env(engine),
        timeout_seconds=_CREATE_TIMEOUT_SECONDS,
    )


def _build_image(
    engine: str, *, context: Path, dockerfile: Path, tag: str, build_args: Mapping[str, str]
) -> None:
    """The engine's layer cache makes an unchanged build quick; loading is skipped by image id."""
    arguments = [f"--build-arg={name}={value}" for name, value in build_args.items()]
    shell.run_logged(
        *(engine, "build", "--tag", tag, *arguments, "--file", str(dockerfile), str(context)),
        log=paths.log_dir() / "image-build.log",
        timeout_seconds=_BUILD_TIMEOUT_SECONDS,
    )
    image = shell.run_text(engine, "image", "inspect", "--format", "{{.Id}}", tag).strip()
    stamp = _loaded_images() / "".join(c if c.isalnum() else "-" for c in tag)
    if stamp.exists() and stamp.read_text() == image:
        return
    _load(engine, tag)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(image)


def _load(engine: str, tag: str) -> None:
    if engine == "docker":
        _kind(engine, "load", "docker-image", tag, "--name", NAME)
        return
    archive = paths.state_dir() / "image.tar"  # kind reads images by name only from docker
    archive.unlink(missing_ok=True)
    shell.run(engine, "save", "--output", archive, tag, timeout_seconds=600)
    _kind(engine, "load", "image-archive", str(archive), "--name", NAME)
    archive.unlink()


def _kind(engine: str, *args: str) -> str:
    return shell.run_text(_kind_bin(), *args, env=_env(engine), timeout_seconds=600)


def _kind_bin() -> Path:
    found = shutil.which("kind")
    return Path(found) if found else gobuild.ensure_program(gobuild.KIND, Progress())


def _env(engine: str) -> dict[str, str]:
    provider = os.environ.get("KIND_EXPERIMENTAL_PROVIDER", engine)
    return {"KIND_EXPERIMENTAL_PROVIDER": provider}


def _kubeconfig() -> Path:
    return paths.state_dir() / "kubeconfig"


def _loaded_images() -> Path:
    """A file per image, with the id of what was loaded under its tag."""
    return paths.state_dir() / "kind-images"


def _mark() -> Path:
    return paths.state_dir() / "kind.json"


def _note_use(engine: str) -> None:
    _mark().write_text(json.dumps({"engine": engine}))
