from __future__ import annotations

from hypothesis import settings

# Machines are shared and slow at times; how long an example takes says nothing about the code.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
