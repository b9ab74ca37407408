"""Snapshots at rest: an object that nobody looks at is kept as compressed JSON.

Of thousands of objects few are looked at in a minute. As Python's containers one takes ten times
what its text takes packed, and the texts of a kind say mostly the same: the first that is packed is
the dictionary of all that follow (RFC 1950, 2.2: DICTID). It is packed without one itself.
"""

from __future__ import annotations

import json
import zlib

from tidegate import ports

_LONGEST_DICTIONARY = 32 * 1024  # bytes; zlib looks no further back


class Packer:
    """Packs documents, with one dictionary for each kind."""

    def __init__(self) -> None:
        self._dictionaries: dict[ports.Kind, bytes] = {}

    def pack(self, kind: ports.Kind, document: ports.Object) -> tuple[bytes, bytes] | None:
        """What `unpacked` takes: the document in few bytes, and the dictionary that it needs.

        None for what is no JSON or nested too deeply for it.
        """
        try:
            text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        except (RecursionError, TypeError, ValueError):
            return None
        dictionary = self._dictionaries.get(kind, b"")
        self._dictionaries.setdefault(kind, text[-_LONGEST_DICTIONARY:])
        packer = zlib.compressobj(zdict=dictionary)
        return packer.compress(text) + packer.flush(), dictionary


def unpacked(data: bytes, dictionary: bytes) -> ports.Object:
    """The document anew: equal to the one that was packed, and no part of it is the same."""
    text = zlib.decompressobj(zdict=dictionary).decompress(data)
    document: ports.Object = json.loads(text)
    return document
