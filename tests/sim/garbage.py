"""The garbage collector, for processes that play: most of what it walks would stay for ever."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Containers made and not yet freed; a play frees nearly all of its own by counting references.
NEW_OBJECTS = 200_000


def settle() -> None:
    """Look for garbage seldom, and never again among what is there by now: modules and their parts."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


@contextmanager
def settled() -> Iterator[None]:
    """The same for a while, in a process that goes on to something else."""
    before = gc.get_threshold()
    settle()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
