"""Argo CD's settings for our kinds: one action script per request, and the ConfigMap with all of it.

Source: argo-cd, docs/operator-manual/{health,resource_actions}.md; ecosystem.md, 4.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tidegate import model
from tidegate.api import convert

FOLDER = Path("examples/argocd")
KIND = FOLDER / "resource_customizations/tidegate.dev/ModelDeployment"
_ACTION = """\
-- Made by tools/argocd.py. It writes what `kubectl tidegate {request}` writes: annotations, never the
-- spec, which self-heal would undo. They are not in Git and survive its diffs.
local annotations = obj.metadata.annotations or {{}}
local status = obj.status or {{}}
local rollout = status.rollout or {{}}
local desired = status.desired or {{}}

-- The time tells requests apart: a second one within the same second is dated a second later.
local format = "!%Y-%m-%dT%H:%M:%SZ"
local now = os.date(format)
if annotations["{requested_at}"] == now then
  now = os.date(format, os.time() + 1)
end

annotations["{request_key}"] = "{request}"
annotations["{revision_key}"] = {revision}
annotations["{step_key}"] = {step}
annotations["{requested_at}"] = now
annotations["{reason_key}"] = nil
obj.metadata.annotations = annotations
return obj
"""
_OF_ROLLOUT = "rollout.active and rollout.revision or desired.revision"
_OF_A_STEP = frozenset({model.RequestKind.PROMOTE, model.RequestKind.SKIP_STEP})
_HEADER = """\
# What Argo CD has to know of Tidegate, to merge into the ConfigMap argocd-cm. Made by tools/argocd.py
# from resource_customizations/.
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  namespace: argocd
  labels:
    app.kubernetes.io/part-of: argocd
data:
  # Two ways of writing one quantity (1000m and 1) are no difference.
  resource.customizations.knownTypeFields.tidegate.dev_ModelDeployment: |
    - field: spec.workload.template.spec
      type: core/v1/PodSpec
"""


def texts(root: Path) -> Mapping[Path, str]:
    """Every file that is made, by its path from the root of the repository."""
    actions = {request: _action(request) for request in model.RequestKind}
    made = {KIND / "actions" / request / "action.lua": text for request, text in actions.items()}
    return made | {FOLDER / "argocd-cm.yaml": _config_map(root, actions)}


def _action(request: model.RequestKind) -> str:
    retry = request is model.RequestKind.RETRY
    return _ACTION.format(
        request=request,
        request_key=convert.REQUEST,
        revision_key=convert.REQUEST_REVISION,
        step_key=convert.REQUEST_STEP,
        reason_key=convert.REQUEST_REASON,
        requested_at=convert.REQUESTED_AT,
        revision="desired.revision" if retry else _OF_ROLLOUT,
        step="rollout.step and rollout.step.name" if request in _OF_A_STEP else "nil",
    )


def _config_map(root: Path, actions: Mapping[model.RequestKind, str]) -> str:
    health = (root / KIND / "health.lua").read_text()
    discovery = (root / KIND / "actions/discovery.lua").read_text()
    lines = [
        _HEADER.rstrip("\n"),
        "  resource.customizations.health.tidegate.dev_ModelDeployment: |",
        _indented(health, 4),
        "  resource.customizations.actions.tidegate.dev_ModelDeployment: |",
        "    discovery.lua: |",
        _indented(discovery, 6),
        "    definitions:",
    ]
    for request, text in actions.items():
        lines += [f"    - name: {request}", "      action.lua: |", _indented(text, 8)]
    return "\n".join(lines) + "\n"


def _indented(text: str, spaces: int) -> str:
    return "\n".join(" " * spaces + line if line else "" for line in text.rstrip("\n").split("\n"))
