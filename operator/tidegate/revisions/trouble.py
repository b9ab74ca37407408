"""What keeps pods from serving, in their own words.

A failure is the workload's fault and may reject it; missing capacity and a pod that the cluster
takes away are the cluster's and never do. What passes by itself, such as a first failed pull, is
neither.
Source: features.md, 5 (2 and 44); api.md, 6.3 (`Capacity`); house.md, H6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tidegate import model
from tidegate.model import objects

MESSAGE_LENGTH: Final = 200
RESTARTS_OF_A_CRASH_LOOP: Final = 2

# A registry that fails for a while is no crash, yet an image that never comes is the workload's.
_UNPULLED: Final = "ImagePullBackOff"
# Reasons of a pod that the kubelet, the scheduler or the node controller has ended.
_TAKEN: Final = frozenset(
    {
        "Evicted",
        "NodeAffinity",
        "NodeLost",
        "NodeShutdown",
        "OutOfcpu",
        "OutOfmemory",
        "OutOfpods",
        "Preempting",
        "Shutdown",
        "Terminated",
        "UnexpectedAdmissionError",
    }
)
# The pod is ready no more because nobody hears from its node.
_NODE_SILENT: Final = "NodeStatusUnknown"
# What keeps pods from being created, whatever they are: there is no room, or nobody admits them.
_OF_CLUSTER: Final = ("exceeded quota", "failed calling webhook", "Internal error occurred")
_STARTING: Final = "ContainerCreating"
# Reasons of a container that ended with its node or the runtime there, and not by itself.
_NODE_GONE: Final = frozenset({"ContainerStatusUnknown", "Unknown"})

_TROUBLE: Final = frozenset(
    {
        "CrashLoopBackOff",
        _UNPULLED,
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)


def failure(pods: Sequence[model.Document]) -> str:
    """The first container in trouble, by pod name, such as `CrashLoopBackOff: container server`.

    Empty when there is none. Pods that are being removed or were taken away do not count.
    """
    return next(_troubles(pods), "")


def crash(pods: Sequence[model.Document]) -> str:
    """The same, but for images that cannot be pulled: a registry fails for everybody."""
    found = (it for it in _troubles(pods) if not it.startswith(_UNPULLED))
    return next(found, "")


def lost(pods: Sequence[model.Document]) -> str:
    """Which pod the cluster has taken away or is about to, and why; empty when it has none."""
    for pod in sorted(pods, key=objects.object_name):
        if found := _taken(pod):
            return _short(f"{found}: pod {objects.object_name(pod)}")
    return ""


def unready_since(pods: Sequence[model.Document]) -> str:
    """When the youngest unready pod was created, as written; empty where that is unknown."""
    made = (
        objects.text(objects.at(pod, "metadata", "creationTimestamp"))
        for pod in _staying(pods)
        if not _is_ready(pod)
    )
    return max(made, default="")


def unschedulable(pods: Sequence[model.Document]) -> str:
    """Why a pod finds no node, or empty."""
    for pod in _staying(pods):
        scheduled = objects.condition(objects.at(pod, "status", "conditions"), "PodScheduled")
        if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
            return _short(f"Unschedulable: {objects.text(scheduled.get('message'))}")
    return ""


def starting(pods: Sequence[model.Document]) -> str:
    """Which container waits on its node for image or volumes, or empty."""
    for pod in _staying(pods):
        for status in _container_statuses(pod):
            if objects.at(status, "state", "waiting", "reason") == _STARTING:
                name = objects.text(objects.at(status, "name"))
                return _short(f"{_STARTING}: container {name} waits for its image or volumes")
    return ""


def creation_failure(deployment: model.Document) -> str:
    """What of the workload keeps pods from being created, such as a refused security setting; else empty."""
    message = _replica_failure(deployment)
    return "" if _is_of_cluster(message) else message


def not_created(deployment: model.Document) -> str:
    """What of the cluster keeps pods from being created, such as a quota, or empty."""
    message = _replica_failure(deployment)
    return message if _is_of_cluster(message) else ""


def _is_of_cluster(message: str) -> bool:
    return any(words in message for words in _OF_CLUSTER)


def _replica_failure(deployment: model.Document) -> str:
    conditions = objects.at(deployment, "status", "conditions")
    found = objects.condition(conditions, "ReplicaFailure")
    if found.get("status") != "True":
        return ""
    reason, message = objects.text(found.get("reason")), objects.text(found.get("message"))
    return _short(f"{reason}: {message}")


def _staying(pods: Sequence[model.Document]) -> list[model.Document]:
    return sorted((pod for pod in pods if not _taken(pod)), key=objects.object_name)


def _taken(pod: model.Document) -> str:
    """Why a pod goes that did nothing wrong, as one word; empty for one that stays."""
    conditions = objects.at(pod, "status", "conditions")
    disrupted = objects.condition(conditions, "DisruptionTarget")
    if disrupted.get("status") == "True":
        return objects.text(disrupted.get("reason")) or "DisruptionTarget"
    reason = objects.text(objects.at(pod, "status", "reason"))
    if reason in _TAKEN:
        return reason
    if objects.condition(conditions, "Ready").get("reason") == _NODE_SILENT:
        return _NODE_SILENT
    return "Deleted" if objects.at(pod, "metadata", "deletionTimestamp") else ""


def _is_ready(pod: model.Document) -> bool:
    statuses = objects.items(objects.at(pod, "status", "containerStatuses"))
    return bool(statuses) and all(objects.at(it, "ready") is True for it in statuses)


def _troubles(pods: Sequence[model.Document]) -> Iterator[str]:
    for pod in _staying(pods):
        for status in _container_statuses(pod):
            if found := _trouble(status):
                yield found


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
        if objects.whole(ended.get("exitCode")) != 0 and ended.get("reason") not in _NODE_GONE:
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
