from __future__ import annotations

from deploy.backoff import Backoff

POLICY = Backoff(first_seconds=0.1, longest_seconds=10.0, well_seconds=20.0)


def test_the_pause_doubles_with_each_short_life_up_to_its_bound() -> None:
    failures, pauses = 0, []
    for _ in range(9):
        failures = POLICY.failures_after(failures, ran_seconds=0.5)
        pauses.append(round(POLICY.delay_seconds(failures), 3))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_long_life_makes_it_forget_the_short_ones() -> None:
    assert POLICY.failures_after(7, ran_seconds=20.0) == 1


def test_very_many_failures_do_not_overflow() -> None:
    assert POLICY.delay_seconds(100_000) == 10.0
