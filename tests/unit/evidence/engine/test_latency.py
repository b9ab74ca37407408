import math
from dataclasses import replace

import pytest
from evidence_rows import INDEPENDENT, counts
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts.rows import Counts
from tidegate.evidence.sequential import eprocess, latency, relative

EDGES = (0.1, 0.25, 0.5)
RESTART = eprocess.restart_weights(20)

slower = st.lists(st.integers(0, 60), min_size=3, max_size=3).map(
    lambda xs: tuple(sorted(xs, reverse=True))
)
tables = st.lists(
    st.builds(lambda c, s: counts(200, c, 1800, s), slower, slower), min_size=1, max_size=4
)


def average(
    rows: list[Counts], *, edges: tuple[float, ...] = EDGES, least: float = 0.0
) -> latency.EValue:
    return latency.edge_average(
        rows,
        edges=edges,
        v=(1 / len(edges),) * len(edges),
        theta0=1.1,
        restart=RESTART,
        min_candidate_events=least,
    )


@given(tables)
def test_the_average_lies_between_the_best_edge_and_its_share(rows: list[Counts]) -> None:
    each = [
        relative.log_value(
            relative.compare([row.stream(k) for row in rows], theta0=1.1, restart=RESTART)
        )
        for k in range(3)
    ]
    found = average(rows)
    assert max(each) + math.log(1 / 3) - 1e-9 <= found.log_e <= max(each) + 1e-9
    assert each[EDGES.index(found.edge)] == max(each)


@given(tables)
def test_neither_the_order_nor_the_unit_of_edges_matters(rows: list[Counts]) -> None:
    turned = [replace(row, x_c=row.x_c[::-1], x_s=row.x_s[::-1], phi=row.phi[::-1]) for row in rows]
    found = average(rows)
    assert average(turned, edges=EDGES[::-1]).log_e == pytest.approx(found.log_e, abs=1e-9)
    scaled = average(rows, edges=tuple(1000 * edge for edge in EDGES))
    assert scaled.log_e == found.log_e
    assert scaled.edge == 1000 * found.edge


def test_an_edge_with_few_events_counts_as_nothing() -> None:
    rows = [counts(200, (30, 30, 4), 1800, (270, 270, 0))]
    assert average(rows, least=5).log_e < average(rows).log_e
    assert average(rows).edge == 0.5
    assert average(rows, least=5).edge != 0.5


def test_a_tail_far_out_is_found_where_the_bulk_shows_nothing() -> None:
    rows = [counts(1000, (500, 100, 12), 9000, (4500, 900, 9))] * 3
    found = average(rows, least=5)
    assert found.edge == 0.5
    assert found.log_e > math.log(100)
    assert rows[0].phi[0] is INDEPENDENT
