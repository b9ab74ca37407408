"""Executables built from Go modules, once, into the cache.

Two workspaces hold most of them: Kubernetes with etcd, at the versions Kubernetes asks for, and the
add-ons, which share one set of versions, so that what they have in common (the client libraries of
Kubernetes above all) is compiled once. Every other program is built in a copy of its own module, by
the versions that this locks: `go install` resolves them anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.cluster import parts, paths, shell, versions
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
_GIBIBYTE = 2**30
# What each saves of the processor time of a compilation is in docs/development/cluster.md.
_NO_DEBUG_INFORMATION = "-dwarf=false"
_NO_INLINING = "-l"
_SAY_NOTHING = "{{/* */}}"  # the errors come all the same


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GoProgram:
    """A main package of a Go module; the built file is called `name`.

    main: a source of ours that is laid into the copy of the module as `package`.
    checksum: of the module, as `go.sum` writes it, for those that no go.sum of ours names.
    seconds: on two quiet cores, after the others of its workspace in the order of `ADDONS`.
    """

    name: str
    module: str
    version: str
    package: str
    seconds: float
    tags: str = ""
    main: Path | None = None
    checksum: str = ""


KUBERNETES = GoProgram(
    name="kubernetes",
    module="k8s.io/kubernetes",
    version=versions.KUBERNETES,
    package=".",
    tags="providerless",
    seconds=150,
)
ETCD = GoProgram(
    name="etcd",
    module="go.etcd.io/etcd/server/v3",
    version=versions.ETCD,
    package="go.etcd.io/etcd/server/v3",
    seconds=10,
)
COREDNS = GoProgram(
    name="coredns",
    module="github.com/coredns/coredns",
    version=versions.COREDNS,
    package="./coredns",
    seconds=45,
)
ENVOY_GATEWAY = GoProgram(
    name="envoy-gateway",
    module="github.com/envoyproxy/gateway",
    version=versions.ENVOY_GATEWAY,
    package="github.com/envoyproxy/gateway/cmd/envoy-gateway",
    seconds=100,
)
PROMETHEUS = GoProgram(
    name="prometheus",
    module="github.com/prometheus/prometheus",
    version=versions.PROMETHEUS_MODULE,
    package="github.com/prometheus/prometheus/cmd/prometheus",
    tags="remove_all_sd,enable_kubernetes_sd",  # the clouds would triple the build
    seconds=45,
)
# Not a part of any cluster: it tries the alert rules. Its workspace is a copy of that of the add-ons, so
# that what it has in common with Prometheus is compiled once; there its sums would change the hash.
PROMTOOL = GoProgram(
    name="promtool",
    module="github.com/prometheus/prometheus",
    version=versions.PROMETHEUS_MODULE,
    package="github.com/prometheus/prometheus/cmd/promtool",
    tags="remove_all_sd,enable_kubernetes_sd",
    seconds=60,
)
HELM = GoProgram(
    name="helm",
    module="helm.sh/helm/v3",
    version=versions.HELM,
    package="helm.sh/helm/v3/cmd/helm",
    seconds=20,
)
KIND = GoProgram(
    name="kind",
    module="sigs.k8s.io/kind",
    version=versions.KIND,
    package="sigs.k8s.io/kind",
    seconds=20,
)
KWOK = GoProgram(
    name="kwok",
    module="sigs.k8s.io/kwok",
    version=versions.KWOK,
    package="sigs.k8s.io/kwok/cmd/kwok",
    seconds=60,
)
CONTROL_PLANE = (KUBERNETES, ETCD)
ADDONS = (COREDNS, ENVOY_GATEWAY, PROMETHEUS, HELM)
CLUSTER_PROGRAMS = (*CONTROL_PLANE, *ADDONS)
_SOURCES = Path(__file__).parent / "go"


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
    parts.ensure(control_plane_parts(), progress)
    folder = paths.bin_dir()
    for name in KUBERNETES_NAMES:
        _link(folder / name, to=KUBERNETES.name)
    return folder


def ensure_program(program: GoProgram, progress: Progress) -> Path:
    """The executable of a Go program; built when it is missing.

    Errors: failures.PartFailed.
    """
    parts.ensure(program_parts(program), progress)
    return _binary(program)


def control_plane_parts() -> list[parts.Part]:
    """Kubernetes and etcd. The standard library is compiled while their modules come."""
    return [
        _fetch_part("kubernetes", CONTROL_PLANE, seconds=40),
        _part(
            "standard-library",
            "compile the Go standard library",
            seconds=20,
            programs=CONTROL_PLANE,
            make=_build_standard_library,
        ),
        *(_program_part(program, fetched="kubernetes") for program in CONTROL_PLANE),
    ]


def addon_parts(programs: Sequence[GoProgram] = ADDONS) -> list[parts.Part]:
    """What runs inside of the cluster, and helm."""
    return [
        _fetch_part("addons", programs, seconds=60),
        *(_program_part(program, fetched="addons") for program in programs),
    ]


def program_parts(program: GoProgram) -> list[parts.Part]:
    """One program and what it needs."""
    if program in CONTROL_PLANE:
        return control_plane_parts()
    if program in ADDONS:
        return addon_parts((program,))
    return [_program_part(program, fetched=None)]


def pause_part() -> parts.Part:
    """The executable of the pause image, from the source beside this file."""
    target = paths.bin_dir() / "pause"
    return parts.Part(
        name="pause",
        title="build pause",
        lane="compile",
        seconds=1,
        done=target.exists,
        make=lambda: _go_build(_SOURCES / "pause", target=target, package="main.go"),
        log=_log("pause"),
    )


def module_dir(module: str, version: str, *, checksum: str = "") -> Path:
    """The unpacked source of a Go module, fetched when it is missing.

    Errors: shell.CommandError when it cannot be had, or is not the one of the checksum.
    """
    out = shell.run_text(
        *("go", "mod", "download", "-json", f"{module}@{version}"),
        env=_GO_ENV,
        cwd=_work_dir("download"),
        timeout_seconds=600,
    )
    found = json.loads(out)
    if checksum and found["Sum"] != checksum:
        said = f"its checksum is {found['Sum']}, not {checksum}"
        raise shell.CommandError(
            ("go", "mod", "download", f"{module}@{version}"), code=1, said=said
        )
    return Path(str(found["Dir"]))


def copy_of(source: Path, *, target: Path) -> None:
    """A copy of a folder of Go's module cache, which is read-only, that may be written to."""
    shutil.rmtree(target, ignore_errors=True)  # of a run that was interrupted
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)


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
    lines += [f"require {program.module} {program.version}" for program in CONTROL_PLANE]
    lines += ["replace ("]
    lines += [f"\t{name} => {name} {versions.KUBERNETES_STAGING}" for name in staging]
    return "\n".join([*lines, ")", ""])


