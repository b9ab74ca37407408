"""When rollouts may go forward, and when that changes."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from policy_examples import policy

from tidegate import model
from tidegate.api import policies
from tidegate.policy.windows import freeze

WEEKEND = {"name": "weekend", "schedule": "0 18 * * FRI", "duration": "62h"}
YEAR_END = {"name": "year-end", "from": "2026-12-18T00:00:00Z", "to": "2027-01-04T00:00:00Z"}
OFFICE = {
    "name": "office",
    "kind": "Allow",
    "days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
    "hours": {"from": "09:00", "to": "17:00"},
    "timeZone": "Europe/Berlin",
}
NIGHT = {"name": "night", "hours": {"from": "22:00", "to": "06:00"}}


def read(*windows: dict[str, object], name: str = "p") -> model.Policy:
    found, problems = policies.read_policy(policy({"freezeWindows": list(windows)}, name=name))
    assert problems == ()
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("windows", "now", "closed", "changes"),
    [
        ([WEEKEND], "2026-11-20T17:59Z", "", "2026-11-20T18:00Z"),
        ([WEEKEND], "2026-11-20T18:00Z", "weekend", "2026-11-23T08:00Z"),
        ([WEEKEND], "2026-11-23T07:59:59Z", "weekend", "2026-11-23T08:00Z"),
        ([WEEKEND], "2026-11-23T08:00Z", "", "2026-11-27T18:00Z"),
        ([YEAR_END], "2026-12-17T23:59:59Z", "", "2026-12-18T00:00Z"),
        ([YEAR_END], "2026-12-18T00:00Z", "year-end", "2027-01-04T00:00Z"),
        ([YEAR_END], "2027-01-04T00:00Z", "", None),
        ([OFFICE], "2026-11-20T15:59Z", "", "2026-11-20T16:00Z"),
        ([OFFICE], "2026-11-20T16:00Z", "outside of office", "2026-11-23T08:00Z"),
        ([NIGHT], "2026-11-20T23:00Z", "night", "2026-11-21T06:00Z"),
        ([NIGHT], "2026-11-21T05:59Z", "night", "2026-11-21T06:00Z"),
        ([NIGHT], "2026-11-21T06:00Z", "", "2026-11-21T22:00Z"),
        # Two that overlap are closed until the later one ends.
        ([WEEKEND, YEAR_END], "2026-12-18T19:00Z", "weekend", "2027-01-04T08:00Z"),
        # Allowed and denied at once is closed.
        ([OFFICE, YEAR_END], "2026-12-18T10:00Z", "year-end", "2027-01-04T08:00Z"),
        # Either of two allowed times will do.
        ([OFFICE, NIGHT | {"kind": "Allow"}], "2026-11-20T23:00Z", "", "2026-11-21T06:00Z"),
        ([], "2026-11-20T23:00Z", "", None),
    ],
)
def test_closed_or_open_and_until_when(
    windows: list[dict[str, object]], now: str, closed: str, changes: str | None
) -> None:
    found = freeze([read(*windows)], at(now))
    assert bool(found.closed_by) is bool(closed)
    assert closed in found.closed_by
    assert found.changes_at == (None if changes is None else at(changes))


def test_every_policy_with_allowed_times_must_be_met() -> None:
    one, other = read(OFFICE, name="a"), read(NIGHT | {"kind": "Allow"}, name="b")
    found = freeze([one, other], at("2026-11-20T12:00Z"))
    assert found.closed_by == "RolloutPolicy/b (outside of night)"
    assert found.changes_at is None, "the two have no minute in common"


@pytest.mark.parametrize(
    ("in_flight", "holds"), [(["Hold"], True), (["Continue"], False), (["Continue", "Hold"], True)]
)
def test_the_strictest_decides_on_what_has_begun(in_flight: list[str], *, holds: bool) -> None:
    windows = [YEAR_END | {"name": f"w{it.lower()}", "inFlight": it} for it in in_flight]
    assert freeze([read(*windows)], at("2026-12-24T00:00Z")).holds_begun is holds
    each = [read(it) for it in windows]
    assert freeze(each, at("2026-12-24T00:00Z")).holds_begun is holds


ALL = (WEEKEND, YEAR_END, OFFICE, NIGHT, NIGHT | {"kind": "Allow", "name": "nights"})


@example(chosen=[0, 4, 3], minutes=72360, part=0.0)  # two begin at once, where the search ends
@given(
    chosen=st.lists(st.sampled_from(range(len(ALL))), min_size=1, max_size=3, unique=True),
    minutes=st.integers(0, 60 * 24 * 60),
    part=st.floats(0, 0.999),
)
def test_nothing_changes_before_it_is_said_to(chosen: list[int], minutes: int, part: float) -> None:
    owners = [read(ALL[it], name=f"p{it}") for it in chosen]
    now = at("2026-11-20T00:00Z") + timedelta(minutes=minutes)
    found = freeze(owners, now)
    if found.changes_at is None:
        return
    between = now + (found.changes_at - now) * part
    assert bool(freeze(owners, between).closed_by) is bool(found.closed_by)
    assert bool(freeze(owners, found.changes_at).closed_by) is not bool(found.closed_by)


ABSURD = [
    [("* * * * *", "1m")],
    [("*/2 * * * *", "1m")],
    [("*/2 * * * *", "1m"), ("1-59/2 * * * *", "1m")],
    [("* 8-17 * * MON-FRI", "1m")],
    [("* * * * MON-FRI", "72h")],
    [("0 0 * * *", "24h")],
    [("0 0 29 2 *", "1m")],
    [("0 0 29 2 *", "2160h")],
    [("0 0 29 2 */7", "1h")],
]
ZONE_NAMES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe")


@pytest.mark.parametrize("lines", ABSURD, ids=lambda it: " and ".join(line for line, _ in it))
@pytest.mark.parametrize("kind", ["Deny", "Allow"])
def test_as_many_windows_as_there_may_be_stop_nobody(
    lines: list[tuple[str, str]], kind: str
) -> None:
    """What is counted are calls: an hour that begins every minute must not keep the event loop."""
    windows = [
        {
            "name": f"w{number}",
            "kind": kind,
            "schedule": lines[number % len(lines)][0],
            "duration": lines[number % len(lines)][1],
            "timeZone": ZONE_NAMES[number % len(ZONE_NAMES)],
        }
        for number in range(32)
    ]
    owner, calls = read(*windows), 0

    def counts(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(counts)
    try:
        freeze([owner], at("2026-11-20T12:00Z"))
    finally:
        sys.setprofile(before)
    assert calls < 60_000


@pytest.mark.parametrize(
    ("line", "lasts", "now", "closed", "changes"),
    [
        ("* 8-17 * * MON-FRI", "1m", "2026-11-20T12:00Z", True, "2026-11-20T18:00Z"),
        ("* 8-17 * * MON-FRI", "1m", "2026-11-20T18:00Z", False, "2026-11-23T08:00Z"),
        ("*/2 * * * *", "1m", "2026-11-20T12:01Z", False, "2026-11-20T12:02Z"),
        ("*/2 * * * *", "90s", "2026-11-20T12:00Z", True, "2026-11-20T12:01:30Z"),
        ("*/2 * * * *", "2m", "2026-11-20T12:00Z", True, None),
        ("* * * * *", "1m", "2026-11-20T12:00Z", True, None),
        ("0 0 * * *", "24h", "2026-11-20T12:00Z", True, None),
        ("0 0 * * MON-FRI", "24h", "2026-11-20T12:00Z", True, "2026-11-21T00:00Z"),
        ("0 0 * * MON-FRI", "36h", "2026-11-18T12:00Z", True, "2026-11-21T12:00Z"),
        ("0 0 1 * *", "2160h", "2026-11-20T12:00Z", True, None),
        # 29 February 2032 is the next one that is a Sunday.
        ("0 0 29 2 */7", "1h", "2026-11-20T12:00Z", False, "2032-02-29T00:00Z"),
        ("0 0 */31 2 TUE", "1h", "2011-02-02T00:00Z", False, "2022-02-01T00:00Z"),
    ],
)
def test_what_begins_again_before_it_ends_is_one(
    line: str, lasts: str, now: str, *, closed: bool, changes: str | None
) -> None:
    found = freeze([read({"name": "w", "schedule": line, "duration": lasts})], at(now))
    assert bool(found.closed_by) is closed
    assert found.changes_at == (None if changes is None else at(changes))


def test_hours_of_every_day_without_a_gap_never_end() -> None:
    always = {"name": "always", "hours": {"from": "00:00", "to": "00:00"}}
    found = freeze([read(always)], at("2026-11-20T12:00Z"))
    assert (found.closed_by, found.changes_at) == ("RolloutPolicy/p (always)", None)


MINUTE = timedelta(minutes=1)
RECURRING = st.lists(
    st.tuples(
        st.sampled_from(
            ["* 8-9 * * *", "*/7 1-4 * * *", "0 0 * * SUN", "30 2 * * *", "0 */5 * * *"]
        ),
        st.sampled_from(["1m", "7m", "45m", "26h", "49h"]),
        st.sampled_from(ZONE_NAMES),
        st.sampled_from(["Deny", "Allow"]),
    ),
    min_size=1,
    max_size=3,
)


@given(windows=RECURRING, begins=st.sampled_from(["2026-03-28", "2026-10-24", "2026-11-20"]))
@settings(max_examples=8)
def test_it_is_closed_in_the_minutes_that_the_lines_name(
    windows: list[tuple[str, str, str, str]], begins: str
) -> None:
    """Against every minute of two days by itself, also where clocks are changed."""
    owner = read(
        *(
            {"name": f"w{n}", "schedule": line, "duration": lasts, "timeZone": zone, "kind": kind}
            for n, (line, lasts, zone, kind) in enumerate(windows)
        )
    )
    first = at(f"{begins}T00:00Z")
    known = [_begun(window, first) for window in owner.windows]
    instants = [first + it * MINUTE for it in range(2 * 24 * 60)]
    states = [_is_closed(owner, known, it) for it in range(len(instants))]
    for number in range(0, len(instants), 151):
        found = freeze([owner], instants[number])
        assert bool(found.closed_by) is states[number]
        later = (it for it in range(number, len(states)) if states[it] is not states[number])
        if (change := next(later, None)) is not None:
            assert found.changes_at == instants[change]


def _begun(window: model.Window, first: datetime) -> set[int]:
    """All minutes from `first` on that the window covers, one beginning after the other."""
    assert isinstance(window.when, model.Recurring)
    when, covered = window.when, set[int]()
    for day in range(-4, 4):
        local = (first + timedelta(days=day)).date()
        for hour in when.cron.hours:
            for minute in when.cron.minutes:
                naive = datetime(local.year, local.month, local.day, hour, minute, tzinfo=when.zone)
                if local.isoweekday() % 7 in when.cron.weekdays:
                    since = int((naive.astimezone(UTC) - first) / MINUTE)
                    covered |= set(range(since, since + int(when.seconds // 60)))
    return covered


def _is_closed(owner: model.Policy, known: list[set[int]], minute: int) -> bool:
    covering = [minute in it for it in known]
    kinds = [it.kind for it in owner.windows]
    pairs = list(zip(kinds, covering, strict=True))
    allowed = [covers for kind, covers in pairs if kind is model.WindowKind.ALLOW]
    denied = any(covers for kind, covers in pairs if kind is model.WindowKind.DENY)
    return denied or (bool(allowed) and not any(allowed))
