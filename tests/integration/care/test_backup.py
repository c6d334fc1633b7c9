"""A copy made while all runs, and what a control plane is that it was restored into."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from tests.integration.care.patient import Patient
from tests.integration.rest.client import Client, Obj, config_map, path_of
from tests.servers import wait_until

CONFIGMAPS = path_of("default", "configmaps")


@pytest.fixture
def fresh(tmp_path: Path, patient: Patient) -> Iterator[Patient]:
    """Another control plane, with the first one's key of Secrets."""
    directory = tmp_path / "fresh"
    (directory / "api").mkdir(parents=True)
    key = tmp_path / "api" / "secrets.keys"
    (directory / "api" / "secrets.keys").write_bytes(key.read_bytes())
    with Patient(directory) as made:
        yield made


def lines(backup: bytes) -> list[Obj]:
    return [orjson.loads(line) for line in backup.splitlines()]


def rv_of(backup: bytes) -> int:
    return int(next(line["record"]["resourceVersion"] for line in lines(backup) if "record" in line))


def everything(patient: Patient) -> dict[str, dict[str, str]]:
    """All that Redis holds of objects, byte for byte."""
    names = sorted(patient.redis.ask("KEYS", "{backbeat}:objects:*"))
    found = {name.decode(): patient.redis.ask("HGETALL", name) for name in names}
    return {name: {k.decode(): v.decode() for k, v in pairs.items()} for name, pairs in found.items() if pairs}


def changes(patient: Patient, **query: int) -> list[Obj]:
    answer = patient.api.get("/backbeat/changes", **query)
    assert answer.status == 200, answer.body
    return [{k: v for k, v in json.loads(line).items() if k != "published"} for line in answer.body.splitlines()]


def some_life(patient: Patient) -> None:
    patient.make(*(f"c{n}" for n in range(120)))
    for n in range(0, 120, 3):
        patient.api.patch(f"{CONFIGMAPS}/c{n}", {"data": {"x": str(n)}})
    for n in range(0, 120, 7):
        patient.api.delete(f"{CONFIGMAPS}/c{n}")
    patient.api.make(path_of("default", "secrets"), {"metadata": {"name": "s"}, "stringData": {"p": "hunter2"}})


def test_a_restored_control_plane_is_the_one_that_was_copied(patient: Patient, fresh: Patient) -> None:
    some_life(patient)
    patient.subscribe("audit")
    rv = patient.settled()
    backup = patient.backup()
    assert rv_of(backup) == rv
    had = fresh.settled()
    answer = fresh.restore(backup)
    assert answer.status == 200, answer.body
    end = answer.json["end"]
    assert (end["resourceVersion"], end["continuesAfter"], end["historyLost"], end["published"]) == (rv, rv, "", True)
    first = fresh.stream_first()
    assert first == had + 2, "no cursor of the control plane before reaches the stream"
    assert end["history"] == rv - first + 1
    fresh.well()
    assert fresh.rv() == rv or fresh.rv() == rv + 1  # the keeper may have noted something already
    assert fresh.config_maps() == patient.config_maps()
    assert fresh.api.get(path_of("default", "secrets", "s")).json["data"] == {"p": "aHVudGVyMg=="}
    assert changes(fresh, **{"from": first, "to": rv}) == changes(patient, **{"from": first, "to": rv})
    assert fresh.make("next")[0] > rv
    fresh.settled()


def test_watches_and_cursors_go_on_where_they_were(patient: Patient, fresh: Patient) -> None:
    patient.subscribe("audit")
    some_life(patient)
    middle = patient.settled()
    rvs = patient.make("later", "latest")
    patient.settled()
    cursor = patient.subscription("audit")["acknowledged"]
    assert fresh.restore(patient.backup()).status == 200
    with fresh.api.watch(CONFIGMAPS, watch=1, resourceVersion=middle) as watch:
        assert [one["object"]["metadata"]["resourceVersion"] for one in watch.take(2)] == [str(rv) for rv in rvs]
    wait_until(lambda: fresh.subscription("audit")["state"] == "Ready", timeout_seconds=30, what="the consumer")
    found = fresh.subscription("audit")
    assert found["acknowledged"] <= cursor
    assert found["lag"] >= 2


def test_what_was_watched_before_a_restore_begins_anew(patient: Patient, fresh: Patient) -> None:
    some_life(patient)
    before = fresh.settled()
    with fresh.api.watch(CONFIGMAPS, watch=1, resourceVersion=before) as open_watch:
        assert fresh.restore(patient.backup()).status == 200
        ended = open_watch.next()
        assert ended is not None
        assert ended["object"]["code"] == 410
    with fresh.api.watch(CONFIGMAPS, watch=1, resourceVersion=before) as watch:
        frame = watch.next()
        assert frame is not None
        assert frame["object"]["code"] == 410


