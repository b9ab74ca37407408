"""What a model version is really worth; nobody but the world and the judge knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Mix = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the pods of a model version do. `wrong` says that a rollout of it must not succeed.

    No metric shows `misanswers`: whether such a version succeeds is a matter of the play.
    """

    error_ratio: float = 0.0
    slow_ratio: float = 0.0
    startup_seconds: float = 3.0
    starts: bool = True
    crashes: bool = False
    agreement: float = 1.0  # share of its answers that are those of stable
    hangs: bool = False  # it takes requests and never answers
    misanswers: bool = False  # only what server.probe asks
    loses_feature: str = ""  # its preprocessing makes all values of this feature missing
    mistakes: float = 0.1  # share of its predictions that are wrong, as labels tell
    other_edges: bool = False  # its profile was fitted anew, with other bins of amounts

    @property
    def wrong(self) -> bool:
        harms = self.error_ratio > 0.05 or self.slow_ratio > 0.2 or self.agreement < 0.9
        return harms or not self.starts or self.hangs

    def sees(self, mix: Mix) -> Mix:
        """What it makes of what users send: by feature the share of each bin."""
        found = dict(mix)
        if self.loses_feature in mix:
            shares = mix[self.loses_feature]
            found[self.loses_feature] = {label: float(label == "missing") for label in shares}
        if self.other_edges:
            found = {
                feature: {
                    f"{label}1" if label.isdigit() else label: it for label, it in own.items()
                }
                for feature, own in found.items()
            }
        return found
