"""Rules of a synthetic inference, and of a first version that has to answer it."""

from __future__ import annotations

from api_case import Case
from api_examples import SMALLEST, place

_PROBE = "spec.server.probe"
_ASKED = place(SMALLEST, _PROBE, {"path": "/infer"})
_VALUE = {"pointer": "/score"}


def _header(name: str) -> dict[str, str]:
    return {"name": name, "value": "1"}


PROBE_RULES = (
    Case(
        rule="V60",
        body=place(_ASKED, f"{_PROBE}.expect.values", [_VALUE]),
        at=f"{_PROBE}.expect.values[0]",
        good=(_VALUE, {**_VALUE, "min": 0.5}, {**_VALUE, "min": 1, "max": 1}),
        bad=({**_VALUE, "min": 1, "max": 0.5},),
        blames=f"{_PROBE}.expect.values[0].min",
        says="min must not be above max",
    ),
    Case(
        rule="V61",
        body=SMALLEST,
        at=_PROBE,
        good=(
            {"path": "/infer"},
            {"path": "/infer", "body": "{}"},
            {"path": "/infer?dry=1", "method": "POST"},
            {"path": "/infer", "method": "GET"},
        ),
        bad=({"path": "/infer", "method": "GET", "body": "{}"},),
        blames=f"{_PROBE}.body",
        says="a GET has no body",
    ),
    Case(
        rule="V62",
        body=_ASKED,
        at=f"{_PROBE}.headers",
        good=([], [_header("x-a")], [_header("x-a"), _header("Accept")]),
        bad=(
            [_header("x-a"), _header("X-A")],
            [_header("Host")],
            [_header("x-a"), _header("content-length")],
        ),
        blames=f"{_PROBE}.headers",
        says="a header may stand once",
    ),
    Case(
        rule="V63",
        body=SMALLEST,
        at="spec.strategy",
        good=({}, {"firstRollout": "Direct"}),
        bad=({"firstRollout": "Probe"},),
        blames="spec.strategy.firstRollout",
        says="set server.probe, or remove firstRollout",
    ),
    Case(
        rule="V63",
        body=_ASKED,
        at="spec.strategy.firstRollout",
        good=("Direct", "Probe"),
        bad=(),
        blames="",
        says="",
    ),
)
