"""What `tidegate doctor` finds in objects that were read. Pure: documents to findings."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate import model, ports
from tidegate.api import crdgen, served
from tidegate.api.revision import mapping
from tidegate.cli import views
from tidegate.rollout import preflight, room
from tidegate.rollout.strategy.compile import first_plan, plan_of

MOST_SKEW_SECONDS = 5.0
_BAD_CONDITIONS = {
    "Stalled": "True",
    "Available": "False",
    "TrafficProgrammed": "False",
}


class Grade(enum.StrEnum):
    """How a check ended. Unknown stops nothing, and promises nothing."""

    OK = "ok"
    UNKNOWN = "unknown"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of one thing."""

    check: str
    of: str
    grade: Grade
    message: str

    def document(self) -> dict[str, str]:
        """The finding as JSON."""
        return {
            "check": self.check,
            "of": self.of,
            "result": str(self.grade),
            "message": self.message,
        }


def ok(check: str, of: str, message: str) -> Finding:
    """Nothing stands in the way."""
    return Finding(check=check, of=of, grade=Grade.OK, message=message)


def unknown(check: str, of: str, message: str) -> Finding:
    """It could not be found out."""
    return Finding(check=check, of=of, grade=Grade.UNKNOWN, message=message)


def problem(check: str, of: str, message: str) -> Finding:
    """This stops rollouts."""
    return Finding(check=check, of=of, grade=Grade.PROBLEM, message=message)


# --- the cluster ---------------------------------------------------------------------------------


def definition(wanted: crdgen.Definition, found: ports.Object | None) -> Finding:
    """Whether the served schema knows every field that this release writes and reads."""
    name = f"{wanted.resource.plural}.{crdgen.GROUP}"
    if found is None:
        return problem("kinds", name, f"is not installed: {served.FIX}")
    missing = served.lacking(wanted, _schema(found))
    if not missing:
        return ok("kinds", name, "has every field of this release")
    return problem("kinds", name, f"lacks {served.named(missing)}: {served.FIX}")


def _schema(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the version that we use; an empty one where that is not served."""
    for version in mapping(manifest.get("spec")).get("versions") or []:
        if version.get("name") == crdgen.VERSION:
            return mapping(mapping(version.get("schema")).get("openAPIV3Schema"))
    return {}


def clocks(*, local: datetime, server: datetime) -> Finding:
    """Requests carry the time of this machine; the operator answers by its own."""
    skew = (local - server).total_seconds()
    if abs(skew) <= MOST_SKEW_SECONDS:
        return ok("clock", "API server", "agrees with this machine")
    ahead = "ahead of" if skew > 0 else "behind"
    return problem(
        "clock", "API server", f"this machine is {abs(skew):.0f} s {ahead} it: set its clock"
    )


def leader(lease: ports.Object | None, *, of: str, now: datetime) -> Finding:
    """Whether an operator renews its Lease, by a clock that agrees with the API server's."""
    spec = mapping(lease.get("spec")) if lease is not None else {}
    holder, renewed = str(spec.get("holderIdentity") or ""), _instant(spec.get("renewTime"))
    if not holder or renewed is None:
        return problem("operator", of, "nobody leads: is the operator installed and running?")
    age = (now - renewed).total_seconds()
    lasts = float(spec.get("leaseDurationSeconds") or 15.0)
    if age < -MOST_SKEW_SECONDS:
        return problem("operator", of, f"the clock of {holder} is {-age:.0f} s ahead: set it")
    if age > lasts + MOST_SKEW_SECONDS:
        message = f"{holder} last renewed {age:.0f} s ago: it is down, or its clock is behind"
        return problem("operator", of, message)
    return ok("operator", of, f"{holder} leads")


def _instant(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def rights(denied: Sequence[str], *, of: str, asked: int) -> Finding:
    """What the operator may not do of all that it does."""
    if not denied:
        return ok("rights", of, f"may do all {asked} things that the operator does")
    message = f"may not {', '.join(denied)}: apply the chart's roles of this release"
    return problem("rights", of, message)


def gateway(found: ports.Object | None, *, of: str) -> Finding:
    """Whether somebody runs the Gateway that routes attach to."""
    if found is None:
        return problem("gateway", of, "does not exist: name one in spec.traffic.gateway")
    return _accepted(found, of=of, kinds=("Accepted", "Programmed"))


def gateway_class(found: ports.Object | None, *, of: str) -> Finding:
    """Whether a controller has taken the class."""
    if found is None:
        return problem("gateway", of, "does not exist: install the Gateway's controller")
    return _accepted(found, of=of, kinds=("Accepted",))


def _accepted(body: ports.Object, *, of: str, kinds: Sequence[str]) -> Finding:
    conditions = {it.get("type"): it for it in mapping(body.get("status")).get("conditions") or []}
    for kind in kinds:
        it = mapping(conditions.get(kind))
        if it.get("status") != "True":
            why = ": ".join(str(it[key]) for key in ("reason", "message") if it.get(key))
            return problem("gateway", of, f"is not {kind}: {why or 'no controller has said so'}")
    return ok("gateway", of, f"is {' and '.join(kinds)}")


# --- one ModelDeployment -------------------------------------------------------------------------


def of_object(seen: views.Seen) -> list[Finding]:
    """What the operator itself says of a ModelDeployment: what it waits for, and its metrics."""
    of = f"{seen.meta.namespace}/{seen.meta.name}"
    if not seen.up_to_date:
        return [problem("rollout", of, views.UNSEEN)]
    conditions = {it.type: it for it in seen.status.conditions}
    found = [
        problem("rollout", of, f"{kind} is {bad}: {it.reason}: {it.message}".rstrip(": "))
        for kind, bad in _BAD_CONDITIONS.items()
        if (it := conditions.get(kind)) is not None and it.status == bad
    ]
    rollout = seen.active_rollout
    if rollout is not None and rollout.waiting_for is not None:
        waits = rollout.waiting_for
        found.append(problem("rollout", of, f"waits for {waits.reason}: {waits.message}"))
    if not found:
        found = [ok("rollout", of, seen.status.message)]
    return [*found, *of_metrics(seen.status.evidence, of=of, by="the operator")]


def fits(spec: model.Spec, found: model.Room, *, of: str, serves: bool) -> Finding:
    """Whether a rollout of this spec fits, beside the version that serves if there is one."""
    plan = plan_of(spec) if serves else first_plan()
    if text := room.text(spec, plan, room=found, serves=serves):
        return problem("room", of, text)
    return ok("room", of, "no quota is too small for a rollout, nor are devices of nodes")


def of_metrics(rows: Sequence[model.Preflight], *, of: str, by: str) -> list[Finding]:
    """Whether each metric could be judged, as `by` found it."""
    if not rows:
        return [unknown("evidence", of, f"{by} has not looked for its metrics yet")]
    return [_metric(row, of=f"{of} {row.metric}") for row in rows]


def _metric(row: model.Preflight, *, of: str) -> Finding:
    message = f"{row.reason}: {row.message}" + (" (only reported)" if row.dry_run else "")
    stops = row.reason in preflight.HOLDING and not row.dry_run
    if stops or (row.ready is False and not row.dry_run):
        return problem("evidence", of, message)
    return ok("evidence", of, message) if row.ready else unknown("evidence", of, message)
