"""The simulation. Its processes play many runs, so their data classes are light."""

from tests.sim import light

light.install()
