"""Ports of the loopback address for servers that are about to start."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

# Below those of outgoing connections, one of which could take the port before its server does, and
# after a stop. Each process begins elsewhere and goes on from there: what it has given out before
# may not be listening yet.
_FIRST, _COUNT = 20_000, 12_000
_APART = 401  # no divisor of the count: neighbours among processes begin far from each other
_places = itertools.count(os.getpid() * _APART)


def free_port() -> int:
    """A TCP port that nobody uses, another one at each call; OSError when all are taken."""
    for place in itertools.islice(_places, _COUNT):
        port = _FIRST + place % _COUNT
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no free port from {_FIRST} on")
