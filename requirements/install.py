"""Install exactly what a lock names: the one place that knows how.

    python requirements/install.py [--venv DIR | --python FILE] [--lock FILE] [--roots ARG...]

With --venv it makes that environment, with --python it fills one that exists, with neither it only
fetches uv into the environment it runs in. The Makefile and all Dockerfiles call it. Nothing is resolved: each file of a lock is fetched under
its hash and without a look at what it depends on, so that a newer release elsewhere changes
nothing. Whether the lock is complete is asked afterwards: the roots (what the lock was made for,
extras included) are installed with no index at all, so whatever the lock lacks has nowhere to
come from.

pip, which every Python brings along, fetches only uv (build.txt); uv does the rest, because it
takes 7 s where pip takes 48 s. It gets pip's own settings: index, proxy, certificates.

Only the standard library: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import dataclasses
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD_LOCK = HERE / "build.txt"
STAMP = ".ready"
_VENV_BYTES = 30_000_000
_LOG = Path("out") / "install.log"


class InstallError(RuntimeError):
    """The message is one sentence: what failed, why, and what to do next."""


@dataclasses.dataclass(frozen=True)
class Cause:
    """What a failure looks like in the words of pip, uv or the system, and what it means."""

    pattern: str
    meaning: str  # {0}, {1}: groups of the pattern
    advice: str


# The first that fits is told, so what explains the others stands above them.
CAUSES = (
    Cause(
        r"No space left on device|Disk quota exceeded|os error (?:28|122)\b",
        "the disk is full",
        "free 1.5 GB (environment, caches and temporary files)",
    ),
    Cause(
        r"Read-only file system|Permission denied|os error (?:13|30)\b",
        "a folder cannot be written",
        "look into the log for which, and give it to this user",
    ),
    Cause(
        r"ensurepip|No module named '?(?:pip|venv)\b",
        "this Python cannot make virtual environments",
        "install python3-venv, or set PYTHON to a complete Python 3.11 or newer",
    ),
    Cause(
        r"(?i)DO NOT MATCH THE HASHES|hash mismatch|hashes do not match",
        "the registry serves another file than the one that was locked",
        "look into the log for which; clear the caches of pip and uv, or use another mirror",
    ),
    Cause(
        r"(?i)cannot connect to proxy|proxyerror|tunnel error|unsuccessful tunnel",
        "the proxy does not let us through",
        "check HTTPS_PROXY and NO_PROXY",
    ),
    Cause(
        r"(?i)CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer",
        "the certificate of the registry is not trusted",
        "set PIP_CERT to the file with your certificate authorities; check the clock",
    ),
    Cause(
        r"not a trusted or secure host",
        "the registry has no https",
        "give PIP_INDEX_URL an https address, or name the host in PIP_TRUSTED_HOST",
    ),
    Cause(
        r"SSLError|\[SSL: |(?i:invalid message|tls handshake)",
        "no secure connection to the registry comes about",
        "check PIP_INDEX_URL, HTTPS_PROXY and PIP_CERT",
    ),
    Cause(
        r"(?i)name or service not known|name resolution|nodename nor servname|dns error",
        "no network: the registry's name cannot be resolved",
        "connect to a network, or set PIP_INDEX_URL to a mirror within reach",
    ),
    Cause(
        r"(?i)network is unreachable|no route to host|os error (?:101|113)\b",
        "no network: the registry cannot be reached",
        "connect to a network, or set PIP_INDEX_URL to a mirror within reach",
    ),
    Cause(
        r"(?i)connection refused|os error 111\b",
        "the registry refuses the connection",
        "check PIP_INDEX_URL and HTTPS_PROXY, or try again later",
    ),
    Cause(
        r"(?i)(?:HTTP error|HTTP status (?:client|server) error|returned an?|credentials|too many) \(?(\d{3})\b"
        r"|\b(\d{3}) (?:client|server) error",
        "the registry answers with status {0}",
        "check PIP_INDEX_URL and its credentials, or try again later",
    ),
    Cause(
        r"(?i)timed out|ConnectTimeout|ReadTimeout",
        "the registry does not answer in time",
        "check the network, or set PIP_INDEX_URL to a mirror within reach",
    ),
    Cause(
        r"(?i)connection (?:reset|broken|closed)|error decoding response|IncompleteRead"
        r"|unexpected end of file",
        "the connection broke off",
        "run the same command again: what was fetched is kept",
    ),
    Cause(
        r"(?i)has no wheels|no wheel|no matching distribution|not found in the (?:package reg|prov)"
        r"|no solution found",
        "the registry has no file of the lock that fits this machine",
        "use Python 3.11, 3.12 or 3.13 on Linux or macOS, or a complete mirror",
    ),
)
_UNKNOWN = Cause("", "{0}", "look into the log")


def explain(said: str) -> tuple[str, str]:
    """What went wrong and what to do, from everything that pip or uv printed."""
    text = " ".join(said.split())  # uv breaks its sentences into lines
    for cause in CAUSES:
        found = re.search(cause.pattern, text)
        if found:
            told = [group for group in found.groups() if group]
            return cause.meaning.format(*told), cause.advice
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(?i)error.*[^:]$", line)]
    return _UNKNOWN.meaning.format((errors or lines or ["it said nothing"])[-1]), _UNKNOWN.advice


def lacking(said: str) -> tuple[str, str]:
    """What a lock lacks, from what uv says about roots that nothing satisfies."""
    text = " ".join(said.split()).partition(" we can conclude")[0]
    found = re.search(r"Because .* and (\S+) depends on (.+),$", text)
    if found:
        return f"the lock lacks {found[2]}, needed by {found[1]}", "run `make lock`"
    found = re.search(r"Because .* you require (.+),$", text)
    if found:
        return f"the lock lacks {found[1]}", "run `make lock`"
    return explain(said)


def uv_settings(pip_config: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that give uv what pip was told; what uv was told itself is left alone.

    pip_config is the output of `pip config list`, where a command's own section and then the
    environment win.
    """
    options: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for line in pip_config.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{section}."):
                options[key[len(section) + 1 :]] = " ".join(str(ast.literal_eval(value)).split())
    certificates = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
    proxy = options.get("proxy")
    wanted = {
        "UV_DEFAULT_INDEX": options.get("index-url"),
        "UV_INDEX": options.get("extra-index-url"),
        "UV_FIND_LINKS": ",".join(filter(_is_there, options.get("find-links", "").split())),
        "UV_INSECURE_HOST": options.get("trusted-host"),
        "UV_HTTP_TIMEOUT": options.get("timeout") or options.get("default-timeout"),
        "UV_NO_CACHE": "1" if options.get("no-cache-dir", "0") in ("1", "true", "on") else None,
        "UV_NO_INDEX": "1" if options.get("no-index", "0") in ("1", "true", "on") else None,
        "SSL_CERT_FILE": options.get("cert") or certificates,
        "SSL_CLIENT_CERT": options.get("client-cert"),
        "HTTPS_PROXY": proxy,
        "HTTP_PROXY": proxy,
        # As with pip, any of several may have a file: its hash decides.
        "UV_INDEX_STRATEGY": "unsafe-best-match" if "extra-index-url" in options else None,
        "UV_LINK_MODE": "copy" if options.get("no-cache-dir") else None,
    }
    return {name: value for name, value in wanted.items() if value and name not in environment}


