"""What a probe adds to a prediction of ten features: `make bench-probe`.

Microseconds depend on the machine, so each is told beside the reading of the same request from
JSON, which every server does anyway. The least of several rounds counts: what is above it is
somebody else's work on this machine.
"""

from __future__ import annotations

import json
import random
import timeit
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from tidegate_probe import Monitor, Profile
from tidegate_probe.fields import Positive

FEATURES = 10
BATCH = 1000
ROUNDS = 300
CALLS = 50


def main() -> None:
    """Measure and print."""
    chance = random.Random(1)  # noqa: S311  # test data
    columns = {f"number{at}": [chance.gauss(0, 1) for _ in range(BATCH)] for at in range(7)}
    names: dict[str, list[str]] = {
        f"name{at}": chance.choices("abcdefgh", k=BATCH) for at in range(FEATURES - 7)
    }
    data = columns | names
    scores = [chance.random() for _ in range(BATCH)]
    profile = Profile.fit(
        data,
        outputs={"score": scores},
        model="bench",
        model_version="1",
        positive=Positive(output="score", threshold=0.5),
    )
    monitor = Monitor(profile, registry=CollectorRegistry())
    row = {name: column[0] for name, column in data.items()}
    body = json.dumps({"instances": [row]})
    base = best(lambda: json.loads(body), calls=CALLS)
    told("reading the request from JSON", base, base=base)
    told("observe", best(lambda: monitor.observe(row, {"score": 0.7}), calls=CALLS), base=base)
    remembering = best(lambda: monitor.observe(row, {"score": 0.7}, prediction_id="a"), calls=CALLS)
    told("observe, remembered for a label", remembering, base=base)
    batch = best(lambda: monitor.observe_batch(data, {"score": scores}), calls=1) / BATCH
    told(f"observe_batch of {BATCH} rows in lists, a row", batch, base=base)


def best(call: Callable[[], object], *, calls: int) -> float:
    """Seconds of one call."""
    return min(timeit.repeat(call, number=calls, repeat=ROUNDS)) / calls


def told(what: str, seconds: float, *, base: float) -> None:
    """One line."""
    print(f"{what:48} {seconds * 1e6:7.2f} us  {seconds / base:6.2f} x JSON")


if __name__ == "__main__":
    main()
