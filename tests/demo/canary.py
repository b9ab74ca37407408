"""The canary act: a good version is promoted, a bad one rolled back and not tried again."""

from __future__ import annotations

from tests.demo import promises
from tests.demo.acting import (
    REST_LIMIT_SECONDS,
    ROLLOUT_LIMIT_SECONDS,
    Acting,
    rejected,
    served,
)
from tests.demo.promises import Promise, Span, StepSpan
from tests.demo.side_by_side import Waits
from tests.demo.users import Users

_EXPOSURE_LIMIT_SECONDS = 60.0
_AGAIN_SECONDS = 10.0


def play(act: Acting) -> Waits[None]:
    """v1, then v2, v3, v2 and v3 again."""
    opening = yield from act.open_with(
        "v1", "the first version: there is nothing to compare it with"
    )
    act.promise(*opening)
    yield from act.quiet()
    good = yield from _good_version(act)
    bad_since = act.now()
    yield from _bad_version(act)
    yield from _bad_version_again(act)
    users, bad = act.users(), Span(start=bad_since, end=act.now())
    act.promise(*_of_users(act, users=users, good=good, bad=bad))
    if act.real:
        act.promise(*_of_real_users(act, users=users))


def _good_version(act: Acting) -> Waits[Span]:
    act.apply("v2", "a better model: it has to earn its traffic step by step")
    began = act.now()
    seen = yield from act.follow("v2", until=served("v2"), limit_seconds=ROLLOUT_LIMIT_SECONDS)
    act.promise(promises.promoted(seen, version="v2", seconds=act.now() - began))
    return Span(start=began, end=act.now())


def _bad_version(act: Acting) -> Waits[None]:
    """It is applied at once: that the pods of v1 drain meanwhile must hurt nobody either."""
    act.apply("v3", "a broken model: a quarter of its answers are errors, half are slow")
    seen = yield from act.follow("v3", until=rejected("v3"), limit_seconds=ROLLOUT_LIMIT_SECONDS)
    act.promise(promises.rolled_back(seen, version="v3", stable="v2"))


def _bad_version_again(act: Acting) -> Waits[None]:
    """While the pods of v3 drain: no new one may start."""
    act.apply("v2", "back to what is served: nothing to do")
    yield from act.follow("v2", until=served("v2"), limit_seconds=REST_LIMIT_SECONDS)
    known = act.model.pods(version="v3")
    act.apply("v3", "the broken model again: it stays rejected until somebody asks to retry")
    began = act.now()
    yield from act.follow("v3", until=rejected("v3"), limit_seconds=REST_LIMIT_SECONDS)
    pods = yield from act.pods_until_none_is_left(version="v3", least_seconds=_AGAIN_SECONDS)
    act.promise(
        promises.stays_rejected(
            act.model.views,
            span=Span(start=began, end=act.now()),
            version="v3",
            new_pods=sorted(pods - set(known)),
            users=act.model.users(since=began),
        )
    )


def _of_users(act: Acting, *, users: Users, good: Span, bad: Span) -> list[Promise]:
    """What can be said only when both rollouts are over."""
    views = act.model.views
    planned = next((view.steps for view in views if view.candidate == "v2" and view.steps), ())
    exposed = promises.time_with_weight(views, version="v3")
    ended = exposed.end if exposed else bad.start
    return [
        promises.all_steps_walked(_walked(act), planned=planned),
        promises.nothing_failed(users, span=good, during="during the promotion"),
        promises.rolled_back_in_time(exposed, limit_seconds=_EXPOSURE_LIMIT_SECONDS),
        promises.only_the_bad_version_failed(users, span=bad, version="v3", exposed=exposed),
        promises.traffic_ended(users, version="v3", after=ended, until=bad.end),
    ]


def _of_real_users(act: Acting, *, users: Users) -> list[Promise]:
    """What a played data plane and a played model cannot break."""
    return [
        *(promises.split_is_honest(users, step=step) for step in _walked(act)),
        promises.better_answers(users, old="v1", new="v2"),
        promises.every_request_counted(users),
    ]


def _walked(act: Acting) -> list[StepSpan]:
    return promises.steps_walked(act.model.views, version="v2")
