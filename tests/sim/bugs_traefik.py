"""Bugs of the TraefikService: shares and copies, of which it has one at a time."""

from __future__ import annotations

from tests.sim.bug import Bug

TRAEFIK = (
    Bug(
        name="a TraefikService without weights",
        file="traffic/planes/traefik.py",
        old='{**_to(it.service), "weight": it.weight}',
        new="_to(it.service)",
        plays=("promotion TraefikService",),
    ),
    Bug(
        name="a TraefikService is asked for copies beside a share",
        file="traffic/planes/traefik.py",
        old="mirror=Mirror.WHOLE_PERCENT, mirror_beside_share=False",
        new="mirror=Mirror.WHOLE_PERCENT",
        plays=("copies_beside_a_share",),
    ),
)
