"""How long a span is asked for at once: shorter where an answer was too large, or did not come."""

from __future__ import annotations

from tidegate.controller.analysis.fetch import MAX_SCRAPES, STANDARD_SCRAPES

_HALVINGS = (MAX_SCRAPES // STANDARD_SCRAPES).bit_length()


class Spans:
    """The span of each thing that is asked for, in scrapes. Everything starts with the longest."""

    def __init__(self) -> None:
        self._fitting: dict[str, int] = {}
        self._missed: dict[str, int] = {}

    def scrapes(self, what: str) -> int:
        """How much to ask for now."""
        fitting = self._fitting.get(what, MAX_SCRAPES)
        return min(fitting, max(STANDARD_SCRAPES, MAX_SCRAPES >> self._missed.get(what, 0)))

    def too_large(self, what: str, *, asked: int, least: int) -> bool:
        """An answer was too large; False where so many scrapes are the least that is of use."""
        fitting = max(STANDARD_SCRAPES, least, asked // 2)
        if fitting >= asked:
            return False
        self._fitting[what] = fitting
        return True

    def missed(self, what: str) -> None:
        """No answer came, perhaps because it would have been long: ask for less next time."""
        self._missed[what] = min(self._missed.get(what, 0) + 1, _HALVINGS)

    def answered(self, what: str) -> bool:
        """An answer came; whether more may be asked for now than it was asked for."""
        before = self.scrapes(what)
        self._missed[what] = max(0, self._missed.get(what, 0) - 1)
        return self.scrapes(what) > before
