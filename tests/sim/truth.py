"""What a model version is really worth; nobody but the world and the judge knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the pods of a model version do. `wrong` says that a rollout of it must not succeed."""

    error_ratio: float = 0.0
    slow_ratio: float = 0.0
    startup_seconds: float = 3.0
    starts: bool = True
    crashes: bool = False
    hangs: bool = False  # it takes requests and never answers

    @property
    def wrong(self) -> bool:
        return self.error_ratio > 0.05 or self.slow_ratio > 0.2 or not self.starts or self.hangs
