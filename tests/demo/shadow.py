"""The shadow act: a version that is quick, without errors and wrong is caught before users see it."""

from __future__ import annotations

from tests.demo import exposure, promises
from tests.demo.acting import ROLLOUT_LIMIT_SECONDS, Acting, rejected
from tests.demo.promises import Span
from tests.demo.side_by_side import Waits

_AGREEMENT = "response-agreement"


def play(act: Acting) -> Waits[None]:
    """v2 serves, v4 gets copies."""
    yield from act.open_with("v2", "the good model serves, in a deployment of its own")
    act.apply("v4", "quick, without errors, often wrong: it gets copies and answers nobody")
    began = act.now()
    seen = yield from act.follow("v4", until=rejected("v4"), limit_seconds=ROLLOUT_LIMIT_SECONDS)
    yield from act.quiet()
    users, span = act.users(), Span(start=began, end=act.now())
    act.promise(
        exposure.rejected_for_what_it_says(seen, version="v4", metric=_AGREEMENT),
        exposure.answered_nobody(users, span=span, version="v4"),
    )
    if act.real:
        act.promise(
            exposure.copied_share(act.model.views, version="v4", metric="error-ratio"),
            promises.every_request_counted(users),
        )
