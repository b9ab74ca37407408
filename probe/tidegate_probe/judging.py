"""What one output says: a calibrated score, and the prediction that a label will judge."""

from __future__ import annotations

import math

from tidegate_probe.bins import MISSING, OTHER, category_text, plain
from tidegate_probe.profile import Profile

Prediction = bool | str  # whether positive, for a binary model; else the class
_LONGEST_CLASS = 256  # characters: it is kept until its label comes


class Judge:
    """Reads the output that carries the prediction.

    That is the one that `positive` of the profile names, or else the only one with categories.
    `output` is its name, None where there is no such output.
    """

    def __init__(self, profile: Profile) -> None:
        positive = profile.positive
        classes = [name for name, field in profile.outputs.items() if field.bins.kind != "numeric"]
        self.binary = positive is not None
        self.output = positive.output if positive else classes[0] if len(classes) == 1 else None
        self._threshold = positive.threshold if positive else None
        self._category = positive.category if positive else None

    @property
    def scores(self) -> bool:
        """Whether the output is a score."""
        return self._threshold is not None

    def score(self, value: object) -> float | None:
        """The chance of the positive class, from 0 to 1; None for anything else."""
        number = self._number(value)
        return number if number is not None and 0 <= number <= 1 else None

    def side(self, score: float) -> int:
        """1 for a score that is predicted positive, else 0."""
        return int(self._threshold is not None and score >= self._threshold)

    def prediction(self, value: object) -> Prediction | None:
        """What was predicted; None where the output says nothing."""
        if self._threshold is not None:
            number = self._number(value)
            return None if number is None else number >= self._threshold
        text = category_text(value)
        if text in ("", MISSING, OTHER) or len(text) > _LONGEST_CLASS:
            return None
        return text if self._category is None else text == self._category

    def truth(self, label: object) -> Prediction:
        """What should have been predicted.

        Errors: ValueError for a label that says nothing, or is neither 0 nor 1 nor a truth value
                where the prediction was a score.
        """
        text = category_text(label)
        if text in ("", MISSING, OTHER):
            raise ValueError("the label says nothing")
        if not self.binary:
            return text
        if isinstance(label, bool):
            return label
        if self._category is not None:
            return text == self._category
        if text not in ("0", "1", "true", "false"):
            raise ValueError("the label of a binary model is 0 or 1, or a truth value")
        return text in ("1", "true")

    def _number(self, value: object) -> float | None:
        number = plain(value)
        if self._threshold is None or not isinstance(number, (int, float)):
            return None
        return number if -math.inf < number < math.inf else None
