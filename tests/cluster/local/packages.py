"""Debian packages that the local provider needs, installed without starting their services."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.cluster import parts, paths, shell, versions

_POLICY = Path("/usr/sbin/policy-rc.d")
_DENY_EVERY_START = "#!/bin/sh\nexit 101\n"
_APT_TIMEOUT_SECONDS = 900.0
_WAIT = ("-o", "DPkg::Lock::Timeout=300")  # for another apt-get, perhaps of our own killed run
PART = "packages"


def missing(needed: Mapping[str, str] = versions.DEBIAN_PACKAGES) -> list[str]:
    """Packages whose executable is not there. `needed`: executable -> package."""
    return sorted({it for program, it in needed.items() if shutil.which(program) is None})


def part(needed: Mapping[str, str] = versions.DEBIAN_PACKAGES) -> parts.Part:
    """All of them, installed by apt-get."""
    return parts.Part(
        name=PART,
        title="install Debian packages",
        lane="system",
        seconds=30,
        done=lambda: not missing(needed),
        make=lambda: _install(missing(needed)),
        log=_log(),
    )


def _install(packages: Sequence[str]) -> None:
    outdated = _update_error()
    with _services_stay_off():
        _change("dpkg", "--configure", "--pending")  # what an earlier, killed run left half-way
        try:
            _change("apt-get", "install", "-y", "--no-install-recommends", *_WAIT, *packages)
        except shell.CommandError as error:
            raise outdated or error from error


def _update_error() -> shell.CommandError | None:
    """Fetch the lists; what went wrong matters only if a package is not found with the old ones."""
    try:
        _update_lists()
    except shell.CommandError as error:
        return error
    return None


def _change(*command: str) -> None:
    shell.run_logged(
        *command,
        log=_log(),
        env={"DEBIAN_FRONTEND": "noninteractive"},
        timeout_seconds=_APT_TIMEOUT_SECONDS,
        may_be_ended=False,
    )


def mirror() -> tuple[str, str]:
    """Address and code name of the distribution this machine installs from.

    Errors: shell.CommandError when apt knows no index of the main component.
    """
    release = _os_release()
    codename = release["VERSION_CODENAME"]
    listed = _index_targets(codename)
    if not listed:
        _update_error()
        listed = _index_targets(codename)
    if not listed:
        command = ("apt-get", "indextargets")
        raise shell.CommandError(command, code=1, said=f"no package index of {codename}")
    return listed[0].rstrip("/"), codename


def _index_targets(codename: str) -> list[str]:
    out = shell.run_text(
        *("apt-get", "indextargets", "--format", "$(SITE)"),
        *("Created-By: Packages", "Component: main", f"Release: {codename}"),
    )
    return out.split()


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip('"') for key, _, value in pairs}


def _update_lists() -> None:
    strict = ("-o", "APT::Update::Error-Mode=any")  # else a list that is not fetched is a warning
    shell.run_logged(
        *("apt-get", "update", *_WAIT, *strict), log=_log(), timeout_seconds=_APT_TIMEOUT_SECONDS
    )


@contextlib.contextmanager
def _services_stay_off() -> Iterator[None]:
    """Deny package scripts to start services, unless the machine has its own policy."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_DENY_EVERY_START)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def _log() -> Path:
    return paths.log_dir() / "apt.log"
