"""A port of the loopback address that nobody uses at the moment."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
