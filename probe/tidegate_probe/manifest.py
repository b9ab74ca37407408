"""A profile as a ConfigMap, for `kubectl apply`."""

from __future__ import annotations

import re

from tidegate_probe.fields import ProfileError

KEY = "profile.json"
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_LONGEST = 253


def config_map(text: str, *, name: str, namespace: str = "") -> str:
    """The manifest with the document of a profile under the key `profile.json`.

    Errors: ProfileError for a name that no ConfigMap or namespace has.
    """
    _check("configmap", name)
    if namespace:
        _check("namespace", namespace)
    lines = [
        "apiVersion: v1",
        "kind: ConfigMap",
        "metadata:",
        f'  name: "{name}"',
        *([f'  namespace: "{namespace}"'] if namespace else []),
        "data:",
        f"  {KEY}: |",
        # A document has printable characters only, so a block of YAML holds it as it is.
        *(f"    {line}" for line in text.rstrip("\n").split("\n")),
    ]
    return "\n".join(lines) + "\n"


def _check(option: str, name: str) -> None:
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        raise ProfileError(
            f"{option}: {name!r} is no name in Kubernetes; use lower-case letters, digits and -"
        )
