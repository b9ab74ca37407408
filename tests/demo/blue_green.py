"""The blue-green act: one write moves all users, and one moves them back."""

from __future__ import annotations

from tests.demo import exposure, promises
from tests.demo.acting import REST_LIMIT_SECONDS, ROLLOUT_LIMIT_SECONDS, Acting, rejected
from tests.demo.promises import Span
from tests.demo.side_by_side import Waits
from tests.demo.view import View

_BAKE_SECONDS = 6.0


def play(act: Acting) -> Waits[None]:
    """v2 serves, then v5 for a while, then v2 again."""
    yield from act.open_with("v2", "the good model serves, in a deployment of its own")
    act.apply("v5", "as good as v2: one write gives it all users, and v2 stays warm for a while")
    began = act.now()
    seen = yield from act.follow("v5", until=_bakes, limit_seconds=ROLLOUT_LIMIT_SECONDS)
    yield from act.quiet(_BAKE_SECONDS)
    asked_at = act.now()
    revision = seen.candidate_revision if seen is not None else ""
    act.ask("abort", version="v5", revision=revision, why="somebody changes their mind")
    yield from act.follow("v5", until=rejected("v5"), limit_seconds=REST_LIMIT_SECONDS)
    yield from act.quiet()
    users, until = act.users(), act.now()
    span = Span(start=began, end=asked_at)
    act.promise(
        exposure.switched_at_once(users, span=span, old="v2", new="v5"),
        exposure.returned_at_once(users, asked_at=asked_at, until=until, new="v5"),
    )
    if act.real:
        act.promise(promises.every_request_counted(users))


def _bakes(view: View) -> bool:
    return view.phase == "Baking"
