"""IP addresses that nobody outside may make the operator call."""

from __future__ import annotations

import ipaddress


def special_address(address: str) -> str:
    """What is special about an address, as one word; empty for an ordinary one.

    Loopback and link-local are this machine and the metadata of a cloud. Errors: ValueError where it
    is no IP address.
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    special = {
        "loopback": found.is_loopback,
        "link-local": found.is_link_local,
        "multicast": found.is_multicast,
        "unspecified": found.is_unspecified,
    }
    return next((name for name, holds in special.items() if holds), "")
