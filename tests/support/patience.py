"""Times for tests with real servers: that the machine is busy is no failure of what they test."""

from __future__ import annotations

from tidegate.settings import LeaderElectionSettings

REQUEST_SECONDS = 120.0
PATIENT_ELECTION = LeaderElectionSettings(
    namespace="default", lease_duration_seconds=600, renew_deadline_seconds=400
)
