"""What waits for one receiver: bounded, in order, and each piece of news once for a while."""

from __future__ import annotations

from collections import OrderedDict, deque

from tidegate.controller.notify.news import News

CAPACITY = 64
REMEMBERED = 256
SAME_NEWS_SECONDS = 600.0


class Outbox:
    """The news that one receiver is still to be told. Instants are seconds of one monotonic clock.

    Where too many wait, the oldest of what matters least is left out.
    """

    def __init__(self) -> None:
        self._waiting: deque[News] = deque()
        self._taken: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, news: News, *, now: float) -> News | None:
        """Take it, unless it was taken a while ago; returns what is left out for it, perhaps itself."""
        taken = self._taken.get(news.told)
        if taken is not None and now - taken < SAME_NEWS_SECONDS:
            return None
        self._remember(news, now)
        self._waiting.append(news)
        if len(self._waiting) <= CAPACITY:
            return None
        least = min(self._waiting, key=lambda it: it.severity.rank)
        self._waiting.remove(least)
        self._taken.pop(least.told, None)
        return least

    def pop(self) -> News | None:
        """The next one, which waits no more; None where nothing waits."""
        return self._waiting.popleft() if self._waiting else None

    def clear(self) -> None:
        """Nobody waits for any of it any more."""
        self._waiting.clear()

    def _remember(self, news: News, now: float) -> None:
        self._taken[news.told] = now
        self._taken.move_to_end(news.told)
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
