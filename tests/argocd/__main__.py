"""`python -m tests.argocd`: install and build what its tests need, so that no test waits for it."""

from __future__ import annotations

import sys

from tests.argocd import program
from tests.cluster import failures, lock
from tests.cluster.progress import Progress


def main() -> int:
    """0 when all is there, 1 with one clear message otherwise."""
    try:
        program.prepare(Progress())
    except (failures.PartFailed, lock.LockHeld) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on where it was.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