def pin_addons() -> None:
    """Write go.mod and go.sum of the add-ons anew, for the versions in versions.py."""
    folder = _SOURCES / "addons"
    (folder / "go.mod").write_text("module tidegate.test/addons\n\ngo 1.26\n")
    (folder / "go.sum").unlink(missing_ok=True)
    wanted = [f"{program.module}@{program.version}" for program in ADDONS]
    _go(folder, "get", *wanted, log=_log("pin"), timeout_seconds=900)
    packages = [program.package for program in ADDONS]
    _go(folder, "get", *packages, log=_log("pin"), timeout_seconds=900)


def _part(
    name: str,
    title: str,
    *,
    seconds: float,
    programs: Sequence[GoProgram],
    make: Callable[[], None],
    lane: str = "compile",
    needs: tuple[str, ...] = (),
) -> parts.Part:
    """A step towards programs; nobody needs it any more when they are there."""
    return parts.Part(
        name=name,
        title=title,
        lane=lane,
        seconds=seconds,
        done=lambda: all(_binary(program).exists() for program in programs),
        make=make,
        log=_log(name),
        needs=needs,
    )


def _fetch_part(workspace: str, programs: Sequence[GoProgram], *, seconds: float) -> parts.Part:
    return _part(
        f"modules-{workspace}",
        f"fetch the Go modules of {', '.join(program.name for program in programs)}",
        lane="fetch",
        seconds=seconds,
        programs=programs,
        make=lambda: _fetch(workspace, programs),
    )


def _program_part(program: GoProgram, *, fetched: str | None) -> parts.Part:
    return _part(
        program.name,
        f"build {program.name} {program.version}",
        seconds=program.seconds,
        programs=(program,),
        make=lambda: _build(program),
        needs=(f"modules-{fetched}",) if fetched else (),
    )


def _fetch(workspace: str, programs: Sequence[GoProgram]) -> None:
    """Let go find, fetch and unpack all it needs to compile; less than all of the module graph."""
    if workspace == "kubernetes":
        _write_kubernetes_workspace()
    elif workspace == "addons":
        # A copy: a checkout that changes in the middle of a build would end it.
        shutil.copytree(_SOURCES / "addons", _work_dir("addons"), dirs_exist_ok=True)
    for program in programs:
        _go(
            _workspace(program),
            *("list", _mode(program), "-deps", "-tags", program.tags, "-f", _SAY_NOTHING),
            program.package,
            log=_log(f"modules-{workspace}"),
            timeout_seconds=_BUILD_TIMEOUT_SECONDS,
        )


