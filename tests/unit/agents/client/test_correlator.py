"""The same again is counted, the similar is combined, too much is left out."""

from __future__ import annotations

from typing import Any

from agents.client.correlator import COMBINED, Correlator, Telling

Obj = dict[str, Any]


def event(message: str = "m", *, about: str = "web", reason: str = "R", number: int = 0) -> Obj:
    return {
        "metadata": {"name": f"{about}.{number}", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": about, "uid": about, "namespace": "default"},
        "source": {"component": "test"},
        "type": "Normal",
        "reason": reason,
        "message": message,
        "count": 1,
    }


def tell(correlator: Correlator, made: Obj, now: float = 0.0) -> Telling:
    telling = correlator.observe(made, now)
    assert telling is not None
    return telling


def test_the_same_event_is_counted_in_the_object_that_tells_it() -> None:
    c = Correlator()
    tell(c, event(number=1)).sent()
    again = tell(c, event(number=2))
    assert (again.told.name, again.told.count) == ("web.1", 2)
    assert tell(c, event("other", number=3)).told.name == ""


def test_an_event_that_could_not_be_sent_is_not_counted_up() -> None:
    c = Correlator()
    tell(c, event(number=1))
    assert tell(c, event(number=2)).told.name == ""


def test_an_object_that_is_gone_is_made_anew() -> None:
    c = Correlator()
    tell(c, event(number=1)).sent()
    telling = tell(c, event(number=2))
    telling.forgotten()
    telling.sent()
    assert (telling.told.name, telling.told.count) == ("web.2", 1)


def test_many_similar_events_become_one() -> None:
    c = Correlator()
    for n in range(9):
        telling = tell(c, event(f"pod {n}", number=n))
        assert telling.event["message"] == f"pod {n}"
        telling.sent()
    tenth = tell(c, event("pod 9", number=9))
    assert (tenth.event["message"], tenth.told.name) == (COMBINED + "pod 9", "")
    tenth.sent()
    eleventh = tell(c, event("pod 10", number=10))
    assert (eleventh.event["message"], eleventh.told.name, eleventh.told.count) == (COMBINED + "pod 10", "web.9", 2)


def test_events_that_are_similar_but_far_apart_stay_alone() -> None:
    c = Correlator()
    for n in range(20):
        assert tell(c, event(f"pod {n}"), now=n * 700.0).event["message"] == f"pod {n}"


def test_a_source_that_says_too_much_about_one_object_is_held_back() -> None:
    c = Correlator()
    assert sum(c.observe(event(reason=f"R{n}"), 0.0) is not None for n in range(40)) == 25
    assert c.observe(event(about="other"), 0.0) is not None
    assert c.observe(event(), 299.0) is None
    assert c.observe(event(), 301.0) is not None


def test_only_so_many_are_remembered() -> None:
    c = Correlator()
    for n in range(10_000):
        tell(c, event(about=f"pod-{n}")).sent()
    assert tell(c, event(about="pod-0")).told.name == ""
    assert tell(c, event(about="pod-9999")).told.name == "pod-9999.0"
