"""Rules of copies beside something else, with values that they let pass and values that they refuse."""

from __future__ import annotations

from api_case import Case
from api_examples import ROUTED, STEPS, place, steps

# Copies of requests need a Gateway, and a server of which somebody says that they do no harm.
COPYABLE = place(
    ROUTED, "spec.workload.template.metadata.annotations", {"tidegate.dev/shadow-safe": "true"}
)
_PREVIEWED = place(COPYABLE, "spec.strategy", {"type": "BlueGreen", "blueGreen": {}})


def _half(size: float, copied: float) -> dict[str, object]:
    return {
        "preview": {"replicasPercent": size},
        "prePromotion": {"mirrorPercent": copied},
    }


COPY_RULES = (
    Case(
        rule="V66",
        body=place(COPYABLE, STEPS, steps(10)),
        at=f"{STEPS}[0]",
        good=(
            {"name": "a", "weight": 10, "mirrorPercent": 0},
            {"name": "a", "weight": 33.3333, "mirrorPercent": 66.6667},
            {"name": "a", "weight": 0.0001, "mirrorPercent": 99.9999},
        ),
        bad=(
            {"name": "a", "weight": 10, "mirrorPercent": 90.0001},
            {"name": "a", "weight": 100, "mirrorPercent": 0.5},
        ),
        blames=f"{STEPS}[0].mirrorPercent",
        says="weight and mirrorPercent together must not be above 100",
    ),
    Case(
        rule="V67",
        body=_PREVIEWED,
        at="spec.strategy.blueGreen",
        good=(
            {"prePromotion": {"mirrorPercent": 100}},
            _half(25, 25),
            {"preview": {"replicasPercent": 25}},
        ),
        bad=(_half(25, 25.5), _half(99, 100)),
        blames="spec.strategy.blueGreen.prePromotion.mirrorPercent",
        says="must not be above preview.replicasPercent",
    ),
)
