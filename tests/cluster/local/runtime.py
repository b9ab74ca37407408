"""containerd of the local cluster: its configuration, its images and the end of its containers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import paths, shell
from tests.cluster.local import images, layout

_NAMESPACE = "k8s.io"  # the one the kubelet's containers live in
_IMPORT_TIMEOUT_SECONDS = 300.0
_CONFIG = """\
version = 2
root = "{root}"
state = "{state}"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{opt}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# Without CAP_SYS_RESOURCE every pod sandbox fails otherwise: "can't get final child's PID".
restrict_oom_score_adj = true
# Pod network namespaces are then found, and removed, with the rest of the state.
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni_binaries}"
conf_dir = "{cni_configuration}"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "{runc_root}"
SystemdCgroup = false
"""


def configuration(*, cni_configuration: Path, opt: Path, image_store: Path) -> str:
    """The text of containerd's configuration file."""
    return _CONFIG.format(
        root=image_store,
        state=layout.CONTAINERD_STATE,
        socket=layout.CONTAINERD_SOCKET,
        opt=opt,
        pause=images.PAUSE,
        cni_binaries=layout.CNI_BINARIES,
        cni_configuration=cni_configuration,
        runc_root=layout.RUNC_ROOT,
    )


def ctr(*args: str | Path, timeout_seconds: float = 60.0) -> str:
    """Standard output of containerd's own client.

    Errors: shell.CommandError.
    """
    return shell.run_text(
        *("ctr", "--address", layout.CONTAINERD_SOCKET, "--namespace", _NAMESPACE, *args),
        timeout_seconds=timeout_seconds,
    )


def ready() -> bool:
    """Whether containerd answers."""
    with contextlib.suppress(shell.CommandError):
        ctr("version", timeout_seconds=5)
        return True
    return False


def image_names() -> set[str]:
    """Full names of the images containerd has."""
    return set(ctr("images", "list", "--quiet").split())


def import_archive(archive: Path) -> None:
    """Add the images of a docker archive."""
    ctr("images", "import", archive, timeout_seconds=_IMPORT_TIMEOUT_SECONDS)


def import_own_images(archives: list[Path]) -> None:
    """Add the cluster's own images; each archive once, as its change time in a stamp tells."""
    known = image_names()
    for archive in archives:
        stamp = layout.image_store() / f"{archive.stem}.imported"
        name = archive.stem
        current = str(archive.stat().st_mtime_ns)
        listed = any(image.startswith(f"localhost/tidegate/{name}:") for image in known)
        if not listed or not stamp.exists() or stamp.read_text() != current:
            import_archive(archive)
            stamp.write_text(current)


def remove_dangling_images() -> None:
    """Forget images whose name went to a newer build; else the store grows with every build.

    Only while no container runs: the kubelet knows images under these names.
    """
    for reference in dangling(ctr("images", "list")):
        with contextlib.suppress(shell.CommandError):
            ctr("images", "remove", reference)


def dangling(listing: str) -> list[str]:
    """References by digest alone, in the output of `ctr images list`, that no name shares."""
    rows = [line.split() for line in listing.splitlines()[1:] if line.strip()]
    targets = {row[0]: next(word for word in row[1:] if word.startswith("sha256:")) for row in rows}
    named = {target for name, target in targets.items() if not name.startswith("sha256:")}
    return [
        name
        for name, target in targets.items()
        if name.startswith("sha256:") and target not in named
    ]


def remove_containers() -> None:
    """Kill and forget all containers, through containerd when it answers, else directly."""
    if ready():
        with contextlib.suppress(shell.CommandError):  # what it cannot do is done directly
            _remove_through_containerd()
            remove_dangling_images()
    _kill_directly()


def forget_containers() -> bool:
    """Forget containers that an earlier life of containerd left; whether there were any."""
    names = ctr("containers", "list", "--quiet").split()
    if names:
        _remove_through_containerd()
    return bool(names)


def _remove_through_containerd() -> None:
    for task in ctr("tasks", "list", "--quiet").split():
        with contextlib.suppress(shell.CommandError):
            ctr("tasks", "delete", "--force", task)
    names = ctr("containers", "list", "--quiet").split()
    for name in names:
        with contextlib.suppress(shell.CommandError):
            ctr("containers", "delete", name)


def _kill_directly() -> None:
    """Kill what the runtime's own notes name: first processes of containers, then shims."""
    for bundle in _bundles():
        pid = _init_pid(bundle)
        if pid is not None:
            _kill(pid)
        _remove_socket(bundle)
    for pid in _shims():
        _kill(pid)


def _bundles() -> list[Path]:
    tasks = layout.CONTAINERD_STATE / "io.containerd.runtime.v2.task" / _NAMESPACE
    return sorted(tasks.glob("*")) if tasks.exists() else []


def _init_pid(bundle: Path) -> int | None:
    """The first process of a container, if that number still belongs to it."""
    try:
        pid = int((bundle / "init.pid").read_text())
        groups = Path(f"/proc/{pid}/cgroup").read_text()
    except (OSError, ValueError):
        return None
    return pid if bundle.name in groups else None


def _shims() -> Iterator[int]:
    socket = str(layout.CONTAINERD_SOCKET).encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"containerd-shim" in words[0] and socket in words:
                yield int(entry.name)


def _remove_socket(bundle: Path) -> None:
    with contextlib.suppress(OSError):
        address = (bundle / "address").read_text().removeprefix("unix://")
        Path(address).unlink(missing_ok=True)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def remove_traces() -> None:
    """Delete files that containerd, its plugins and the kubelet keep in fixed places."""
    for result in layout.CNI_RESULTS.glob(f"{layout.CNI_NETWORK}-*"):
        container = result.name.removeprefix(f"{layout.CNI_NETWORK}-").partition("-")[0]
        (layout.CNI_RESULTS / f"cni-loopback-{container}-lo").unlink(missing_ok=True)
        result.unlink(missing_ok=True)
    own = str(paths.state_dir())
    for link in layout.CONTAINER_LOG_LINKS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(own):
            link.unlink(missing_ok=True)
    shutil.rmtree(layout.RUN, ignore_errors=True)
