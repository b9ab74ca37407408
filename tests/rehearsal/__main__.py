"""`python -m tests.rehearsal`: the story of the demo in seconds, without a cluster."""

from __future__ import annotations

import sys

from tests.demo import timeline
from tests.rehearsal import show


def main() -> int:
    """0 when every promise was kept."""
    console = timeline.make_console()
    try:
        kept = show.play(console)
    except KeyboardInterrupt:
        return 130
    console.print(
        "A real cluster also shows how the Gateway splits, how the models answer, and that no "
        "request is lost: make demo"
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
