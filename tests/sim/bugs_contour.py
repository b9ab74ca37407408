"""Bugs of the HTTPProxy: what stands among its Services, and what Contour says of it."""

from __future__ import annotations

from tests.sim.bug import Bug

CONTOUR = (
    Bug(
        name="an HTTPProxy without weights",
        file="traffic/planes/contour.py",
        old='"port": objects.REVISION_SERVICE_PORT, "weight": weight}',
        new='"port": objects.REVISION_SERVICE_PORT}',
        plays=("promotion HTTPProxy",),
    ),
    Bug(
        name="a mirror among the Services answers users",
        file="traffic/planes/contour.py",
        old='        if objects.at(it, "mirror") is not True\n',
        new="",
        plays=("shadow_then_canary HTTPProxy",),
    ),
    Bug(
        name="an orphan is in force",
        file="traffic/planes/contour.py",
        old='        if valid.get("status") == "True":\n',
        new="        if valid:\n",
        plays=("part_of_a_root", "root_goes_in_a_step"),
    ),
    Bug(
        name="what Contour said of an older generation counts",
        file="traffic/planes/contour.py",
        old='objects.whole(valid.get("observedGeneration"), default=-1) < generation',
        new='objects.whole(valid.get("observedGeneration"), default=-1) < 0',
        plays=("shrinks_late HTTPProxy",),
    ),
    Bug(
        name="settings of the HTTPProxy are not looked after",
        file="traffic/planes/contour.py",
        old="    return {**whole, _BY_HEADER: by_header,",
        new="    return {_BY_HEADER: by_header,",
        plays=("host_and_timeouts_edited",),
    ),
)
