"""Container images made from files, without a container tool.

An image of one executable is one layer and two small JSON documents; writing them takes less time
than starting a builder. The result is a docker archive, which containerd and buildah both read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster import shell

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FOLDERS = (("tmp", 0o1777), ("etc", 0o755), ("var", 0o755), ("var/run", 0o755))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """An image: where its files come from and what runs.

    files maps paths inside of the image to paths on this machine.
    """

    tag: str
    files: Mapping[str, Path]
    entrypoint: Sequence[str]


def write_image(spec: ImageSpec, *, target: Path) -> None:
    """Write the image as a docker archive; the same files always give the same bytes."""
    layer = target.with_suffix(".layer")
    partial = target.with_suffix(".partial")
    try:
        with tarfile.open(layer, "w") as tar:
            _add_folders(tar)
            for name, source in sorted(spec.files.items()):
                _add_file(tar, name=name, source=source)
        _write_archive(layer, spec=spec, target=partial)
        partial.replace(target)
    finally:
        layer.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)


def write_rootfs_image(root: Path, *, tag: str, target: Path) -> None:
    """Write a whole root file system as an image."""
    layer = target.with_suffix(".layer")
    partial = target.with_suffix(".partial")
    try:
        shell.run(
            *("tar", "--create", "--numeric-owner", "--sort=name", "--one-file-system"),
            *("--file", layer, "--directory", root, "."),
            timeout_seconds=300,
        )
        spec = ImageSpec(tag=tag, files={}, entrypoint=())
        _write_archive(layer, spec=spec, target=partial)
        partial.replace(target)
    finally:
        layer.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)


def shared_libraries(executable: Path) -> dict[str, Path]:
    """The libraries and the loader an executable needs, by the path it looks for them."""
    lines = shell.run_text("ldd", executable).splitlines()
    words = (line.split() for line in lines)
    names = [name for line in words for name in line if name.startswith("/")]
    return {name: Path(name).resolve() for name in names}


def config_document(spec: ImageSpec, *, layer_digest: str) -> bytes:
    """The image configuration, as the OCI image specification lays it down."""
    document = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Env": [_PATH], "Entrypoint": list(spec.entrypoint), "WorkingDir": "/"},
        "history": [{"created_by": "tests/cluster"}],  # buildah counts layers by it
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }
    return json.dumps(document, sort_keys=True).encode()


def _add_folders(tar: tarfile.TarFile) -> None:
    for name, mode in _FOLDERS:
        entry = tarfile.TarInfo(name)
        entry.type = tarfile.DIRTYPE
        entry.mode = mode
        tar.addfile(entry)


def _add_file(tar: tarfile.TarFile, *, name: str, source: Path) -> None:
    entry = tarfile.TarInfo(name.lstrip("/"))
    entry.size = source.stat().st_size
    entry.mode = 0o755
    with source.open("rb") as content:
        tar.addfile(entry, content)


def _write_archive(layer: Path, *, spec: ImageSpec, target: Path) -> None:
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    config = config_document(spec, layer_digest=digest)
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [spec.tag], "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as tar:
        _add_bytes(tar, name=config_name, content=config)
        _add_bytes(tar, name="manifest.json", content=json.dumps(manifest).encode())
        tar.add(layer, arcname="layer.tar")


def _add_bytes(tar: tarfile.TarFile, *, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    tar.addfile(entry, io.BytesIO(content))
