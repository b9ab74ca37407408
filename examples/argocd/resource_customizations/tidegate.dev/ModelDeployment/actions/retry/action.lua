-- Made by tools/argocd.py. It writes what `kubectl tidegate retry` writes: annotations, never the
-- spec, which self-heal would undo. They are not in Git and survive its diffs.
local annotations = obj.metadata.annotations or {}
local status = obj.status or {}
local rollout = status.rollout or {}
local desired = status.desired or {}

-- The time tells requests apart: a second one within the same second is dated a second later.
local format = "!%Y-%m-%dT%H:%M:%SZ"
local now = os.date(format)
if annotations["tidegate.dev/requested-at"] == now then
  now = os.date(format, os.time() + 1)
end

annotations["tidegate.dev/request"] = "retry"
annotations["tidegate.dev/request-revision"] = desired.revision
annotations["tidegate.dev/request-step"] = nil
annotations["tidegate.dev/requested-at"] = now
annotations["tidegate.dev/request-reason"] = nil
obj.metadata.annotations = annotations
return obj
