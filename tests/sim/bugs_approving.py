"""Deliberate bugs of approvals: people who count and should not, and some who are not heard."""

from __future__ import annotations

from tests.sim.bug import Bug, by_both

_WORTH, _GATES = "policy/approvals.py", "rollout/approvals.py"


APPROVING = (
    Bug(
        name="whoever made the change approves it",
        file=_WORTH,
        old="    if gate.not_author and one.username == asked.author:\n",
        new="    if gate.not_author and one.username == gate.name:\n",
        plays=by_both("approval_approved"),
    ),
    Bug(
        name="one person approves twice",
        file=_WORTH,
        old="sorted({it.username for it in given if _approves(it, gate, asked, at=at)})",
        new="sorted([it.username for it in given if _approves(it, gate, asked, at=at)])",
        plays=by_both("approval_approved"),
    ),
    Bug(
        name="an approval never expires",
        file=_WORTH,
        old="    if ends is not None and at >= ends:\n",
        new="    if ends is not None and at >= ends + timedelta(days=1):\n",
        plays=by_both("approval_expired"),
    ),
    Bug(
        name="what was said of an earlier attempt is heard again",
        file=_WORTH,
        old="    if one.attempt != rollout.attempt:\n",
        new="    if one.attempt > rollout.attempt:\n",
        plays=by_both("approval_another_attempt"),
    ),
    Bug(
        name="a rejection is heard when its gate is asked, and not before",
        file=_GATES,
        old="    first = step.index + begun if step is not None else 0\n",
        new="    first = step.index + 2 * begun if step is not None else 0\n",
        plays=by_both("approval_rejected_before_it_is_asked"),
    ),
    Bug(
        name="a rejection closes a gate that is open",
        file=_GATES,
        old="        if gate.opened_at is None and (index >= first or gate.name not in opened)\n",
        new="        if gate.opened_at is None or index >= 0\n",
        plays=by_both("approval_withdrawn_too_late"),
    ),
)
