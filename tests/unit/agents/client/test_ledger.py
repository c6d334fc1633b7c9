"""Nothing is acknowledged before all that it asked for is done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.client.ledger import Ledger


def settle(ledger: Ledger[str], key: str) -> None:
    for ticket in ledger.take(key):
        ticket.settle()


def test_a_change_is_done_when_all_its_keys_are() -> None:
    ledger: Ledger[str] = Ledger(4)
    ledger.begin(5, ["a", "b"])
    settle(ledger, "a")
    assert ledger.floor == 4
    settle(ledger, "b")
    assert ledger.floor == 5


def test_a_change_without_keys_is_done() -> None:
    ledger: Ledger[str] = Ledger(4)
    ledger.begin(9, [])
    assert (ledger.floor, ledger.pending) == (9, 0)


def test_a_key_named_twice_is_one_key() -> None:
    ledger: Ledger[str] = Ledger(0)
    ledger.begin(1, ["a", "a"])
    settle(ledger, "a")
    assert ledger.floor == 1


def test_the_floor_waits_for_the_oldest_change() -> None:
    ledger: Ledger[str] = Ledger(0)
    for rv, key in ((3, "a"), (7, "b"), (8, "a")):
        ledger.begin(rv, [key])
    settle(ledger, "b")
    assert ledger.floor == 0
    settle(ledger, "a")
    assert ledger.floor == 8


def test_what_arrives_while_a_key_is_worked_on_waits_for_its_next_turn() -> None:
    ledger: Ledger[str] = Ledger(0)
    ledger.begin(1, ["a"])
    in_hand = ledger.take("a")
    ledger.begin(2, ["a"])
    for ticket in in_hand:
        ticket.settle()
    assert ledger.floor == 1
    settle(ledger, "a")
    assert ledger.floor == 2


def test_a_key_that_failed_holds_its_changes() -> None:
    ledger: Ledger[str] = Ledger(0)
    ledger.begin(1, ["a"])
    in_hand = ledger.take("a")
    ledger.begin(2, ["a"])
    ledger.hold("a", in_hand)
    assert ledger.floor == 0
    settle(ledger, "a")
    assert ledger.floor == 2


def test_a_redelivery_of_what_is_in_hand_or_done_changes_nothing() -> None:
    ledger: Ledger[str] = Ledger(0)
    ledger.begin(5, ["a"])
    ledger.begin(5, ["a"])
    ledger.begin(4, ["b"])
    settle(ledger, "a")
    assert (ledger.floor, ledger.pending) == (5, 0)


def test_work_of_a_ledger_that_was_replaced_finishes_nothing_of_the_new_one() -> None:
    old: Ledger[str] = Ledger(0)
    old.begin(7, ["a"])
    in_hand = old.take("a")
    new: Ledger[str] = Ledger(6)
    new.begin(7, ["a", "b"])
    for ticket in in_hand:
        ticket.settle()
    assert new.floor == 6


@given(st.data())
def test_the_floor_never_passes_a_change_with_an_unfinished_key(data: st.DataObject) -> None:
    ledger: Ledger[str] = Ledger(0)
    waiting: dict[int, set[str]] = {}
    in_hand: dict[str, tuple[object, set[int]]] = {}
    rv = 0
    for _ in range(data.draw(st.integers(0, 40))):
        step = data.draw(st.sampled_from(["begin", "take", "finish", "fail"]))
        key = data.draw(st.sampled_from("abcd"))
        if step == "begin":
            rv += data.draw(st.integers(1, 5))  # sequences of a filtered subscription have holes
            keys = data.draw(st.sets(st.sampled_from("abcd")))
            ledger.begin(rv, keys)
            waiting[rv] = set(keys)
        elif step == "take" and key not in in_hand:
            taken = {n for n, keys in waiting.items() if key in keys}
            in_hand[key] = (ledger.take(key), taken)
        elif step in ("finish", "fail") and key in in_hand:
            tickets, taken = in_hand.pop(key)
            if step == "finish":
                for ticket in tickets:  # type: ignore[attr-defined]
                    ticket.settle()
                for n in taken:
                    waiting[n].discard(key)
            else:
                ledger.hold(key, tickets)  # type: ignore[arg-type]
        unfinished = sorted(n for n, keys in waiting.items() if keys)
        assert ledger.pending == len(unfinished)
        done = [n for n in sorted(waiting) if not unfinished or n < unfinished[0]]
        assert ledger.floor == (done[-1] if done else 0)
