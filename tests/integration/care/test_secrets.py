"""Nobody who takes a disk, a backup or what is on the bus reads a Secret; keys are changed, and lost."""

from __future__ import annotations

import asyncio
import base64
import threading
from pathlib import Path

import orjson
import pytest

from apiserver.store.keyring import SealingKey, add
from apiserver.store.seal import UNREADABLE
from broker.connection import Connection, Message
from tests.integration.care.patient import Patient
from tests.integration.rest.client import Client, Obj, path_of
from tests.servers import wait_until

SECRETS = path_of("default", "secrets")
PLAIN = "correct horse battery staple"
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def secret(name: str, value: str = PLAIN) -> Obj:
    data = {"password": base64.b64encode(value.encode()).decode()}
    applied = orjson.dumps({"kind": "Secret", "data": data}).decode()
    metadata = {"name": name, "annotations": {APPLIED: applied}, "labels": {"app": "db"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def words(value: str = PLAIN) -> list[bytes]:
    """How it would be found: as it is, in base64 at each offset, and its annotation."""
    encoded = [base64.b64encode(b"\0" * shift + value.encode())[4:-4] for shift in range(3)]
    return [value.encode(), *encoded, APPLIED.encode()]


class Listener:
    """Hears everything that goes over the bus, with the API server's own credentials."""

    def __init__(self, patient: Patient) -> None:
        self._url = patient.nats.url
        self.heard: list[bytes] = []
        self._ready, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(30)

    def _take(self, message: Message) -> None:
        self.heard += [message.data, *(f"{k}: {v}".encode() for k, v in (message.headers or {}).items())]

    async def _listen(self) -> None:
        async with Connection(self._url, name="listener").running() as connection:
            await connection.subscribe(">", self._take)
            await connection.flush()
            self._ready.set()
            while not self._end.is_set():
                await asyncio.sleep(0.02)


def test_no_disk_no_backup_and_nothing_on_the_bus_tells_a_secret(patient: Patient) -> None:
    with Listener(patient) as listener:
        patient.api.make(SECRETS, secret("a"))
        patient.api.patch(f"{SECRETS}/a", {"data": secret("a")["data"], "metadata": {"labels": {"x": "y"}}})
        patient.api.make(SECRETS, secret("gone"))
        patient.api.delete(f"{SECRETS}/gone")
        patient.settled()
        backup = patient.backup()
        heard = lambda: any(b'"name":"gone"' in data for data in listener.heard)  # noqa: E731
        wait_until(heard, what="the listener to have heard it")
    assert patient.api.get(f"{SECRETS}/a").json["data"] == secret("a")["data"]
    patient.server.stop()
    patient.redis.stop()
    patient.nats.stop()
    disks = [path for path in patient.directory.rglob("*") if path.is_file() and path.parent.name != "pki"]
    assert any("appendonly" in path.name for path in disks)
    assert any(path.suffix == ".blk" for path in disks)
    places = {**{str(path): path.read_bytes() for path in disks}, "backup": backup, "bus": b"\n".join(listener.heard)}
    assert [(place, word) for place, data in places.items() for word in words() if word in data] == []
    key = (patient.directory / "api" / "secrets.keys").read_bytes().strip()
    assert [place for place, data in places.items() if key in data] == [str(patient.directory / "api" / "secrets.keys")]
    patient.redis.start()
    patient.nats.start()
    patient.server = patient.another_server()
    patient.server.start()


def rotate(patient: Patient) -> Obj:
    *_, last = patient.told("POST", "/backbeat/secrets/rotate")
    return last["end"]


def test_secrets_outlive_a_change_of_the_key(patient: Patient) -> None:
    for n in range(40):
        patient.api.make(SECRETS, secret(f"s{n}", f"value {n}"))
    file = patient.directory / "api" / "secrets.keys"
    old = file.read_text().strip()
    before = {one["metadata"]["name"]: one for one in patient.api.get(SECRETS).json["items"]}
    new = add(file)
    end = rotate(patient)
    assert (end["key"], end["rotated"], end["already"], end["unreadable"]) == (new.id, 40, 0, [])
    assert len(end["otherKeys"]) == 1
    assert rotate(patient)["already"] == 40
    patient.well()
    file.write_text(new.text + "\n")
    patient.restart()
    after = {one["metadata"]["name"]: one for one in patient.api.get(SECRETS).json["items"]}
    assert {name: one["data"] for name, one in after.items()} == {name: one["data"] for name, one in before.items()}
    assert after["s1"]["metadata"]["annotations"] == before["s1"]["metadata"]["annotations"]
    assert old not in str(after)
    patient.well()


def test_another_server_finds_a_key_that_was_added_while_it_ran(patient: Patient) -> None:
    other = patient.another_server()
    other.start()
    patient.api.make(SECRETS, secret("a"))
    add(patient.directory / "api" / "secrets.keys")
    assert rotate(patient)["rotated"] == 1
    there = Client(other.port, other.tls, other.token())
    assert there.get(f"{SECRETS}/a").json["data"] == secret("a")["data"]
    there.close()
    other.stop()


def test_keys_from_the_environment_need_no_file(tmp_path: Path) -> None:
    key = SealingKey.new()
    with Patient(tmp_path) as patient:
        patient.restart(secrets_key_file=None, secrets_keys=key.text)
        patient.api.make(SECRETS, secret("a"))
        assert rotate(patient) == {"key": key.id, "rotated": 0, "already": 1, "unreadable": [], "otherKeys": []}
        patient.restart(secrets_key_file=None, secrets_keys=key.text)
        assert patient.api.get(f"{SECRETS}/a").json["data"] == secret("a")["data"]


def test_a_lost_key_is_an_error_of_its_secrets_alone(patient: Patient) -> None:
    patient.api.make(SECRETS, secret("lost"))
    file = patient.directory / "api" / "secrets.keys"
    [lost] = [SealingKey.of(base64.b64decode(file.read_text()))]
    file.write_text(SealingKey.new().text + "\n")
    patient.restart()
    patient.api.make(SECRETS, secret("readable"))

    why = f"Secret default/lost was sealed with the key {lost.id}, which this server does not have"
    answer = patient.api.get(f"{SECRETS}/lost")
    assert (answer.status, answer.message) == (500, f"Internal error occurred: {why}")
    listed = {one["metadata"]["name"]: one for one in patient.api.get(SECRETS).json["items"]}
    assert listed["readable"]["data"] == secret("readable")["data"]
    assert listed["lost"]["metadata"]["annotations"] == {UNREADABLE: why}
    assert "data" not in listed["lost"]
    with patient.api.watch(SECRETS, watch=1) as watch:
        assert sorted(one["object"]["metadata"]["name"] for one in watch.take(2)) == ["lost", "readable"]
    assert patient.api.patch(f"{SECRETS}/lost", {"metadata": {"labels": {"x": "y"}}}).status == 500
    assert patient.api.put(f"{SECRETS}/lost", {**listed["lost"], "data": {}}).status == 500
    found = patient.ill()
    assert list(found) == ["secrets"]
    assert found["secrets"]["details"] == [why]
    assert rotate(patient)["unreadable"] == [why]

    assert patient.api.delete(f"{SECRETS}/lost").status == 200
    patient.well()


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_only_a_post_changes_the_seal(patient: Patient, method: str) -> None:
    assert patient.api.request(method, "/backbeat/secrets/rotate").status == 405
