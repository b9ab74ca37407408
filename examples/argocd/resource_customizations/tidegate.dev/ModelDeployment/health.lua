-- The operator works out the health and writes it beside the generation that it is about.
-- Only base functions: scripts in argocd-cm have neither string nor math.
local status = obj.status or {}
local generation = tonumber(obj.metadata.generation)
local observed = tonumber(status.observedGeneration)
if observed == nil or observed ~= generation then
  return {status = "Progressing", message = "waits for the operator to see this generation"}
end
local health = status.health
if health ~= nil and health.status ~= nil then
  return {status = health.status, message = health.message or ""}
end

-- A status without health, by another hand or another release: its conditions, as in kstatus.
local by_condition = {Stalled = "Degraded", Paused = "Suspended", Ready = "Healthy"}
local found = {}
for _, condition in ipairs(status.conditions or {}) do
  if condition.status == "True" then
    found[condition.type] = condition.message or ""
  end
end
for _, kind in ipairs({"Stalled", "Paused", "Ready"}) do
  if found[kind] ~= nil then
    return {status = by_condition[kind], message = found[kind]}
  end
end
return {status = "Progressing", message = status.message or "has no condition yet"}
