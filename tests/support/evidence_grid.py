"""A grid with its first weight, shared by the tests that cut time and that count in it."""

from tidegate.evidence.counts.grid import LATE_SECONDS, Grid, WeightChange

SCRAPE = 10.0
GRID = Grid(
    interval_seconds=5.0,
    scrape_interval_seconds=SCRAPE,
    settle_seconds=30.0,
    cold_start_seconds=60.0,
    first_traffic_at=1000.0,
)
FIRST = WeightChange(at=1000.0, step=0, weight=0.1)
LATE = SCRAPE + LATE_SECONDS
