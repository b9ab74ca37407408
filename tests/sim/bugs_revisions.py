"""Deliberate bugs in what belongs to a revision: its ports, its objects, its spec, a lost status."""

from __future__ import annotations

from tests.sim.bug import Bug

BOTH = ("GatewayAPI", "ReplicaRatio")


def _by_both(*scripts: str) -> tuple[str, ...]:
    return tuple(f"{script} {plane}" for script in scripts for plane in BOTH)


REVISIONS = (
    Bug(
        name="the entry Service goes by the newest spec",
        file="traffic/planes/entry.py",
        old="    if (common := common_port(selected)) is not None:",
        new="    if (common := common_port(selected)) is None:",
        plays=_by_both("other_port_rolled_back", "other_preset_aborted"),
    ),
    Bug(
        name="pods do not name their port",
        file="revisions/render.py",
        old='    if not pod.get("hostNetwork"):',
        new='    if pod.get("hostNetwork"):',
        plays=_by_both("other_port_promoted", "undeclared_port Healthy"),
    ),
    Bug(
        name="the Service of a revision goes by the newest spec",
        file="revisions/render.py",
        old="    target = frozen.port.name or frozen.port.number\n",
        new="    target = entry.target_port\n",
        plays=_by_both("stable_lost Service", "undeclared_port_edited_alone"),
    ),
    Bug(
        name="lost pods are made from the newest spec",
        file="controller/actuator.py",
        old="        known = around.seen.frozen.get(revision.hash)\n",
        new="        known = None\n",
        plays=_by_both("stable_lost Deployment"),
        more=(
            (
                "controller/actuator.py",
                "        return found if found is not None else ports.Conflict",
                "        return known if found is not None else ports.Conflict",
            ),
        ),
    ),
    Bug(
        name="stable comes back only while spec asks for it",
        file="rollout/duties.py",
        old="    if frozen is None and revision != turn.seen.desired:",
        new="    if state is None and revision != turn.seen.desired:",
        plays=_by_both("stable_lost Deployment"),
    ),
    Bug(
        name="a lost stable comes back without pods",
        file="rollout/capacity.py",
        old="        return 0 if single and alone else min(turn.spec.replicas, 1)",
        new="        return 0 if single and alone else min(turn.spec.replicas, 0)",
        plays=_by_both("single_stable_lost"),
    ),
    Bug(
        name="a stable that is lost beside a candidate alone comes back without pods",
        file="rollout/capacity.py",
        old="        return 0 if single and alone else min(turn.spec.replicas, 1)",
        new="        return 0 if alone else min(turn.spec.replicas, 1)",
        plays=("stable_lost_unselected ReplicaRatio",),
    ),
    Bug(
        name="what a rollout froze does not stand in for a broken spec",
        file="controller/reading.py",
        old="        if frozen is None or not newest.blocked:",
        new="        if newest.blocked:\n            return newest\n        if frozen is None:",
        plays=_by_both("unreadable_edit_then_breach", "unreadable_edit_then_deletion"),
    ),
    Bug(
        name="a spec that cannot be carried out goes forward",
        file="controller/observer.py",
        old="violations=tuple(one for one in asked.violations if one.blocks),",
        new="violations=tuple(one for one in asked.violations if not asked.spec),",
        plays=_by_both("unreadable_edit_then_abort strategy"),
    ),
    Bug(
        name="an unknown field blocks",
        file="model/spec.py",
        old="        return self.reason != UNKNOWN_FIELD",
        new="        return bool(self.reason)",
        plays=_by_both("unknown_fields"),
    ),
    Bug(
        name="nobody notices what was changed in place",
        file="model/observation.py",
        old="        return bool(self.made_with) and self.made_with != self.template_hash",
        new="        return bool(self.made_with) and not self.template_hash",
        plays=_by_both("changed_in_place"),
    ),
    Bug(
        name="an empty status is taken for a new object",
        file="rollout/rebuild.py",
        old="    if turn.stable:\n        return turn\n    rollout",
        new="    if turn.status.observed_generation == 0:\n        return turn\n    rollout",
        plays=_by_both("emptied_at_rest", "emptied_in_a_step"),
    ),
    Bug(
        name="what was rejected is forgotten with status",
        file="rollout/rebuild.py",
        old="    return one.result in ended and one.by not in completion.BLAMELESS",
        new="    return one.result in ended and one.by in completion.BLAMELESS",
        plays=("emptied_at_rest ReplicaRatio",),
        more=(
            (
                "rollout/rebuild.py",
                "    if marked and marked not in found:",
                "    if not marked and marked not in found:",
            ),
        ),
    ),
    Bug(
        name="only live pods say who is stable",
        file="rollout/rebuild.py",
        old="            yield one.from_revision\n",
        new='            yield ""\n',
        plays=("emptied_without_stable ReplicaRatio",),
    ),
)
