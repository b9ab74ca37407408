-- Which buttons can be pressed. The operator decides again when it reads the request.
local status = obj.status or {}
local rollout = status.rollout or {}
local waits = rollout.waitingFor or {}
local step = rollout.step or {}
local current = tonumber(status.observedGeneration) == tonumber(obj.metadata.generation)
local active = rollout.active == true and status.phase ~= "RollingBack"

-- What the request promote can end; a person is asked in none of the others.
local ended_by_promote = {
  ManualStep = true, Approval = true, Inconclusive = true, Stalled = true, NoData = true, MetricsUnavailable = true,
}
local rejected = (status.phase == "RolledBack" or status.phase == "Failed") and current

local enabled = {
  ["promote"] = active and ended_by_promote[waits.reason] == true,
  ["promote-full"] = active,
  ["skip-step"] = active and step.name ~= nil,
  ["abort"] = active,
  ["retry"] = rejected,
  ["pause"] = active and waits.reason ~= "Request",
  ["resume"] = active and waits.reason == "Request",
  ["repin"] = active,
}
local titles = {
  ["promote"] = "Promote: end the present wait",
  ["promote-full"] = "Promote fully: skip what is left",
  ["skip-step"] = "Skip the present step",
  ["abort"] = "Abort: roll back now",
  ["retry"] = "Retry the rejected version",
  ["pause"] = "Pause at the present weight",
  ["resume"] = "Resume",
  ["repin"] = "Adopt the edited steps",
}
local icons = {
  ["promote"] = "fa fa-step-forward", ["promote-full"] = "fa fa-fast-forward",
  ["skip-step"] = "fa fa-forward", ["abort"] = "fa fa-undo", ["retry"] = "fa fa-redo",
  ["pause"] = "fa fa-pause", ["resume"] = "fa fa-play", ["repin"] = "fa fa-thumbtack",
}
local actions = {}
for name, is_enabled in pairs(enabled) do
  actions[name] = {
    ["disabled"] = not is_enabled, ["displayName"] = titles[name], ["iconClass"] = icons[name],
  }
end
return actions
