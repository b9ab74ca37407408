"""Bugs of the VirtualServer: what NGINX refuses as a whole, and what is read of its answer."""

from __future__ import annotations

from tests.sim.bug import Bug

NGINX = (
    Bug(
        name="a VirtualServer splits among one",
        file="traffic/planes/nginx.py",
        old="if len(move.backends) > 1 else",
        new="if move.backends else",
        plays=("promotion VirtualServer",),
    ),
    Bug(
        name="weights of a VirtualServer in tenths of a percent",
        file="traffic/planes/nginx.py",
        old="_ALL = 100  #",
        new="_ALL = 1000  #",
        plays=("promotion VirtualServer",),
    ),
    Bug(
        name="who leaves a VirtualServer is an upstream no more",
        file="traffic/planes/nginx.py",
        old='"upstreams": [_upstream(it, asked) for it in move.backends],',
        new='"upstreams": [_upstream(it, asked) for it in move.backends if it.weight],',
        plays=("promotion VirtualServer",),
    ),
    Bug(
        name="a VirtualServer that nobody has is taken for in force",
        file="traffic/planes/nginx.py",
        old="        if not state:\n",
        new="        if False:\n",
        plays=("nobody_has_it",),
    ),
    Bug(
        name="a host that is taken is a mere warning",
        file="traffic/planes/nginx.py",
        old="if state != _INVALID and not reason.startswith(_REJECTED):",
        new="if state != _INVALID:",
        plays=("its_host_is_taken",),
    ),
    Bug(
        name="testers of a VirtualServer are forgotten",
        file="traffic/planes/nginx.py",
        old='**({"matches": matches} if matches else {})',
        new="**{}",
        plays=("testers_first VirtualServer",),
    ),
)