def _is_there(place: str) -> bool:
    """Pip only warns of a folder of wheels that does not exist, uv ends."""
    return "://" in place or Path(place).exists()


class Runner:
    """Runs the programs and keeps what they said in a log, unless the disk is full."""

    def __init__(self, log: Path, *, lock_fd: int) -> None:
        self.log = log
        self._lock_fd = lock_fd

    def run(self, *words: str | Path, env: Mapping[str, str] | None = None) -> tuple[bool, str]:
        """Whether it ended well, and everything it said."""
        command = [str(word) for word in words]
        done = subprocess.run(  # noqa: S603 - the commands are written below
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, **(env or {})},
            pass_fds=(self._lock_fd,),  # who outlives us goes on holding the lock
        )
        said = done.stdout.decode(errors="replace")
        self._note(f"$ {' '.join(command)}\n{said}")
        return done.returncode == 0, said

    def _note(self, text: str) -> None:
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a") as out:
                out.write(text)
        except OSError:
            with contextlib.suppress(OSError):
                self.log.unlink()  # half a log would mislead


def pip_install(runner: Runner, *, python: Path, lock: Path) -> None:
    """Install a lock by pip alone into the environment that `python` belongs to.

    Errors: InstallError.
    """
    well, said = runner.run(
        *(python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "-vv"),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile", "-r", lock),
    )
    if not well:
        raise _failure(f"installing {_name(lock)}", explain(said), runner)


def uv_sync(runner: Runner, *, uv: Path, python: Path, lock: Path, compiled: bool) -> None:
    """Make an environment hold what a lock names: the same, and nothing else but pip.

    Errors: InstallError.
    """
    _, pip_config = runner.run(sys.executable, "-m", "pip", "config", "list")
    well, said = runner.run(
        *(uv, "pip", "sync", "--python", python, "--require-hashes", "--no-build"),
        *(("--compile-bytecode",) if compiled else ()),
        lock,
        env=uv_settings(pip_config, os.environ),
    )
    if not well:
        raise _failure(f"installing {_name(lock)}", explain(said), runner)


def install_roots(runner: Runner, *, uv: Path, python: Path, roots: Sequence[str]) -> None:
    """Install what a lock was made for, with nothing but the lock's packages to build on.

    Errors: InstallError that names what the lock lacks.
    """
    well, said = runner.run(
        *(uv, "pip", "install", "--python", python, "--no-index", "--offline"),
        *("--no-build-isolation", *roots),
        env={"UV_FIND_LINKS": "", "UV_LINK_MODE": "copy"},
    )
    if not well:
        raise _failure(f"installing {' '.join(roots)}", lacking(said), runner)


