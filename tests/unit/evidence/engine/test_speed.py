from tests.support.evidence_speed import measure


def test_a_stream_is_cheap_enough_for_ten_thousand_per_interval_on_one_core() -> None:
    cost = measure(many=1000)
    assert cost.stream_seconds < 50e-6
    assert cost.many_seconds * 10 < 1.0
    assert cost.stream_bytes < 4096
