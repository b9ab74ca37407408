"""A server of several processes: the client library adds up what each has counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from probe_examples import fraud, reading, readings
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

PROBE = Path(__file__).parents[3] / "probe"
WORKER = """
import sys
sys.path.insert(0, sys.argv[2])
from tidegate_probe import Monitor, Profile
monitor = Monitor(Profile.read(sys.argv[1]))
for number in range(3):
    monitor.observe({"amount": 1, "country": "DE"}, {"score": 0.7}, prediction_id=str(number))
monitor.label("0", 1)
"""


def test_counts_of_all_processes_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile, shared = tmp_path / "profile.json", tmp_path / "shared"
    fraud().write(profile)
    shared.mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(shared))
    for _ in range(2):
        command = [sys.executable, "-c", WORKER, str(profile), str(PROBE)]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONWARNINGS": "error"})
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    assert reading(registry, "predictions_total") == 6
    assert readings(registry, "feature_observations_total") == {"2/amount": 6, "DE/country": 6}
    assert sum(readings(registry, "labelled_total").values()) == 2
    assert list(readings(registry, "profile_info").values()) == [1]
