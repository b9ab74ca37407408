"""The local provider: a cluster from nothing but package registries.

One network namespace is the node (see network.py). Starting is idempotent: what runs stays, what
died is started again, and what cannot be continued is removed and made anew.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster import (
    addons,
    gobuild,
    kubectl,
    lock,
    parts,
    paths,
    process,
    rendering,
    shell,
    versions,
)
from tests.cluster.local import (
    dockerfile,
    layout,
    mounts,
    network,
    node,
    packages,
    recovery,
    runtime,
)
from tests.cluster.local import images as own_images
from tests.cluster.model import Cluster, ClusterUnavailable, ImageSource
from tests.cluster.progress import Progress

_START_TIMEOUT_SECONDS = 90.0
_CALM_SECONDS = 3.0
_LOCK_TIMEOUT_SECONDS = 600.0
# Its images outlive the cluster, so it may close its files; everything else is thrown away.
_GRACE_SECONDS = {"containerd": 3.0}
# Kubelet first, so that nobody starts again what is being stopped; etcd last.
_STOP_FIRST = ("kubelet", "kube-proxy", "kube-controller-manager", "kube-scheduler")


def ensure(progress: Progress, *, images: Sequence[ImageSource] = ()) -> Cluster:
    """The running local cluster; `images` are built and loaded beside what it is made of.

    Errors: shell.CommandError; kubectl.NotReady with the end of the log of what did not start;
        ClusterUnavailable when this machine runs the cluster of another state folder.
    """
    made_once = cluster_parts(images)
    if not all(part.done() for part in made_once):
        parts.ensure([*made_once, *_loading_parts(images)], progress)
    gobuild.ensure_kubernetes(progress)
    with _machine_lock():
        return _ensure(progress, images)


def _ensure(progress: Progress, images: Sequence[ImageSource]) -> Cluster:
    _refuse_foreign()
    plan = recovery.plan(_remains())
    if plan is recovery.Plan.RESET:
        _remove(progress)
    try:
        _bring_up(progress, images)
    except (kubectl.NotReady, shell.CommandError) as error:
        if plan is not recovery.Plan.CONTINUE:
            raise
        progress.note(f"  The old cluster cannot be continued ({str(error).splitlines()[0]}).")
        _remove(progress)
        _bring_up(progress, images)
    return cluster()


def cluster() -> Cluster:
    """The handle of the local cluster, whether it runs or not."""
    return Cluster(
        provider="local",
        kubeconfig=layout.kubeconfig(),
        kubectl_bin=paths.bin_dir() / "kubectl",
        find_helm=lambda: paths.bin_dir() / "helm",
        image_builder=dockerfile.build_image,
    )


def was_used() -> bool:
    """Whether there is anything of a local cluster to remove."""
    return (paths.state_dir() / "local").exists() or (network.exists() and not _owned_by_other())


def remove(progress: Progress) -> None:
    """Stop and remove everything but the cache; also after a crash or a reboot.

    Errors: ClusterUnavailable when it is the cluster of another state folder.
    """
    with _machine_lock():
        _refuse_foreign()
        _remove(progress)


def _remove(progress: Progress) -> None:
    with progress.step("stop the local cluster"):
        records = process.Records(layout.folder("processes"))
        _stop(records, only=_STOP_FIRST)
        runtime.remove_containers()
        _stop(records, only=tuple(records.load()))
        network.kill_processes()  # also what was started but never recorded
        mounts.unmount_below(layout.root(), layout.RUN, layout.image_store())
        network.remove()
        mounts.remove_cgroups()
        runtime.remove_traces()
        layout.kubeconfig().unlink(missing_ok=True)
        shutil.rmtree(layout.root(), ignore_errors=True)


def status() -> dict[str, bool]:
    """Which recorded processes run."""
    records = process.Records(layout.folder("processes")).load()
    return {name: process.is_alive(record) for name, record in records.items()}


def cluster_parts(images: Sequence[ImageSource]) -> list[parts.Part]:
    """Everything that is made once and kept, with the images that were asked for.

    Kubernetes comes first, so that its API server can run while the rest is built.
    """
    return [
        packages.part(),
        own_images.base_part(),
        *gobuild.control_plane_parts(),
        *own_images.cluster_parts(),
        *gobuild.addon_parts(),
        *(dockerfile.part(image) for image in images),
    ]


def _loading_parts(images: Sequence[ImageSource]) -> list[parts.Part]:
    """Containerd unpacks images on one core, so it starts while others are still being compiled."""
    return [
        parts.Part(
            name="containerd",
            title="start containerd",
            lane="node",
            seconds=1,
            done=lambda: False,
            make=_start_containerd_early,
            log=paths.log_dir() / "containerd.log",
            needs=(packages.PART,),
        ),
        *(dockerfile.loading_part(image, needs="containerd") for image in images),
    ]


def _start_containerd_early() -> None:
    with _machine_lock():
        _refuse_foreign()
        if recovery.plan(_remains()) is recovery.Plan.RESET:
            _remove(Progress(quiet=True))
        _ensure_network()
        _write_marks()
        _start_containerd()


def _ensure_network() -> None:
    if not network.exists():
        network.remove()  # a half-made one
        network.create()


def _bring_up(progress: Progress, images: Sequence[ImageSource]) -> None:
    with progress.step("start the control plane and the node"):
        revived = _start_node()
        runtime.import_own_images(own_images.archives())
    with ThreadPoolExecutor(1, thread_name_prefix="load") as beside:
        # Containerd unpacks on one core while the add-ons, which need no such image, come up.
        loading = beside.submit(dockerfile.load_built, images, Progress(quiet=True))
        _install_addons(progress, revived=revived)
        if not loading.done():
            with progress.step("load the images"):
                loading.result()
    loading.result()


def _install_addons(progress: Progress, *, revived: bool) -> None:
    client = addons.Client(
        kubectl_bin=paths.bin_dir() / "kubectl",
        helm_bin=paths.bin_dir() / "helm",
        kubeconfig=layout.kubeconfig(),
    )
    own = rendering.Images(
        envoy_gateway=own_images.ENVOY_GATEWAY,
        envoy=own_images.ENVOY,
        prometheus=own_images.PROMETHEUS,
        coredns=own_images.COREDNS,
    )
    addons.ensure(
        client,
        images=own,
        progress=progress,
        # Workloads notice an outage late; what is ready right now may be about to restart.
        calm_seconds=_CALM_SECONDS if revived else 0.0,
    )


def _start_node() -> bool:
    """Start what does not run; whether an older cluster was revived by that.

    Then what the API server knows may be from processes that died, and is not believed at once.
    """
    older = (layout.root() / "etcd").exists()
    _ensure_network()
    binaries = paths.bin_dir()
    creds = node.credentials()
    node.write_admin_kubeconfig(creds)
    _write_marks()
    began = dt.datetime.now(dt.UTC)
    api = node.apiserver(binaries, creds)
    started = [_start(node.etcd(binaries / "etcd")), _start(api), _start_containerd()]
    _wait(api)
    started += [
        _start(node.controller_manager(binaries, creds)),
        _start(node.scheduler(binaries, creds)),
        _start(node.proxy(binaries, creds)),
    ]
    kubelet_started = _start(node.kubelet(binaries, creds))
    kubectl.wait_for(
        "the node",
        lambda: _node_ready() and (not older or not kubelet_started or _heard_of_node_since(began)),
        timeout_seconds=_START_TIMEOUT_SECONDS,
        explain=lambda: shell.tail(paths.log_dir() / "kubelet.log"),
    )
    return older and (kubelet_started or any(started))


def _start_containerd() -> bool:
    component = node.containerd(layout.image_store())
    started = _start(component)
    _wait(component)
    if started and not _bundles_alive() and runtime.forget_containers():
        # Its Kubernetes part read its notes before we cleared them.
        records = process.Records(layout.folder("processes"))
        _stop(records, only=("containerd",))
        _start(component)
        _wait(component)
    return started


def _bundles_alive() -> bool:
    """Whether containers of this start exist; false after a reboot or an unclean removal."""
    return any(layout.CONTAINERD_STATE.glob("io.containerd.runtime.v2.task/k8s.io/*"))


def _start(component: node.Component) -> bool:
    """Start a component unless it runs; whether it was started."""
    records = process.Records(layout.folder("processes"))
    known = records.load().get(component.name)
    if known is not None and process.is_alive(known):
        return False
    record = process.spawn(
        name=component.name,
        argv=[*network.enter(), *component.argv],
        log=paths.log_dir() / f"{component.name}.log",
    )
    records.save(record)
    return True


def _wait(component: node.Component) -> None:
    log = paths.log_dir() / f"{component.name}.log"
    kubectl.wait_for(
        component.name,
        component.ready,
        timeout_seconds=_START_TIMEOUT_SECONDS,
        explain=lambda: f"{shell.tail(log)}\n(log: {log})",
    )


def _node_ready() -> bool:
    path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    try:
        return cluster().kubectl("get", "node", layout.NODE_NAME, "-o", path) == "True"
    except shell.CommandError:  # not registered yet
        return False


def _heard_of_node_since(instant: dt.datetime) -> bool:
    """Whether the kubelet renewed its lease at or after an instant."""
    path = "jsonpath={.spec.renewTime}"
    try:
        renewed = cluster().kubectl(
            "get", "lease", layout.NODE_NAME, "-n", "kube-node-lease", "-o", path
        )
    except shell.CommandError:
        return False
    return bool(renewed) and dt.datetime.fromisoformat(renewed) >= instant


def _stop(records: process.Records, *, only: tuple[str, ...]) -> None:
    for name, record in records.load().items():
        if name in only:
            process.stop(record, grace_seconds=_GRACE_SECONDS.get(name, 0.0))
            records.forget(name)


def _marks_file() -> Path:
    return paths.state_dir() / "local" / "marks.json"


def _write_marks() -> None:
    marks = {"boot": process.boot_id(), "versions": versions.versions_hash()}
    layout.root()  # makes the folder
    _marks_file().write_text(json.dumps(marks))
    layout.RUN.mkdir(exist_ok=True)
    layout.OWNER.write_text(str(paths.state_dir()))


def _machine_lock() -> lock.LockContext:
    return lock.file_lock(layout.LOCK, timeout_seconds=_LOCK_TIMEOUT_SECONDS)


def _refuse_foreign() -> None:
    if _owned_by_other():
        owner = layout.OWNER.read_text()
        raise ClusterUnavailable(
            "This machine runs the local cluster of another state folder: use it with "
            f"TIDEGATE_STATE={owner}, or stop it with that and make cluster-down."
        )


def _owned_by_other() -> bool:
    try:
        owner = layout.OWNER.read_text()
    except FileNotFoundError:
        return False
    running = network.exists() and bool(network.processes())
    return recovery.owned_by_other(owner, state=paths.state_dir(), running=running)


def _remains() -> recovery.Remains:
    try:
        marks = json.loads(_marks_file().read_text())
    except (OSError, ValueError):
        marks = {}
    return recovery.Remains(
        recorded=(paths.state_dir() / "local").exists(),
        same_boot=marks.get("boot") == process.boot_id(),
        same_versions=marks.get("versions") == versions.versions_hash(),
        network=network.exists(),
    )
