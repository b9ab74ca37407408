"""`make bench-reaction`: how fast a bad version loses its traffic; writes docs/reaction-results.md.

Each part (`--scrape`) takes some minutes on the full cluster and leaves its numbers in out/reaction;
`--page` writes the page of all parts that are there.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cluster_prometheus
from cluster_client import Client, proxy
from cluster_others import pause, resume
from cluster_scene import Model, Scene
from cluster_stage import staged
from cluster_tidegate import build_images, install_definitions
from cluster_users import start_load
from tests.cluster.api import ensure_cluster

from bench.reaction import runs
from bench.reaction.measure import BY_LIMIT, EVIDENCE, LIMIT, Source, analysis, measure
from bench.reaction.runs import Run

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reaction-results.md"
FOLDER = ROOT / "out" / "reaction"
RATE = 25.0
HEALTHY_SECONDS = 75.0  # a plain value waits for the warm-up of a minute
NEVER_SECONDS = 86400  # failures of stable are counted from 0 on, too, so that a query finds them
# More than ten minutes and the users of a model are at an end.
ROUNDS = {1.0: 4, 5.0: 4, 15.0: 3}
CELLS = [(judged_by, weight) for judged_by in (EVIDENCE, BY_LIMIT) for weight in (10.0, 50.0)]


def main() -> int:
    """Measure the parts that are asked for, all by default, and write the page."""
    parser = argparse.ArgumentParser(prog="bench.reaction", description=__doc__)
    parser.add_argument("--scrape", type=float, action="append", choices=sorted(ROUNDS))
    parser.add_argument("--rounds", type=int, help="instead of the usual number")
    parser.add_argument("--page", action="store_true", help="only the page")
    options = parser.parse_args()
    if not options.page:
        for seconds in options.scrape or sorted(ROUNDS):
            found = part(seconds, rounds=options.rounds or ROUNDS[seconds])
            runs.save(FOLDER / f"scrape-{seconds:g}.json", found)
    known = runs.load(FOLDER)
    PAGE.write_text(runs.page(known, healthy=HEALTHY_SECONDS, rate=RATE, limit=LIMIT))
    return 0


def part(seconds: float, *, rounds: int) -> list[Run]:
    """All cells at one scrape interval, on the full cluster."""
    cluster = ensure_cluster()
    build_images(cluster)
    install_definitions(cluster)
    name = f"s{seconds:g}"
    with proxy(cluster) as url:
        client = Client(url)
        pause(client)
        try:
            with staged(cluster, client, name=f"reaction-{name}", sources={name: seconds}) as scene:
                source = Source(namespace=scene.namespace, name=name, scrape_seconds=seconds)
                cluster_prometheus.start(scene, cluster_prometheus.our_jobs(scene, {name: seconds}))
                return _rounds(scene, url=url, source=source, rounds=rounds)
        finally:
            resume(client)
            client.close()


def _rounds(scene: Scene, *, url: str, source: Source, rounds: int) -> list[Run]:
    models = [
        _model(
            replace(scene, client=Client(url)), source=source, judged_by=judged_by, weight=weight
        )
        for judged_by, weight in CELLS
    ]
    for model in models:
        model.apply("1", env={"OUTAGE_AFTER_SECONDS": str(NEVER_SECONDS)})
    for model in models:
        model.wait_for_phase("Healthy", seconds=120)
        start_load(model, requests_per_second=RATE)
    found: list[Run] = []
    with ThreadPoolExecutor(len(models)) as pool:
        for number in range(rounds):
            asked = [
                pool.submit(
                    measure,
                    model,
                    url=url,
                    source=source,
                    judged_by=judged_by,
                    weight=weight,
                    version=f"{number + 2}",
                    healthy=HEALTHY_SECONDS + number,
                )
                for model, (judged_by, weight) in zip(models, CELLS, strict=True)
            ]
            found += [one.result() for one in asked]
            for run in found[-len(CELLS) :]:
                print(f"{time.strftime('%H:%M:%S')} {run}", file=sys.stderr, flush=True)
    return found


def _model(scene: Scene, *, source: Source, judged_by: str, weight: float) -> Model:
    return scene.model(
        f"{judged_by}-{weight:g}",
        replicas=2,
        strategy={
            "canary": {"steps": [{"name": "only", "weight": weight, "hold": "10m"}]},
            "scaleDownDelay": "1m",  # the series of what was taken out stay for the threshold loop
        },
        whole_analysis=analysis(judged_by, source=source),
    )


if __name__ == "__main__":
    sys.exit(main())
