"""What pods answer at their ready URL, and what that means for a rollout."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate import model, ports
from tidegate.model import objects


def findings(
    answers: Mapping[str, ports.ReadyAnswer], *, path: str, template: model.Json
) -> tuple[str, str]:
    """Why the model is not ready, and why its pods could not be asked; empty where neither holds.

    `answers` by the address of a pod that kubelet calls ready, `template` is that of the pods. Only a pod that answers speaks
    against its model. A refused connection does, too, where kubelet asks nobody: then ready only
    means started, and a server that still loads its model does not listen.
    """
    for address, answer in answers.items():
        of_pod = f"{path} of pod {address}"
        match answer:
            case ports.NotReady(message=message):
                return f"{of_pod}: {message}", ""
            case ports.Unreachable(message=message, refused=True) if not is_probed(template):
                return (
                    f'{of_pod}: {message}, {NOBODY_LISTENS}, or set server.readyPath to "Off"',
                    "",
                )
            case _:
                pass
    return "", _unreachable(answers, path=path)


def awaited(answers: Mapping[str, ports.ReadyAnswer], *, path: str) -> str:
    """Whose answer is still to come, or empty. It is waited for, and speaks against nobody."""
    for address, answer in answers.items():
        if isinstance(answer, ports.Awaited):
            return f"{path} of pod {address}: has not answered yet"
    return ""


NOBODY_LISTENS = "and no container has a readinessProbe that would speak for it: add one"


def is_probed(template: model.Json) -> bool:
    """True if kubelet asks a container before it calls the pod ready."""
    containers = objects.items(objects.at(template, "spec", "containers"))
    return any(objects.at(container, "readinessProbe") for container in containers)


def _unreachable(answers: Mapping[str, ports.ReadyAnswer], *, path: str) -> str:
    for address, answer in answers.items():
        if isinstance(answer, ports.NotAsked):
            return (
                f"{path} of pod {address} is not asked ({answer.message}): the pod's own readiness "
                'counts instead; server.readyPath: "Off" says so without a warning'
            )
        if isinstance(answer, ports.Unreachable):
            return (
                f"{path} of pod {address} cannot be reached from the operator "
                f"({answer.message}; a mesh with mTLS, or a NetworkPolicy?): the pod's own "
                'readiness counts instead; server.readyPath: "Off" stops asking'
            )
    return ""