def test_another_api_server_shows_what_was_restored(patient: Patient, fresh: Patient) -> None:
    some_life(patient)
    patient.settled()
    backup = patient.backup()
    other = fresh.another_server()
    other.start()
    there = Client(other.port, other.tls, other.token())
    with there.watch(CONFIGMAPS, watch=1, resourceVersion=fresh.settled()) as watch:
        assert fresh.restore(backup).status == 200
        frame = watch.next()
        assert frame is not None
        assert frame["object"]["code"] == 410
    wait_until(lambda: there.get(CONFIGMAPS).status == 200, timeout_seconds=30, what="the other server to show it")
    listed = {one["metadata"]["name"]: one for one in there.get(CONFIGMAPS).json["items"]}
    assert listed == fresh.config_maps() == patient.config_maps()
    made = there.make(CONFIGMAPS, config_map("there"))
    assert fresh.api.get(f"{CONFIGMAPS}/there").json == made
    there.close()
    other.stop()


def test_a_copy_is_of_one_moment_although_writes_go_on(patient: Patient, fresh: Patient) -> None:
    """Held against the stream: what is restored is what the changes up to that number come to."""
    some_life(patient)
    with Writers(patient, count=4):
        backups = [patient.backup() for _ in range(3)]
    patient.settled()
    backup = backups[1]
    rv = rv_of(backup)
    listed = lines(backup)
    tail = [line["change"] for line in listed if "change" in line and line["change"] > listed[0]["objectsFrom"]]
    assert tail == list(range(listed[0]["objectsFrom"] + 1, rv + 1))
    answer = fresh.restore(backup)
    assert answer.json["end"]["resourceVersion"] == rv
    expected = {}
    for change in changes(patient, to=rv):
        obj = change["frame"]["object"]
        if change["subject"].startswith("changes.core.configmaps."):
            if change["frame"]["type"] == "DELETED":
                expected.pop(obj["metadata"]["name"])
            else:
                expected[obj["metadata"]["name"]] = obj
    assert fresh.config_maps() == expected
    fresh.well()


