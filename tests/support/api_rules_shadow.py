"""Rules of what the answers of a shadow are held against."""

from __future__ import annotations

from api_case import Case
from api_examples import ROUTED, place

_AT = "spec.strategy.shadow.compare"
_ALLOW = "spec.strategy.shadow.egress.allow"
_PODS = {"podSelector": {"matchLabels": {"app": "features"}}}
_ADDRESSES = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
_PRESET = {"preset": "response-agreement"}
_TEMPLATE = {"templateRef": {"kind": "MetricTemplate", "name": "t"}}
SHADOW_BODY = _BODY = place(
    place(
        ROUTED, "spec.workload.template.metadata.annotations", {"tidegate.dev/shadow-safe": "true"}
    ),
    "spec.strategy",
    {"type": "Shadow", "shadow": {"mirrorPercent": 20, "duration": "1h"}},
)

SHADOW_RULES = (
    Case(
        rule="V25",
        body=_BODY,
        at=_AT,
        good=(
            {**_PRESET, "threshold": {"min": 0.98}},
            {**_TEMPLATE, "threshold": {"max": 0.02}},
            {**_TEMPLATE, "threshold": {"min": 0.9}, "minPairs": 5},
        ),
        bad=({"threshold": {"min": 0.98}}, {**_PRESET, **_TEMPLATE, "threshold": {"min": 0.98}}),
        blames=_AT,
        says="exactly one of preset and templateRef must be set",
    ),
    Case(
        rule="V26",
        body=_BODY,
        at=_AT,
        good=({**_PRESET, "threshold": {"min": 0.5}, "reference": "Human"},),
        bad=(
            {**_PRESET, "threshold": {"max": 0.02}},
            {**_PRESET, "threshold": {"min": 0.9, "max": 0.99}},
        ),
        blames=f"{_AT}.threshold",
        says="set threshold.min, such as 0.98",
    ),
    Case(
        rule="V46",
        body=_BODY,
        at=_AT,
        good=({**_TEMPLATE, "threshold": {"min": 0.9}, "reference": "Stable"},),
        bad=({**_TEMPLATE, "threshold": {"min": 0.9}, "reference": "Human"},),
        blames=f"{_AT}.reference",
        says="reference Human is of the preset",
    ),
    Case(
        rule="V73",
        body=_BODY,
        at=_ALLOW,
        good=(
            [{"to": [_PODS, _ADDRESSES]}],
            [{"to": [{**_PODS, "namespaceSelector": {"matchLabels": {"team": "ml"}}}]}],
        ),
        bad=([{"to": [{}]}], [{"to": [{**_PODS, **_ADDRESSES}]}]),
        blames=f"{_ALLOW}[0].to[0]",
        says="either ipBlock or selectors must be set",
    ),
    Case(
        rule="V74",
        body=_BODY,
        at=_ALLOW,
        good=(
            [{"ports": [{"port": 443}]}],
            [{"ports": [{"protocol": "UDP", "port": 1000, "endPort": 1000}]}],
        ),
        bad=([{"ports": [{"port": 444, "endPort": 443}]}],),
        blames=f"{_ALLOW}[0].ports[0].endPort",
        says="endPort must not be below port",
    ),
    Case(
        rule="V75",
        body=_BODY,
        at=_ALLOW,
        good=([], [{"to": [_PODS], "ports": [{"port": 443}]}]),
        bad=([{}],),
        blames=f"{_ALLOW}[0]",
        says="a rule with neither allows everything",
    ),
)
