"""Redis rebuilt from the stream, the stream from Redis; and what is said before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.care.patient import Patient
from tests.integration.rest.client import Obj, config_map, path_of

CONFIGMAPS = path_of("default", "configmaps")
HASH = "{backbeat}:objects:/configmaps"


def steps(lines: list[Obj]) -> list[str]:
    return [line["step"] for line in lines if "step" in line]


def test_what_is_well_needs_no_repair(patient: Patient) -> None:
    patient.make("a")
    patient.settled()
    assert patient.plan() == [{"end": {"steps": 0, "done": False}}]
    assert patient.repair() == [{"end": {"steps": 0, "done": True}}]


@pytest.mark.parametrize("empty", [False, True])
def test_a_record_behind_the_stream_gets_the_changes_that_it_lacks(patient: Patient, empty: bool) -> None:
    """Under their numbers and byte for byte, while writes are refused; then writes go on behind them."""
    patient.make("a", "b", "c")
    older = None if empty else patient.old_redis()
    patient.api.delete(f"{CONFIGMAPS}/a")
    patient.api.patch(f"{CONFIGMAPS}/b", {"data": {"x": "y"}})
    patient.api.make(path_of("default", "secrets"), {"metadata": {"name": "s"}, "stringData": {"p": "hunter2"}})
    before = patient.config_maps()
    last = patient.settled()
    patient.well()
    patient.put_back_redis(older)
    went_back_to = patient.rv()
    patient.restart(wait=False)
    refused = patient.api.post(CONFIGMAPS, config_map("d")).status
    assert refused == 503 or (empty and refused == 404)  # an empty record has not even the namespace

    plan = patient.plan()
    assert plan[0] == {
        "step": "apply",
        "what": f"the changes {went_back_to + 1} to {last} are applied to Redis, under the same numbers",
        "loses": "",
    }
    assert patient.rv() == went_back_to, "a plan changes nothing"
    told = patient.repair()
    assert [line["done"] for line in told if "done" in line] == ["apply"]
    assert patient.rv() == last
    patient.well()
    assert patient.config_maps() == before
    assert patient.api.get(path_of("default", "secrets", "s")).json["data"] == {"p": "aHVudGVyMg=="}
    assert patient.make("d") == [last + 1]


def test_two_who_repair_at_once_do_no_harm(patient: Patient) -> None:
    older = patient.old_redis()
    patient.make(*(f"c{n}" for n in range(300)))
    last = patient.settled()
    patient.put_back_redis(older)
    patient.restart(wait=False)
    with patient.api.watch("/backbeat/repair") as first:
        first.rest()
    clients = [patient.api.like() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda client: client.post("/backbeat/repair", {}), clients))
    assert any(b'"done":"apply"' in answer.body for answer in answers)
    for client in clients:
        client.close()
    assert patient.rv() == last
    patient.well()


def test_what_the_stream_does_not_reach_back_to_is_lost_only_when_that_is_accepted(patient: Patient) -> None:
    patient.make("a", "b")
    older = patient.old_redis()
    went_back_to = patient.rv()
    patient.make("lost", "also-lost", "kept")
    last = patient.settled()
    patient.put_back_redis(older)
    patient.server.stop()
    patient.forget_before(last)
    patient.restart(wait=False)

    *plan, _ = patient.plan()
    assert steps(plan) == ["apply", "counter", "objects"]
    assert (
        plan[0]["loses"]
        == f"the changes {went_back_to + 1} to {last - 1}, which neither has: what they did stays undone"
    )
    assert patient.repair()[-1]["end"] == {"steps": 3, "done": False}
    assert patient.rv() == went_back_to
    assert patient.repair(acceptLoss="true")[-1]["end"]["done"]
    patient.well()
    assert sorted(patient.config_maps()) == ["a", "b", "kept"]
    assert patient.make("next") == [last + 1]


def test_a_record_that_is_believed_goes_on_behind_the_stream(patient: Patient) -> None:
    """What only the stream had is given up, no number comes again, and whoever had read it begins anew."""
    patient.subscribe("audit")
    patient.make("a")
    older = patient.old_redis()
    patient.make("given-up")
    last = patient.settled()
    patient.put_back_redis(older)
    patient.restart(wait=False)

    assert steps(patient.plan(**{"from": "record"})) == ["leap"]
    assert not patient.repair(**{"from": "record"})[-1]["end"]["done"]
    told = patient.repair(acceptLoss="true", **{"from": "record"})
    assert [line["done"] for line in told if "done" in line] == ["leap"]
    patient.settled()
    assert patient.stream_first() == last + 2
    patient.well()
    assert sorted(patient.config_maps()) == ["a"]
    assert patient.make("next")[0] >= last + 2
    with patient.api.watch(CONFIGMAPS, watch=1, resourceVersion=last) as watch:
        frame = watch.next()
        assert frame is not None
        assert frame["object"]["code"] == 410
    assert patient.subscription("audit")["state"] == "Expired"


@pytest.mark.parametrize("source", ["record", "stream"])
def test_objects_that_differ_are_written_once_more_as_the_chosen_side_has_them(patient: Patient, source: str) -> None:
    rvs = patient.make("a", "b", "c", data="old")
    patient.settled()
    changed = patient.redis.ask("HGET", HASH, "default/a").replace(b"old", b"new")
    patient.redis.ask("HSET", HASH, "default/a", changed)
    patient.redis.ask("HDEL", HASH, "default/b")
    patient.redis.ask("HSET", HASH, "default/d", changed.replace(b'"a"', b'"d"'))
    plan = patient.plan()
    assert steps(plan) == []
    assert "3 objects differ" in plan[0]["choose"]
    assert patient.repair()[-1]["end"]["done"] is False

    told = patient.repair(acceptLoss="true", **{"from": source})
    assert [line["done"] for line in told if "done" in line] == ["objects"]
    patient.settled()
    patient.well()
    found = {name: one["data"] for name, one in patient.config_maps().items()}
    old, new = {"data": "old"}, {"data": "new"}
    if source == "record":
        assert found == {"a": new, "c": old, "d": new}
    else:
        assert found == {"a": old, "b": old, "c": old}
    assert patient.rv() == rvs[-1] + 3, "each was written under a new number"


def test_an_outbox_that_is_not_what_was_published_is_emptied(patient: Patient) -> None:
    rvs = patient.make("a", "b")
    patient.settled()
    patient.redis.ask("XDEL", "{backbeat}:outbox", f"{rvs[0]}-0")
    assert steps(patient.plan()) == ["outbox"]
    patient.repair(acceptLoss="true")
    patient.well()
    assert patient.redis.ask("XLEN", "{backbeat}:outbox") == 0
    assert patient.make("c") == [rvs[-1] + 1]
    patient.settled()


def test_a_counter_that_was_lost_goes_where_the_outbox_ends(patient: Patient) -> None:
    patient.make("a", "b")
    last = patient.settled()
    patient.server.stop()
    patient.redis.ask("SET", "{backbeat}:rv", last - 1)
    patient.restart(wait=False)
    assert steps(patient.plan()) == ["counter"]
    patient.repair()
    patient.well()
    assert patient.make("c") == [last + 1]


def test_a_stream_that_lost_its_disk_needs_no_repair(patient: Patient) -> None:
    patient.make("a", "b")
    last = patient.settled()
    patient.nats.stop()
    patient.nats.lose_data()
    patient.nats.start()
    assert patient.settled() == last
    patient.well()
    assert steps(patient.plan()) == []


def test_what_may_not_be_asked_is_refused(patient: Patient) -> None:
    answer = patient.api.get("/backbeat/repair", **{"from": "thin air"})
    assert (answer.status, answer.message) == (400, 'from: want stream or record, not "thin air"')
