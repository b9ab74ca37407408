"""What a controller costs.

The operator is imported before the simulation, which would take the guards off its data classes:
what is measured here runs as it runs in a cluster.
"""

import tidegate.cli.shell  # noqa: F401
