"""How far apart samples really are: rows, and all waits, go by the arm that is scraped less often.

A source says one interval, but each version may be scraped by a rule of its own.
Source: ADR 0083.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tidegate.controller.analysis.setting import Setting
from tidegate.evidence.counts import scrapes
from tidegate.evidence.counts.readings import DIFFERS
from tidegate.evidence.terms import Series

LONGEST_SECONDS = 300.0  # what is older is no present value to Prometheus either
_LEAST_GAPS = 2  # of one series: a scrape that was lost makes one


def respaced(setting: Setting, found: Mapping[str, Sequence[Series]]) -> Setting:
    """The setting as the series of these metrics show it; the same one where they show nothing new.

    What was seen once stays: rows that change their length again and again would never be counted.
    """
    seen = dict(setting.seen)
    arms = {setting.identity.candidate, setting.identity.stable}
    for name, series in found.items():
        source = setting.templates[name].source
        known = seen.get(source, setting.scrapes[source])
        apart = scrapes.spacings(
            (one for one in series if one.labels.get("revision") in arms), least=_LEAST_GAPS
        )
        slowest = float(round(max(apart.values(), default=0.0)))
        if DIFFERS * known < slowest <= LONGEST_SECONDS:
            seen[source] = slowest
    return setting if seen == setting.seen else replace(setting, seen=seen)
