"""Executables built from Go modules, once, into the cache.

A module is always built from a small module of our own that requires it: `go install` refuses
modules with replace directives (etcd, Kubernetes), and this way all five are built alike.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.cluster import lock, paths, shell, versions
from tests.cluster.progress import Progress

KUBERNETES_NAMES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
_BUILD_TIMEOUT_SECONDS = 3600.0
_GO_ENV = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GoProgram:
    """A main package of a Go module; the built file is called `name`."""

    name: str
    module: str
    version: str
    package: str
    hint: str
    tags: str = ""


ETCD = GoProgram(
    name="etcd",
    module="go.etcd.io/etcd/server/v3",
    version=versions.ETCD,
    package="go.etcd.io/etcd/server/v3",
    hint="about 15 s",
)
COREDNS = GoProgram(
    name="coredns",
    module="github.com/coredns/coredns",
    version=versions.COREDNS,
    package="github.com/coredns/coredns",
    hint="about 1.5 min",
)
ENVOY_GATEWAY = GoProgram(
    name="envoy-gateway",
    module="github.com/envoyproxy/gateway",
    version=versions.ENVOY_GATEWAY,
    package="github.com/envoyproxy/gateway/cmd/envoy-gateway",
    hint="about 3 min",
)
PROMETHEUS = GoProgram(
    name="prometheus",
    module="github.com/prometheus/prometheus",
    version=versions.PROMETHEUS_MODULE,
    package="github.com/prometheus/prometheus/cmd/prometheus",
    tags="remove_all_sd,enable_kubernetes_sd",  # the clouds would triple the build
    hint="about 1.5 min",
)
HELM = GoProgram(
    name="helm",
    module="helm.sh/helm/v3",
    version=versions.HELM,
    package="helm.sh/helm/v3/cmd/helm",
    hint="about 1 min",
)
KIND = GoProgram(
    name="kind",
    module="sigs.k8s.io/kind",
    version=versions.KIND,
    package="sigs.k8s.io/kind",
    hint="about 20 s",
)
KWOK = GoProgram(
    name="kwok",
    module="sigs.k8s.io/kwok",
    version=versions.KWOK,
    package="sigs.k8s.io/kwok/cmd/kwok",
    hint="about 1 min",
)
CLUSTER_PROGRAMS = (ETCD, COREDNS, ENVOY_GATEWAY, PROMETHEUS, HELM)
_SOURCES = Path(__file__).parent / "go"
_KUBERNETES_MODULE = "k8s.io/kubernetes"


def go_version() -> tuple[int, int] | None:
    """Major and minor version of the go command; None when there is none."""
    try:
        said = shell.run_text("go", "version", timeout_seconds=30)
    except shell.CommandError:
        return None
    found = re.search(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else None


def all_built() -> bool:
    """Whether every program of a local cluster is in the cache."""
    names = (*KUBERNETES_NAMES, *(program.name for program in CLUSTER_PROGRAMS))
    return all((paths.bin_dir() / name).exists() for name in names)


def ensure_kubernetes(progress: Progress) -> Path:
    """The folder with kube-apiserver, kubelet, kubectl, ...; built when it is not complete."""
    folder = paths.bin_dir()
    if all((folder / name).exists() for name in KUBERNETES_NAMES):
        return folder
    with _build_lock():
        if not (folder / "kubernetes").exists():
            with progress.step(f"build Kubernetes {versions.KUBERNETES}", hint="about 4 min, once"):
                _build_kubernetes(folder / "kubernetes")
        for name in KUBERNETES_NAMES:
            link = folder / name
            if not link.exists():
                link.symlink_to("kubernetes")
    return folder


def ensure_program(program: GoProgram, progress: Progress) -> Path:
    """The executable of a Go program; built when it is missing."""
    target = paths.bin_dir() / program.name
    if target.exists():
        return target
    with _build_lock():
        if not target.exists():
            title = f"build {program.name} {program.version}"
            with progress.step(title, hint=f"{program.hint}, once"):
                _build_program(program, target)
    return target


def ensure_pause(progress: Progress) -> Path:
    """The executable of the pause image, from the source beside this file."""
    target = paths.bin_dir() / "pause"
    if target.exists():
        return target
    with _build_lock(), progress.step("build pause"):
        work = _work_dir("pause")
        (work / "go.mod").write_text("module tidegate.test/pause\n\ngo 1.24\n")
        (work / "main.go").write_bytes((_SOURCES / "pause" / "main.go").read_bytes())
        _go_build(work, target=target, package=".")
    return target


def module_dir(module: str, version: str) -> Path:
    """The unpacked source of a Go module, fetched when it is missing."""
    out = shell.run_text(
        *("go", "mod", "download", "-json", f"{module}@{version}"),
        env=_GO_ENV,
        cwd=_work_dir("download"),
        timeout_seconds=600,
    )
    return Path(str(json.loads(out)["Dir"]))


def kubernetes_go_mod(source: str) -> str:
    """Our go.mod, made from the one of the Kubernetes module.

    That one points its staging modules at folders; outside of its repository the same code is
    published under version v0.X.Y, so requirements and replacements name that instead.
    """
    blocks = re.findall(r"^require \((.*?)^\)", source, flags=re.MULTILINE | re.DOTALL)
    staging = re.findall(r"^\s*(k8s\.io/\S+) => \./staging", source, flags=re.MULTILINE)
    wanted = rf"\1 {versions.KUBERNETES_STAGING}"
    pattern = re.compile(r"(k8s\.io/\S+) v0\.0\.0$", flags=re.MULTILINE)
    lines = ["module tidegate.test/kubernetes", "", "go 1.24.0", "", "godebug default=go1.24"]
    lines += [f"require ({pattern.sub(wanted, block)})" for block in blocks]
    lines += [f"require {_KUBERNETES_MODULE} {versions.KUBERNETES}", "replace ("]
    lines += [f"\t{name} => {name} {versions.KUBERNETES_STAGING}" for name in staging]
    return "\n".join([*lines, ")", ""])


def _build_kubernetes(target: Path) -> None:
    source = module_dir(_KUBERNETES_MODULE, versions.KUBERNETES)
    work = _work_dir("kubernetes")
    (work / "go.mod").write_text(kubernetes_go_mod((source / "go.mod").read_text()))
    (work / "go.sum").write_bytes((source / "go.sum").read_bytes())
    (work / "main.go").write_bytes((_SOURCES / "kubernetes" / "main.go").read_bytes())
    major, minor = versions.KUBERNETES.removeprefix("v").split(".")[:2]
    stamp = "k8s.io/component-base/version"
    flags = f"-X {stamp}.gitVersion={versions.KUBERNETES} "
    flags += f"-X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
    _go_build(work, target=target, package=".", flags=flags, arguments=("-tags", "providerless"))


def _build_program(program: GoProgram, target: Path) -> None:
    work = _work_dir(program.name)
    (work / "go.mod").write_text(f"module tidegate.test/{program.name}\n\ngo 1.26\n")
    shell.run_logged(
        *("go", "get", f"{program.package}@{program.version}"),
        log=_log(program.name),
        env=_GO_ENV,
        cwd=work,
        timeout_seconds=600,
    )
    arguments = ("-tags", program.tags) if program.tags else ()
    _go_build(work, target=target, package=program.package, arguments=arguments)


def _go_build(
    work: Path, *, target: Path, package: str, flags: str = "", arguments: Iterable[str] = ()
) -> None:
    partial = target.with_suffix(".partial")  # an interrupted build leaves no executable
    shell.run_logged(
        *("go", "build", "-mod=mod", "-trimpath", *arguments, "-ldflags", f"-s -w {flags}"),
        *("-o", partial, package),
        log=_log(target.name),
        env=_GO_ENV,
        cwd=work,
        timeout_seconds=_BUILD_TIMEOUT_SECONDS,
    )
    partial.replace(target)
    shutil.rmtree(work)


def _build_lock() -> lock.LockContext:
    return lock.file_lock(paths.cache_dir() / "build.lock", timeout_seconds=_BUILD_TIMEOUT_SECONDS)


def _log(name: str) -> Path:
    return paths.log_dir() / f"build-{name}.log"


def _work_dir(name: str) -> Path:
    path = paths.cache_dir() / "src" / name
    path.mkdir(parents=True, exist_ok=True)
    return path
