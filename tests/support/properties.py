"""Which examples the properties are tried on: the same ones at each run, or new ones.

`fixed` is what gates a landing (CI=true): the examples follow from the property's own text, so the
same code gets the same answer. `explore` draws anew. `--hypothesis-profile` goes before both.
"""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

FIXED = "fixed"
EXPLORE = "explore"


def chosen(environment: Mapping[str, str]) -> str:
    """The name of the profile for a run in this environment."""
    return FIXED if environment.get("CI") == "true" else EXPLORE


def register() -> None:
    """Make both profiles known to hypothesis; none is loaded yet."""
    # Properties are judged by their outcome, not by the speed of a busy machine. What hypothesis
    # has found out about CI by itself is left aside: the profile says it all.
    settings.register_profile(
        EXPLORE,
        settings.get_profile("default"),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )
    settings.register_profile(FIXED, settings.get_profile(EXPLORE), derandomize=True, database=None)


def draw_apart_from_other_code() -> None:
    """With fixed examples, leave out the constants that hypothesis collects from loaded modules.

    One draw in twenty would be such a constant: which ones there are depends on what other tests of
    the same process have imported, and on any line of code elsewhere.
    """
    if settings.default is not None and settings.default.derandomize:
        providers._get_local_constants = Constants
