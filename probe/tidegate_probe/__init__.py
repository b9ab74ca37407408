"""Counts what a model sees and says, in bins that its training fixed.

>>> monitor = Monitor(Profile.read("profile.json"))
>>> monitor.observe({"amount": 12.5, "country": "DE"}, {"score": 0.93})
"""

from tidegate_probe.monitor import Monitor
from tidegate_probe.profile import Profile, ProfileError

__all__ = ["Monitor", "Profile", "ProfileError", "__version__"]

__version__ = "0.1.0"