class Writers:
    """Change ConfigMaps all the time while the block runs."""

    def __init__(self, patient: Patient, *, count: int) -> None:
        self._stop = threading.Event()
        self._clients = [patient.api.like() for _ in range(count)]
        self._threads = [threading.Thread(target=self._write, args=(n, c)) for n, c in enumerate(self._clients)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread, client in zip(self._threads, self._clients, strict=True):
            thread.join()
            client.close()

    def _write(self, number: int, client: Client) -> None:
        turn = 0
        while not self._stop.is_set():
            name = f"w{number}-{turn % 5}"
            if client.post(CONFIGMAPS, config_map(name)).status == 409:
                action: Callable[..., object] = client.delete if turn % 2 else client.patch
                action(f"{CONFIGMAPS}/{name}", *([] if turn % 2 else [{"data": {"turn": str(turn)}}]))
            turn += 1


def test_a_copy_without_history_begins_the_stream_anew(patient: Patient, fresh: Patient) -> None:
    some_life(patient)
    patient.subscribe("audit")
    rv = patient.settled()
    backup = patient.backup(history="false")
    assert [line for line in lines(backup) if "change" in line] == []
    assert fresh.restore(backup).json["end"]["history"] == 0
    fresh.well()
    assert fresh.stream_first() == rv + 1
    assert everything(fresh)["{backbeat}:objects:/configmaps"] == everything(patient)["{backbeat}:objects:/configmaps"]
    assert fresh.make("next")[0] >= rv + 1


def test_a_copy_can_be_made_while_the_bus_is_away_but_for_its_history(patient: Patient, fresh: Patient) -> None:
    patient.make("a")
    patient.settled()
    patient.nats.stop()
    rvs = patient.make("b", "c")
    assert '"code":503' in patient.backup().decode().splitlines()[-1]
    backup = patient.backup(history="false")
    assert rv_of(backup) == rvs[-1]
    patient.nats.start()
    assert fresh.restore(backup).status == 200
    assert sorted(fresh.config_maps()) == ["a", "b", "c"]


def test_a_control_plane_that_users_work_with_is_replaced_only_by_force(patient: Patient, fresh: Patient) -> None:
    some_life(patient)
    backup = patient.backup()
    fresh.make("mine", "also-mine")
    with fresh.api.unchanged():
        answer = fresh.restore(backup)
        assert answer.status == 409
        assert answer.message == "this control plane is not empty: it holds 2 configmaps"
        assert fresh.api.get("/backbeat/restore").json["holds"] == {"configmaps": 2}
    assert fresh.make("writes-go-on")
    assert fresh.restore(backup, force="true").status == 200
    assert fresh.config_maps() == patient.config_maps()
    fresh.well()


def test_numbers_that_were_given_out_do_not_come_again(patient: Patient) -> None:
    """An older copy of the same control plane: it goes on behind what it had given out, and everybody begins anew."""
    patient.subscribe("audit")
    patient.make("a", "b")
    patient.settled()
    backup = patient.backup()
    patient.make("c")
    patient.api.delete(f"{CONFIGMAPS}/a")
    last = patient.settled()
    answer = patient.restore(backup, force="true")
    assert answer.status == 200, answer.body
    assert (answer.json["end"]["continuesAfter"], answer.json["end"]["history"]) == (last + 1, 0)
    assert sorted(patient.config_maps()) == ["a", "b"]
    assert patient.stream_first() == last + 2
    assert patient.make("next")[0] >= last + 2
    patient.settled()
    patient.well()
    with patient.api.watch(CONFIGMAPS, watch=1, resourceVersion=last) as watch:
        frame = watch.next()
        assert frame is not None
        assert frame["object"]["code"] == 410
    wait_until(lambda: patient.subscription("audit")["state"] == "Expired", timeout_seconds=30, what="Expired")


def test_a_backup_whose_secrets_cannot_be_opened_here_is_refused(patient: Patient, tmp_path: Path) -> None:
    some_life(patient)
    backup = patient.backup()
    with Patient(tmp_path / "without-key") as other:
        answer = other.restore(backup)
        assert answer.status == 409
        assert "sealed with keys that this server does not have" in answer.message
        assert other.restore(backup, force="true").status == 200
        assert sorted(other.config_maps()) == sorted(patient.config_maps())
        unreadable = other.api.get(path_of("default", "secrets", "s"))
        assert (unreadable.status, "does not have" in unreadable.message) == (500, True)
        (other.directory / "api" / "secrets.keys").write_bytes((tmp_path / "api" / "secrets.keys").read_bytes())
        wait_until(
            lambda: other.api.get(path_of("default", "secrets", "s")).status == 200, timeout_seconds=30, what="the key"
        )


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda b: b"", "it ends too early"),
        (lambda b: b"hello\n" + b, "a line is damaged"),
        (lambda b: b.partition(b"\n")[2], "it is not a backup of backbeat"),
        (lambda b: b.replace(b'"backup":1', b'"backup":9'), "of form 9, and this version reads form 1"),
        (lambda b: b.partition(b'{"record"')[0], "it ends too early"),
        (lambda b: b.replace(b'"object":"/configmaps"', b'"other":"x"', 1), "the end of its record"),
        (lambda b: b.partition(b"\n")[0] + b"\n" + b'{"record"' + b.partition(b'{"record"')[2], "is missing"),
        (lambda b: b.replace(b'"rv":', b'"rv":"x', 1), "a line is damaged"),
    ],
)
def test_what_is_no_whole_backup_changes_nothing(patient: Patient, spoil: Callable[[bytes], bytes], why: str) -> None:
    patient.make("a")
    patient.settled()
    spoiled = spoil(patient.backup())
    with patient.api.unchanged():
        answer = patient.restore(spoiled, force="true")
        assert (answer.status, answer.json["reason"]) == (400, "BadRequest"), answer.body
        assert why in answer.message
    assert patient.make("writes-go-on")
    patient.well()
    assert patient.redis.ask("KEYS", "{backbeat}:aside*") == []


def test_history_that_is_not_whole_costs_history_alone(patient: Patient, fresh: Patient) -> None:
    some_life(patient)
    patient.settled()
    whole = patient.backup().splitlines(keepends=True)
    begins = next(n for n, line in enumerate(whole) if line.startswith(b'{"record"'))
    answer = fresh.restore(b"".join(whole[: begins + 100] + whole[begins + 101 :]))
    assert answer.status == 200
    assert "is missing in its history" in answer.json["end"]["historyLost"]
    assert answer.json["end"]["published"]
    fresh.well()
    assert fresh.config_maps() == patient.config_maps()
    assert fresh.make("next")


def test_a_client_that_goes_away_leaves_everything_as_it_was(patient: Patient) -> None:
    patient.make("a")
    patient.settled()
    backup = patient.backup()
    going = patient.client()
    connection = going._connection
    connection.putrequest("POST", "/backbeat/restore?force=true")
    connection.putheader("Authorization", f"Bearer {patient.server.token()}")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    piece = backup[: len(backup) // 2]
    connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    wait_until(lambda: patient.redis.ask("EXISTS", "{backbeat}:closed") == 1, what="the record to be closed")
    assert "a backup is being restored" in patient.api.post(CONFIGMAPS, config_map("b")).message
    second = patient.restore(backup, force="true")
    assert (second.status, "being restored" in second.message) == (409, True)
    connection.close()
    wait_until(lambda: patient.api.post(CONFIGMAPS, config_map("b")).status == 201, what="the record to be open again")
    patient.settled()
    patient.well()
