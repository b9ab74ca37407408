"""What keeps pods from serving, in their own words.

A failure is the workload's fault and may reject it; missing capacity is the cluster's and never
does. What passes by itself, such as a first failed pull, is neither.
Source: features.md, 5 (2 and 44); api.md, 6.3 (`Capacity`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tidegate import model
from tidegate.model import objects

MESSAGE_LENGTH: Final = 200
RESTARTS_OF_A_CRASH_LOOP: Final = 2

_TROUBLE: Final = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)


def failure(pods: Sequence[model.Document]) -> str:
    """The first container in trouble, by pod name, such as `CrashLoopBackOff: container server`.

    Empty when there is none. Pods that are being removed do not count.
    """
    for pod in _staying(pods):
        for status in _container_statuses(pod):
            if found := _trouble(status):
                return found
    return ""


def unschedulable(pods: Sequence[model.Document]) -> str:
    """Why a pod finds no node, or empty."""
    for pod in _staying(pods):
        scheduled = objects.condition(objects.at(pod, "status", "conditions"), "PodScheduled")
        if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
            return _short(f"Unschedulable: {objects.text(scheduled.get('message'))}")
    return ""


def creation_failure(deployment: model.Document) -> str:
    """Why no pod can be created at all, such as a refused security setting; else empty."""
    message = _replica_failure(deployment)
    return "" if _is_quota(message) else message


def quota_exceeded(deployment: model.Document) -> str:
    """Which quota keeps pods from being created, or empty."""
    message = _replica_failure(deployment)
    return message if _is_quota(message) else ""


def _is_quota(message: str) -> bool:
    return "exceeded quota" in message


def _replica_failure(deployment: model.Document) -> str:
    conditions = objects.at(deployment, "status", "conditions")
    found = objects.condition(conditions, "ReplicaFailure")
    if found.get("status") != "True":
        return ""
    reason, message = objects.text(found.get("reason")), objects.text(found.get("message"))
    return _short(f"{reason}: {message}")


def _staying(pods: Sequence[model.Document]) -> list[model.Document]:
    staying = [p for p in pods if not objects.at(p, "metadata", "deletionTimestamp")]
    return sorted(staying, key=objects.object_name)


def _container_statuses(pod: model.Document) -> Iterator[model.Json]:
    for member in ("initContainerStatuses", "containerStatuses"):
        yield from objects.items(objects.at(pod, "status", member))


def _trouble(status: model.Json) -> str:
    """Why this container cannot run, or empty."""
    name = objects.text(objects.at(status, "name"))
    waiting = objects.mapping(objects.at(status, "state", "waiting"))
    reason = objects.text(waiting.get("reason"))
    ended = _last_crash(status)
    if reason in _TROUBLE:
        cause = _crash_text(ended) if ended else objects.text(waiting.get("message"))
        return _short(f"{reason}: container {name}{_after_colon(cause)}")
    restarts = objects.whole(objects.at(status, "restartCount"))
    unready = objects.at(status, "ready") is not True
    if ended and unready and restarts >= RESTARTS_OF_A_CRASH_LOOP:
        return _short(f"{_crash_text(ended)}: container {name} restarted {restarts} times")
    return ""


def _last_crash(status: model.Json) -> model.Document:
    """How the container ended, now or before its restart; empty when that was no crash."""
    for member in ("state", "lastState"):
        ended = objects.mapping(objects.at(status, member, "terminated"))
        if objects.whole(ended.get("exitCode")) != 0:
            return ended
    return {}


def _crash_text(ended: model.Document) -> str:
    reason = objects.text(ended.get("reason")) or "Error"
    exit_code = objects.whole(ended.get("exitCode"))
    message = objects.text(ended.get("message"))
    return f"{reason} (exit code {exit_code}){_after_colon(message)}"


def _after_colon(message: str) -> str:
    return f": {message}" if message else ""


def _short(message: str) -> str:
    """One line of bounded length: it goes into status and Events."""
    line = " ".join(message.split())
    return line if len(line) <= MESSAGE_LENGTH else f"{line[: MESSAGE_LENGTH - 1]}…"