def _write_kubernetes_workspace() -> None:
    source = module_dir(KUBERNETES.module, KUBERNETES.version)
    work = _workspace(KUBERNETES)
    (work / "go.mod").write_text(kubernetes_go_mod((source / "go.mod").read_text()))
    (work / "go.sum").write_bytes((source / "go.sum").read_bytes())
    (work / "main.go").write_bytes((_SOURCES / "kubernetes" / "main.go").read_bytes())


def _build_standard_library() -> None:
    _go(
        _work_dir("standard-library"),
        *("build", "-v", "-trimpath", *_compiler_flags(), "std"),
        log=_log("standard-library"),
        env=_compiler_environment(),
        timeout_seconds=_BUILD_TIMEOUT_SECONDS,
    )


def _build(program: GoProgram) -> None:
    work = _workspace(program)
    if program is PROMTOOL:
        shutil.copytree(_SOURCES / "addons", work, dirs_exist_ok=True)
    elif program not in (*CONTROL_PLANE, *ADDONS):
        source = module_dir(program.module, program.version, checksum=program.checksum)
        copy_of(source, target=work)
        if program.main is not None:
            (work / program.package).mkdir()
            shutil.copy(program.main, work / program.package)
    _go_build(
        work,
        target=_binary(program),
        package=program.package,
        flags=_version_stamp() if program is KUBERNETES else "",
        arguments=(_mode(program), "-tags", program.tags),
    )


def _version_stamp() -> str:
    major, minor = versions.KUBERNETES.removeprefix("v").split(".")[:2]
    values = {"gitVersion": versions.KUBERNETES, "gitMajor": major, "gitMinor": minor}
    stamp = "k8s.io/component-base/version"
    return " ".join(f"-X {stamp}.{name}={value}" for name, value in values.items())


def _go_build(
    work: Path,
    *,
    target: Path,
    package: str,
    flags: str = "",
    arguments: Sequence[str] = (),
) -> None:
    """Build one executable; an interrupted or a second build leaves nothing under its name."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        _go(
            work,
            *("build", "-v", "-trimpath", *_compiler_flags(), *arguments),
            *("-ldflags", f"-s -w {flags}", "-o", str(partial), package),
            log=_log(target.name),
            env=_compiler_environment(),
            timeout_seconds=_BUILD_TIMEOUT_SECONDS,
        )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _compiler_flags() -> list[str]:
    """No inlining compiles faster; the standard library keeps it, and is compiled once for all."""
    return [
        f"-gcflags=all={_NO_DEBUG_INFORMATION} {_NO_INLINING}",
        f"-gcflags=std={_NO_DEBUG_INFORMATION}",
    ]


def _compiler_environment() -> dict[str, str]:
    """Let the compiler collect no garbage where there is memory for that."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    share = memory // (2 * (os.cpu_count() or 1))
    if share < _GIBIBYTE:
        return {}
    return {"GOGC": "off", "GOMEMLIMIT": str(min(share, 2 * _GIBIBYTE))}


def _go(
    cwd: Path,
    *words: str,
    log: Path,
    timeout_seconds: float,
    env: Mapping[str, str] | None = None,
) -> None:
    shell.run_logged(
        *("go", *words),
        log=log,
        env={**_GO_ENV, **(env or {})},
        cwd=cwd,
        timeout_seconds=timeout_seconds,
    )


def _mode(program: GoProgram) -> str:
    """Where go.mod and go.sum are kept with the sources, nothing is resolved."""
    return "-mod=mod" if program in (*CONTROL_PLANE, PROMTOOL) else "-mod=readonly"


def _workspace(program: GoProgram) -> Path:
    if program in ADDONS:
        return _work_dir("addons")
    return _work_dir("kubernetes" if program in CONTROL_PLANE else program.name)


def _binary(program: GoProgram) -> Path:
    return paths.bin_dir() / program.name


def _link(link: Path, *, to: str) -> None:
    with contextlib.suppress(FileExistsError):  # another process may be as quick
        link.symlink_to(to)


def _log(name: str) -> Path:
    return paths.log_dir() / f"build-{name}.log"


def _work_dir(name: str) -> Path:
    path = paths.cache_dir() / "src" / name
    path.mkdir(parents=True, exist_ok=True)
    return path
