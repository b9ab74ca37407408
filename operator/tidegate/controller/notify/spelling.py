"""Events that a provider asks for and that sound like one, yet are none: nobody would ever be told."""

from __future__ import annotations

import difflib
import functools
import itertools

from tidegate.controller.notify.news import ERRORS

# What people ask for. An event that is missing here is told all the same.
KNOWN = ERRORS | {
    "Aborted",
    "AnalysisFailed",
    "ApprovalRequested",
    "Approved",
    "BakeCompleted",
    "CandidateWithdrawn",
    "Completed",
    "FailoverEnded",
    "NotJudged",
    "Paused",
    "PlanAdopted",
    "PolicyViolation",
    "Promoted",
    "Recommended",
    "RequestAccepted",
    "RequestRefused",
    "Resumed",
    "ReturnsAtOnce",
    "RolloutQueued",
    "RolloutStarted",
    "SmokeTestPassed",
    "SmokeTestStarted",
    "StatusRebuilt",
    "StepPassed",
    "StepSkipped",
    "StepStarted",
    "Superseded",
    "TrafficDrift",
    "TrafficShifted",
}
_ALIKE = 0.8
_SORTED = sorted(KNOWN)
_LOOKED_UP = 8  # of one provider: each takes a tenth of a millisecond, which all tenants wait for


@functools.lru_cache(maxsize=1024)
def misspelt(events: frozenset[str]) -> str:
    """What to write instead, where an event is almost a known one; empty where none is."""
    unknown = itertools.islice((it for it in sorted(events) if it not in KNOWN), _LOOKED_UP)
    found = (
        f"{event} is no event: did you mean {near[0]}?"
        for event in unknown
        for near in [difflib.get_close_matches(event, _SORTED, n=1, cutoff=_ALIKE)]
        if near
    )
    return " ".join(found)
