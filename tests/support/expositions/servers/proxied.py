"""Envoy in front of the upstream."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

if __name__ == "__main__":
    with subprocess.Popen([sys.executable, str(HERE / "upstream.py")]):
        subprocess.run([sys.argv[1], "-c", str(HERE / "envoy.json"), "--base-id", "77"], check=True)
