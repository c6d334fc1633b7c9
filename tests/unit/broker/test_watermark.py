"""The floor rises over what is done, never past what is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.watermark import Watermark


def test_the_floor_waits_for_the_slowest() -> None:
    mark = Watermark()
    for sequence in (3, 5, 9):
        assert mark.begin(sequence)
    assert not mark.done(5)
    assert mark.floor == 0
    assert mark.done(3)
    assert mark.floor == 5
    assert mark.done(9)
    assert (mark.floor, mark.pending) == (9, 0)


def test_a_redelivery_is_recognised() -> None:
    mark = Watermark(floor=4)
    assert not mark.begin(4)
    assert mark.begin(7)
    assert not mark.begin(7)


@given(st.sets(st.integers(1, 200), min_size=1), st.randoms(use_true_random=False))
def test_nothing_below_the_floor_is_unfinished(sequences: set[int], random: object) -> None:
    mark = Watermark()
    for sequence in sorted(sequences):
        mark.begin(sequence)
    order = sorted(sequences)
    random.shuffle(order)  # type: ignore[attr-defined]
    left = set(sequences)
    floor = 0
    for sequence in order:
        mark.done(sequence)
        left.discard(sequence)
        assert mark.floor >= floor
        floor = mark.floor
        assert all(floor < pending for pending in left)
        assert mark.pending == len(left)
    assert floor == max(sequences)
