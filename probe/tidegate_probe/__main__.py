"""`python -m tidegate_probe` is `tidegate-profile`."""

import sys

from tidegate_probe.command import main

sys.exit(main())