def make_venv(runner: Runner, folder: Path) -> None:
    """An empty environment with pip in it, in place of whatever the folder held.

    Errors: InstallError.
    """
    well, said = runner.run(sys.executable, "-m", "venv", "--clear", folder)
    if well:
        return
    full = shutil.disk_usage(folder).free < _VENV_BYTES  # venv keeps to itself what pip said
    why = explain("No space left on device" if full else said)
    raise _failure(f"making {folder}", why, runner)


def _failure(part: str, why: tuple[str, str], runner: Runner) -> InstallError:
    cause, advice = why
    log = f" Log: {runner.log}" if runner.log.exists() else ""
    return InstallError(f"{part} failed: {cause}. Next: {advice}.{log}")


def _name(lock: Path) -> Path:
    return Path(os.path.relpath(lock))


def fingerprint(folder: Path, lock: Path) -> str:
    """What an environment was made from: where it stands, its Python and its lock."""
    made_from = (str(folder.resolve()), sys.version, lock.read_text(), BUILD_LOCK.read_text())
    return hashlib.sha256("\n".join(made_from).encode()).hexdigest()


def ensure_venv(runner: Runner, options: argparse.Namespace) -> None:
    """Make `--venv` hold the lock and the roots; its stamp is written last.

    An unchanged lock leaves the packages alone and installs only the roots again.
    """
    folder, stamp = options.venv, options.venv / STAMP
    python = folder / "bin" / "python"
    wanted = fingerprint(folder, options.lock)
    whole = stamp.exists() and stamp.read_text() == wanted and python.exists()
    stamp.unlink(missing_ok=True)  # not ready until the last step is done
    uv = folder / "bin" / "uv"
    if not whole:
        started = time.monotonic()
        print(
            f"Installing the Python packages of {_name(options.lock)} into {folder} ...", flush=True
        )
        make_venv(runner, folder)
        pip_install(runner, python=python, lock=BUILD_LOCK)
        uv_sync(runner, uv=uv, python=python, lock=options.lock, compiled=options.compile)
        print(f"... installed in {time.monotonic() - started:.0f} s")
    install_roots(runner, uv=uv, python=python, roots=options.roots)
    stamp.write_text(wanted)


def fill(runner: Runner, options: argparse.Namespace) -> None:
    """Install a lock, roots or both into the environment of `--python`; uv goes into our own.

    Errors: InstallError.
    """
    if sys.prefix == sys.base_prefix:
        cause, advice = "uv would go into the Python of the system", "run this by one of a venv"
        raise _failure("installing uv", (cause, advice), runner)
    own = Path(sys.executable)
    uv = own.parent / "uv"
    if not uv.exists():
        pip_install(runner, python=own, lock=BUILD_LOCK)
    if options.lock:
        uv_sync(runner, uv=uv, python=options.python, lock=options.lock, compiled=options.compile)
    if options.roots:
        install_roots(runner, uv=uv, python=options.python, roots=options.roots)


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[int]:
    """Hold the only right to install below a folder; the descriptor that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another installation in {folder} ...", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _place(options: argparse.Namespace) -> Path:
    if options.venv:
        return Path(options.venv).absolute().parent
    return Path(options.python or sys.executable).absolute().parent


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--venv", type=Path, help="a virtual environment to make")
    where.add_argument("--python", type=Path, help="the interpreter of an environment that exists")
    parser.add_argument("--lock", type=Path, help="a file of pinned versions with hashes")
    parser.add_argument("--compile", action="store_true", help="leave bytecode beside the sources")
    parser.add_argument("--log", type=Path, default=_LOG)
    parser.add_argument("--roots", nargs=argparse.REMAINDER, default=[], help="comes last")
    options = parser.parse_args(arguments)
    if options.venv and not (options.lock and options.roots):
        parser.error("--venv needs --lock and --roots")
    if not (options.venv or options.python) and (options.lock or options.roots):
        parser.error("--lock and --roots need --venv or --python")
    return options


def _tail(log: Path) -> list[str]:
    return log.read_text().splitlines()[-15:] if log.exists() else []


def main(arguments: Sequence[str]) -> int:
    """The exit code; a failure is one sentence on standard error."""
    options = parse(arguments)
    try:
        with one_at_a_time(_place(options)) as lock_fd:
            options.log.unlink(missing_ok=True)
            runner = Runner(options.log, lock_fd=lock_fd)
            (ensure_venv if options.venv else fill)(runner, options)
    except InstallError as error:
        if not options.venv:  # the log of a failed image build is gone with its container
            print(*_tail(options.log), sep="\n", file=sys.stderr)
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        cause, advice = explain(str(error))
        print(f"installing the Python packages failed: {cause}. Next: {advice}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted. Next: the same command again; downloads are kept.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
