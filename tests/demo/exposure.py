"""Promises about copies and switches: who answers whom, and for how long both do."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.demo.promises import Promise, Span, total
from tests.demo.users import Sums, Users
from tests.demo.view import Judged, View

_STANDARD_ERRORS = 4.0
# Percent: proxies begin to copy a moment after that was confirmed, of some fifteen seconds in all,
# and pods are not scraped in the same moment.
_APART = 8.0
_BREACHES = {"Fail", "Error"}
# The time in which the proxies of a Gateway hand over to each other.
SWITCH_LIMIT_SECONDS = 2.0
RETURN_LIMIT_SECONDS = 5.0


def rejected_for_what_it_says(view: View | None, *, version: str, metric: str) -> Promise:
    """Nothing but the agreement of its answers speaks against it."""
    judged = () if view is None else view.metrics
    breaches = [one.name for one in judged if one.outcome in _BREACHES]
    said = next((one.reason for one in judged if one.name == metric), "nothing was compared")
    kept = view is not None and version in view.rejected and breaches == [metric]
    return Promise(
        text=f"{version} is quick and without errors, and rejected for what it answers",
        kept=kept,
        detail=said if kept else f"{said}; breaches: {', '.join(breaches) or 'none'}",
    )


def answered_nobody(users: Users, *, span: Span, version: str) -> Promise:
    """A shadow gets copies, and its answers reach no user."""
    sums = users.between(span.start, span.end)
    everyone, own = total(sums), sums.get(version, Sums())
    return Promise(
        text=f"No user was answered by {version}, and none failed",
        kept=everyone.answered > 0 and own.answered == 0 and everyone.failed == 0,
        detail=f"{own.answered} of {everyone.answered} requests, {everyone.failed} failed",
    )


def copied_share(views: Sequence[View], *, version: str, metric: str) -> Promise:
    """The copies that were counted lie within sampling error of what was meant (binomial).

    They are what the version's pods counted, of what those of stable did in the same intervals.
    """
    wanted = max((one.mirror_percent for one in views if one.candidate == version), default=0.0)
    text = f"Copies are within sampling error of {wanted:g} % of the requests"
    counted = next((one for one in _last(views, version) if one.name == metric), None)
    if counted is None or not counted.stable_samples or not wanted:
        return Promise(text=text, kept=False, detail="no copies were counted")
    seen = 100 * counted.samples / counted.stable_samples
    share = wanted / 100
    band = 100 * _STANDARD_ERRORS * math.sqrt(share * (1 - share) / counted.stable_samples)
    detail = f"{seen:.1f} % of {counted.stable_samples:.0f} requests, allowed ±{band + _APART:.1f}"
    return Promise(text=text, kept=abs(seen - wanted) <= band + _APART, detail=detail)


def _last(views: Sequence[View], version: str) -> Sequence[Judged]:
    """What was judged of a version when it was rejected."""
    rejecting = (one for one in views if version in one.rejected and one.phase == "RolledBack")
    found = next(rejecting, None)
    return () if found is None else found.metrics


def switched_at_once(users: Users, *, span: Span, old: str, new: str) -> Promise:
    """All users move together: hardly a moment in which both versions answer."""
    sums = users.between(math.floor(span.start), span.end)
    before, after = sums.get(old, Sums()), sums.get(new, Sums())
    text = f"The switch to {new} moves all users at once"
    if not before.answered or not after.answered:
        return Promise(text=text, kept=False, detail=f"{after.answered} requests reached {new}")
    seconds = max(before.last_at - after.first_at, 0.0)
    failed = total(sums).failed
    detail = f"both versions answered for {seconds:.2f} s; {failed} requests failed"
    return Promise(text=text, kept=seconds < SWITCH_LIMIT_SECONDS and failed == 0, detail=detail)


def returned_at_once(users: Users, *, asked_at: float, until: float, new: str) -> Promise:
    """After an abort in the bake everybody is back on the version that stayed warm."""
    sums = users.between(math.floor(asked_at), until)
    seconds = max(sums.get(new, Sums()).last_at - asked_at, 0.0)
    failed = total(sums).failed
    kept = total(sums).answered > 0 and failed == 0 and seconds < RETURN_LIMIT_SECONDS
    detail = f"{new} answered for {seconds:.2f} s more; {failed} requests failed"
    return Promise(text="An abort in the bake gives all users back", kept=kept, detail=detail)
