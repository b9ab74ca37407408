"""Why a part could not be made, in one sentence: the part, the cause, the next step."""

from __future__ import annotations

import dataclasses
import errno
import re
from pathlib import Path

from tests.cluster import shell


@dataclasses.dataclass(frozen=True, slots=True)
class _Kind:
    """What programs say when it happened, what it is, and what to do about it."""

    pattern: re.Pattern[str]
    cause: str
    step: str


def _kind(pattern: str, cause: str, step: str) -> _Kind:
    return _Kind(re.compile(pattern, re.IGNORECASE), cause, step)


_MISSING = _kind(
    r"executable file not found|No such file or directory: '[^']*'|command not found",
    "a program is missing",
    "install it",
)
# The first that fits is meant: a full disk breaks downloads, and who cannot reach a registry sums up
# that it has no such package.
_KINDS = (
    _kind(
        r"no space left on device|disk quota exceeded|not enough free space|ENOSPC",
        "the disk is full",
        "free some space, or set TIDEGATE_CACHE (and GOCACHE, GOMODCACHE) to a larger disk",
    ),
    _kind(
        r"checksum mismatch|SECURITY ERROR|hash(es)? (do|does) not match|hash sum mismatch",
        "what was downloaded is not what was published",
        "look at the proxy or mirror between this machine and the registry",
    ),
    _kind(
        r"connection refused|no such host|temporary failure|network is unreachable|dial tcp"
        r"|could ?n[o']t (resolve|connect)|i/o timeout|timed out|connection reset|no route to host"
        r"|newconnectionerror|failed getting release file|max retries exceeded|certificate",
        "the registry cannot be reached",
        "check the network and the proxy settings (GOPROXY, HTTPS_PROXY, pip config, apt sources)",
    ),
    _kind(
        r"\b(401|403|407|429|451)\b|forbidden|unauthorized|proxy authentication|too many requests"
        r"|\b(404|410) (not found|gone)|no matching distribution|unable to locate package"
        r"|disabled by GOPROXY",
        "the registry refused it",
        "check the settings of the registry or its mirror (GOPROXY, pip config, apt sources)",
    ),
    _kind(
        r"signal: killed|out of memory|cannot allocate memory",
        "there is not enough memory",
        "close something else; a build needs about 3 GB",
    ),
    _MISSING,
)


class PartFailed(shell.CommandError):
    """A part of the cluster could not be made; what was made stays, nothing half-made counts."""

    def __init__(self, title: str, *, log: Path, error: Exception) -> None:
        command = error.command if isinstance(error, shell.CommandError) else ()
        code = error.code if isinstance(error, shell.CommandError) else 1
        super().__init__(command, code=code, said=str(error))
        self.args = (sentence(title, log=log, error=error),)


def sentence(title: str, *, log: Path, error: Exception) -> str:
    """`Cannot <title>: <cause> (<what was said>); <next step>, then run the same again; log: ...`"""
    kind, said = _judge(error)
    cause = f"{kind.cause} ({said})" if said else kind.cause
    return f"Cannot {title}: {cause}; {kind.step}, then run the same again (log: {log})."


def _judge(error: Exception) -> tuple[_Kind, str]:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _KINDS[0], str(error)
    if isinstance(error, shell.CommandError) and error.code == shell.NOT_FOUND:
        name = error.command[0] if error.command else ""
        return dataclasses.replace(_MISSING, step=f"install {name}"), f"{name} is not on PATH"
    text = error.said if isinstance(error, shell.CommandError) else str(error)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("(log:")]
    for kind in _KINDS:
        for line in reversed(lines):
            if kind.pattern.search(line):
                return kind, _shortened(line)
    return _kind("", "it ended with an error", "look at the log"), _shortened(
        lines[-1] if lines else ""
    )


def _shortened(line: str, *, limit: int = 200) -> str:
    text = " ".join(line.split())
    return text if len(text) <= limit else f"{text[:limit]}..."
