"""What pages tell people to write works."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import REGISTRY, Counter

PAGE = Path(__file__).parents[3] / "docs/how-to/other-monitors.md"


def test_counters_by_hand() -> None:
    code = re.search(r"## By hand\n\n```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert code
    names: dict[str, object] = {}
    exec(code[1], names)  # the page's own code
    inputs, count = names["inputs"], names["count"]
    assert isinstance(inputs, Counter)
    assert callable(count)
    try:
        for amount in (3.0, 5.0, 5.1, 1e9, None):
            count(amount)
        counted = {
            sample.labels["bin"]: sample.value
            for family in inputs.collect()
            for sample in family.samples
            if sample.name == "model_inputs_total"
        }
    finally:
        REGISTRY.unregister(inputs)
    assert counted == {"5": 2, "20": 1, "100": 0, "+Inf": 1, "missing": 1}
