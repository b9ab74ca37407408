"""The shadow act: versions that are quick, without errors and wrong are caught before users see them."""

from __future__ import annotations

from tests.demo import exposure, promises
from tests.demo.acting import ROLLOUT_LIMIT_SECONDS, Acting, rejected
from tests.demo.promises import Span
from tests.demo.side_by_side import Waits
from tests.demo.view import View
from tests.images.mlserver.cells import features_of
from tests.images.mlserver.faults import LOST_ROWS

_AGREEMENT = "response-agreement"
_INPUTS = "inputs"
_LOST = [feature for row in LOST_ROWS for feature in features_of(row)]


def play(act: Acting) -> Waits[None]:
    """v2 serves, v4 gets copies, and then v6."""
    yield from act.open_with("v2", "the good model serves, in a deployment of its own")
    yield from _wrong_model(act)
    yield from _wrong_preprocessing(act)
    if act.real:
        act.promise(
            exposure.copied_share(act.model.views, version="v4", metric="error-ratio"),
            promises.every_request_counted(act.users()),
        )


def _wrong_model(act: Acting) -> Waits[None]:
    why = "quick, without errors, often wrong: it gets copies and answers nobody"
    seen, span = yield from _shadowed(act, "v4", why=why)
    act.promise(
        exposure.rejected_for_what_it_says(seen, version="v4", metric=_AGREEMENT),
        exposure.answered_nobody(act.users(), span=span, version="v4"),
    )


def _wrong_preprocessing(act: Acting) -> Waits[None]:
    why = "the good model, but its preprocessing loses the lowest quarter of each image"
    seen, span = yield from _shadowed(act, "v6", why=why)
    act.promise(
        exposure.rejected_for_what_it_is_fed(
            seen, version="v6", metric=_INPUTS, lost=_LOST, also=_AGREEMENT
        ),
        exposure.answered_nobody(act.users(), span=span, version="v6"),
    )


def _shadowed(act: Acting, version: str, *, why: str) -> Waits[tuple[View | None, Span]]:
    """It gets copies until it is rejected; the last look, and when that was."""
    act.apply(version, why)
    began = act.now()
    seen = yield from act.follow(
        version, until=rejected(version), limit_seconds=ROLLOUT_LIMIT_SECONDS
    )
    yield from act.quiet()
    return seen, Span(start=began, end=act.now())
