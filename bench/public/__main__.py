"""Writes docs/public-data-results.md: `PYTHONPATH=tests/support python -m bench.public [--quick]`.

Needs the environment of bench/public/requirements.txt, which `make bench-public` makes. `--part NAME` runs
one part and puts the page together with what the last run left of the other in out/public.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from bench.public import ours, page, streams, theirs, words
from bench.public.runs import Entry, Stream, run
from bench.public.streams import Source

RUNS = 3
ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "out" / "public"


def main() -> int:
    """Run both parts and write the page; `--quick` is one run of each stream instead of three."""
    parser = argparse.ArgumentParser(prog="bench.public", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one run of each stream")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part")
    parser.add_argument(
        "--kept", action="store_true", help="run nothing; the page from the last runs"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "public-data-results.md")
    options = parser.parse_args()
    # Detectors warn of ties, and of windows that are too small for what they do then.
    warnings.simplefilter("ignore")
    runs = 1 if options.quick else RUNS
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in () if options.kept else options.part or PARTS:
        began = time.process_time()
        sections = PARTS[name](runs)
        kept = {"runs": runs, "seconds": time.process_time() - began, **sections}
        (KEPT / f"{name}.json").write_text(json.dumps(kept))
    parts = {name: KEPT / f"{name}.json" for name in PARTS}
    if all(part.exists() for part in parts.values()):
        found = {name: json.loads(part.read_text()) for name, part in parts.items()}
        options.out.write_text(words.page(found, conditions=_conditions(found), rows=_rows()))
    return 0


def _conditions(found: Mapping[str, Mapping[str, float]]) -> str:
    runs = {int(one["runs"]) for one in found.values()}
    assert len(runs) == 1, "the parts are of different lengths: run both anew"
    seconds = {name: one["seconds"] for name, one in found.items()}
    return page.conditions(runs=runs.pop(), seconds=seconds)


def _rows() -> Mapping[str, list[str]]:
    """Each stream as the page tells of it."""
    told = {}
    for source in streams.sources():
        one = source.make(0)
        wrong, at = streams.wrong(one), one.change
        shares = (wrong.mean(),) if at is None else (wrong[:at].mean(), wrong[at:].mean())
        told[source.title] = [
            source.origin,
            source.about,
            f"{one.arriving:,} x {len(one.names)}",
            " -> ".join(f"{share:.0%}" for share in shares),
            "" if at is None else f"{ours.largest_psi(one):.2g}",
        ]
    return told


def _labels(runs: int) -> dict[str, list[str]]:
    entries = (*_entries(ours.of_labels()), *theirs.of_labels())
    return _sections(entries, [one for one in streams.sources() if one.of_labels], runs=runs)


def _inputs(runs: int) -> dict[str, list[str]]:
    entries = (*_entries(ours.of_inputs()), *theirs.of_inputs())
    return _sections(entries, [one for one in streams.sources() if one.of_inputs], runs=runs)


def _entries(detectors: Mapping[str, Callable[..., tuple[int, ...]]]) -> list[Entry]:
    return [Entry(name=name, detector=one) for name, one in detectors.items()]


def _sections(
    entries: Iterable[Entry], chosen: Iterable[Source], *, runs: int
) -> dict[str, list[str]]:
    results, detectors = page.Results(), list(entries)
    for source in chosen:
        (results.recorded if source.recorded else results.streams).append(source.title)
        for seed in range(1 if source.recorded else runs):
            print(f"{source.title}, run {seed}", file=sys.stderr, flush=True)
            _add(results, detectors, source.title, source.make(seed), seed=seed)
    return {"known": page.known(results), "recorded": page.recorded(results)}


def _add(
    results: page.Results, detectors: list[Entry], title: str, stream: Stream, *, seed: int
) -> None:
    """All detectors on the same rows, in order and shuffled."""
    still = stream.shuffled(np.random.default_rng((seed, 1)))
    wrong, wrong_still = streams.wrong(stream), streams.wrong(still)
    for entry in detectors:
        results.add(
            entry.name,
            title,
            ordered=run(entry, stream, wrong),
            shuffled=run(entry, still, wrong_still),
        )


PARTS: Mapping[str, Callable[[int], dict[str, list[str]]]] = {"labels": _labels, "inputs": _inputs}


if __name__ == "__main__":
    sys.exit(main())
