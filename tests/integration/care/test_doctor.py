"""What the doctor finds: everything well, and each thing that may be wrong."""

from __future__ import annotations

import json

import pytest

from broker import subjects
from deploy import identities
from tests.integration.care.patient import SUBSCRIPTIONS, Patient
from tests.integration.rest.client import config_map, path_of
from tests.integration.rest.server import NOBODY


def test_a_control_plane_at_work_is_well(patient: Patient) -> None:
    patient.make(*(f"c{n}" for n in range(60)))
    patient.api.delete(path_of("default", "configmaps", "c1"))
    patient.api.make(path_of("default", "secrets"), {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    patient.subscribe("audit")
    patient.well()
    found = patient.doctor()
    assert list(found) == ["numbers", "outbox", "objects", "subscriptions", "secrets", "end"]
    assert found["end"] == {"ok": True, "resourceVersion": patient.rv()}
    assert found["objects"]["found"].endswith("objects compared with the stream")
    assert found["subscriptions"]["found"] == "1 subscriptions, 1 consumers"
    assert found["secrets"]["found"] == "1 can be opened"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "doctor"),
        ("GET", "repair"),
        ("POST", "repair"),
        ("GET", "backup"),
        ("GET", "restore"),
        ("POST", "restore"),
        ("POST", "secrets/rotate"),
    ],
)
def test_only_masters_look_after_it(patient: Patient, method: str, path: str) -> None:
    for who in (NOBODY, identities.CONTROLLERS):
        client = patient.client(who)
        answer = client.request(method, f"/backbeat/{path}")
        assert (answer.status, answer.json["reason"]) == (403, "Forbidden")
        assert f'cannot {method.lower()} path "/backbeat/{path}"' in answer.message
        client.close()
    assert patient.api.request("PUT", f"/backbeat/{path}", {}).status == 405


def test_an_object_that_redis_alone_changed_is_named(patient: Patient) -> None:
    (rv,) = patient.make("a")
    patient.settled()
    patient.redis.ask("HSET", "{backbeat}:objects:/configmaps", "default/a", f'{rv} {{"changed":true}}')
    assert patient.ill() == {
        "objects": {
            "check": "objects",
            "ok": False,
            "found": patient.doctor()["objects"]["found"],
            "advice": "see what `backbeat repair` would do",
            "details": [f"configmaps/default/a: both are at {rv}, with different content"],
        }
    }


def test_objects_that_one_side_lacks_are_named(patient: Patient) -> None:
    rvs = patient.make("a", "b", "c")
    patient.settled()
    key = "{backbeat}:objects:/configmaps"
    patient.redis.ask("HDEL", key, "default/a")
    patient.redis.ask("HSET", key, "default/d", f"{rvs[1]} {{}}")
    patient.redis.ask("HSET", key, "default/c", f"{rvs[0]} {{}}")
    assert sorted(patient.ill()["objects"]["details"]) == [
        f"configmaps/default/a: Redis does not have it, the stream's last change of it is ADDED {rvs[0]}",
        f"configmaps/default/c: in Redis it is at {rvs[0]}, in the stream it is at {rvs[2]}",
        f"configmaps/default/d: in Redis it is at {rvs[1]}, and the stream holds no change of it",
    ]


def test_a_pod_that_moved_through_several_subjects_is_well(patient: Patient) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    patient.api.make(path_of("default", "pods"), {"apiVersion": "v1", "kind": "Pod", **pod})
    patient.api.make("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    bind = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    assert patient.api.post(path_of("default", "pods", "p") + "/binding", bind).status == 201
    patient.well()
    assert patient.api.delete(path_of("default", "pods", "p"), {"gracePeriodSeconds": 0}).status == 200
    patient.well()


def test_a_foreign_message_in_the_stream_is_told(patient: Patient) -> None:
    last = patient.settled()
    patient.redis.ask("SET", "{backbeat}:rv", last + 1)
    patient.publish("changes.hello", b"hello", last=last)
    found = patient.ill()
    assert found["objects"]["details"] == ["a foreign message on changes.hello"]
    assert "somebody else publishes" in found["objects"]["found"]


def test_a_record_behind_the_stream_is_told_although_the_server_refuses_writes(patient: Patient) -> None:
    older = patient.old_redis()
    patient.make("a", "b")
    last = patient.settled()
    patient.put_back_redis(older)
    patient.restart(wait=False)
    found = patient.ill()["numbers"]
    assert f"the stream at {last} (from 1 on): the record is behind, and takes no write" in found["found"]
    assert patient.api.post(path_of("default", "configmaps"), config_map("c")).status == 503


def test_an_outbox_that_is_not_what_was_published_is_told(patient: Patient) -> None:
    rvs = patient.make("a", "b", "c", "d")
    patient.settled()
    entry = patient.redis.ask("XRANGE", "{backbeat}:outbox", f"{rvs[3]}-0", f"{rvs[3]}-0")
    assert len(entry) == 1
    patient.redis.ask("XDEL", "{backbeat}:outbox", f"{rvs[1]}-0")
    found = patient.ill()
    assert found["outbox"]["found"] == f"changes are missing from it before {rvs[2]}"
    patient.redis.ask("UNLINK", "{backbeat}:outbox")
    subject = subjects.subject_for("", "configmaps", "default", "d")
    patient.redis.ask("XADD", "{backbeat}:outbox", f"{rvs[3]}-0", "s", subject, "b", "{}", "h", "{}")
    found = patient.ill()
    assert found["outbox"]["details"] == [f"number {rvs[3]}"]


def test_a_subscription_whose_consumer_went_is_well_once_it_has_one_again(patient: Patient) -> None:
    patient.subscribe("audit")
    patient.jetstream("CONSUMER.DELETE.CHANGES.audit")
    patient.well()
    patient.api.delete(f"{SUBSCRIPTIONS}/audit")
    patient.well()


def test_what_is_away_is_told_and_is_no_end(patient: Patient) -> None:
    patient.api.make(path_of("default", "secrets"), {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    patient.nats.stop()
    found = patient.doctor()
    assert "NATS can't be asked" in found["numbers"]["found"]
    assert (found["secrets"]["ok"], found["end"]["ok"]) == (True, False)
    patient.nats.start()
    patient.well()
    patient.redis.stop()
    found = patient.doctor()
    assert all("Redis can't be asked" in found[check]["found"] for check in ("outbox", "objects", "secrets"))
    assert found["end"] == {"ok": False, "resourceVersion": None}
    patient.redis.start()


def test_the_answer_comes_line_by_line(patient: Patient) -> None:
    with patient.api.watch("/backbeat/doctor") as lines:
        first = lines.next()
        assert first is not None
        assert first["check"] == "numbers"
        assert "end" in json.loads(json.dumps(lines.rest()[-1]))
