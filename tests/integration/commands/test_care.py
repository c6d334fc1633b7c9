"""`backbeat doctor`, `repair`, `backup`, `restore` and `secrets rotate` as users run them."""

from __future__ import annotations

import gzip
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.care.patient import Patient
from tests.integration.commands.command import backbeat
from tests.integration.rest.client import path_of
from tests.integration.rest.server import NOBODY
from tests.plane import Ran


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    with Patient(tmp_path / "one") as made:
        yield made


def run(patient: Patient, *args: str | Path) -> Ran:
    return backbeat(patient.kubeconfig(), *map(str, args))


def test_the_doctor_shows_a_table_and_fails_when_something_is_wrong(patient: Patient) -> None:
    (rv,) = patient.make("a")
    patient.settled()
    patient.well()
    ran = run(patient, "doctor")
    assert (ran.code, ran.err) == (0, "")
    table = [line.split()[:2] for line in ran.out.splitlines()]
    checks = ["numbers", "outbox", "objects", "subscriptions", "secrets"]
    assert table == [["CHECK", "STATE"], *([check, "ok"] for check in checks)]

    patient.redis.ask("HDEL", "{backbeat}:objects:/configmaps", "default/a")
    ran = run(patient, "doctor")
    assert ran.code == 1
    assert "objects        FAILED  1 of" in ran.out
    assert f"configmaps/default/a: Redis does not have it, the stream's last change of it is ADDED {rv}" in ran.out
    assert "→ see what `backbeat repair` would do" in ran.out
    told = run(patient, "doctor", "-o", "json")
    assert (told.code, told.json["ok"], [one["check"] for one in told.json["checks"]]) == (1, False, checks)


def test_a_repair_says_first_what_it_would_do(patient: Patient) -> None:
    assert run(patient, "repair").out == "There is nothing to repair.\n"
    older = patient.old_redis()
    (rv,) = patient.make("a")
    patient.settled()
    patient.put_back_redis(older)
    patient.restart(wait=False)
    ran = run(patient, "repair")
    assert ran.code == 1
    assert ran.out.startswith(f"1. the changes {rv} to {rv} are applied to Redis, under the same numbers\n")
    assert ran.err == "Nothing was done. --yes does it.\n"
    assert patient.rv() == rv - 1
    ran = run(patient, "repair", "--from", "record", "--yes")
    assert ran.code == 1
    assert "loses the changes" in ran.out
    assert "--accept-loss says that this is meant" in ran.err
    ran = run(patient, "repair", "--yes")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Done. `backbeat doctor` looks at everything again.")
    assert run(patient, "doctor").code == 0


def test_a_repair_that_needs_a_choice_asks_for_it(patient: Patient) -> None:
    patient.make("a")
    patient.settled()
    patient.redis.ask("HDEL", "{backbeat}:objects:/configmaps", "default/a")
    ran = run(patient, "repair", "--yes", "-o", "json")
    assert ran.code == 1
    assert "say --from stream to make Redis what the stream says of them" in ran.json["choose"]
    ran = run(patient, "repair", "--yes", "--accept-loss", "--from", "stream", "-o", "json")
    assert (ran.code, ran.json["done"], ran.json["finished"]) == (0, ["objects"], True)
    patient.well()


def test_a_backup_is_a_file_for_its_owner_and_restores_elsewhere(patient: Patient, tmp_path: Path) -> None:
    patient.make("a", "b")
    patient.api.make(path_of("default", "secrets"), {"metadata": {"name": "s"}, "stringData": {"p": "hunter2"}})
    rv = patient.settled()
    file = tmp_path / "copy"
    ran = run(patient, "backup", file)
    assert (ran.code, ran.err) == (0, "")
    first, second = ran.out.splitlines()
    assert first.startswith(f"{file}: resourceVersion {rv}, ")
    assert "keys of Secrets are not in it" in second
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["copy"]
    assert b"hunter2" not in gzip.decompress(file.read_bytes())
    again = run(patient, "backup", file)
    assert (again.code, again.err) == (1, f"error: {file} is there already; name another file, or remove it\n")

    with Patient(tmp_path / "two") as other:
        ran = run(other, "restore", file)
        assert ran.code == 1
        assert "were sealed with keys that the API server does not have" in ran.err
        (other.directory / "api" / "secrets.keys").write_bytes(
            (patient.directory / "api" / "secrets.keys").read_bytes()
        )
        other.restart()
        ran = run(other, "restore", file)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(f"Restored resourceVersion {rv}: ")
        assert other.config_maps() == patient.config_maps()
        assert other.api.get(path_of("default", "secrets", "s")).json["data"] == {"p": "aHVudGVyMg=="}
        refused = run(other, "restore", file)
        assert refused.code == 1
        assert "is not empty: it holds 2 configmaps, 1 secrets, at resourceVersion" in refused.err
        forced = run(other, "restore", "--force", "-o", "json", file)
        assert forced.code == 0
        assert "--force replaces all of it" in forced.err
        assert forced.json["resourceVersion"] == rv
        other.well()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda b: b[: len(b) // 2], "it is damaged, or its end is missing"),
        (lambda b: b"hello", "it is damaged"),
        (lambda b: gzip.compress(gzip.decompress(b).replace(b"default/a", b"default/b")), "its checksum is wrong"),
        (lambda b: gzip.compress(gzip.decompress(b).rpartition(b'{"checksum"')[0]), "its end is missing"),
    ],
)
def test_a_damaged_backup_is_refused_before_anything_is_touched(
    patient: Patient, tmp_path: Path, spoil: object, why: str
) -> None:
    patient.make("a")
    file = tmp_path / "copy"
    assert run(patient, "backup", file).code == 0
    assert callable(spoil)
    file.write_bytes(spoil(file.read_bytes()))
    with patient.api.unchanged():
        ran = run(patient, "restore", "--force", file)
    assert ran.code == 1
    assert ran.err.startswith(f"error: {file} is not a backup that can be restored: ")
    assert why in ran.err


def test_a_backup_that_cannot_be_written_leaves_nothing(patient: Patient, tmp_path: Path) -> None:
    ran = run(patient, "backup", tmp_path / "none" / "copy")
    assert (ran.code, ran.err) == (1, f"error: there is no folder {tmp_path / 'none'}\n")
    patient.redis.stop()
    ran = run(patient, "backup", tmp_path / "copy")
    assert ran.code == 1
    assert "the store is not available" in ran.err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
    patient.redis.start()


def test_rotating_keys_of_a_control_plane_that_is_reached_by_its_kubeconfig(patient: Patient) -> None:
    for name in "ab":
        patient.api.make(path_of("default", "secrets"), {"metadata": {"name": name}, "stringData": {"p": "x"}})
    ran = run(patient, "secrets", "rotate")
    assert ran.code == 0
    assert ran.out.startswith("0 Secrets were sealed anew with the key ")
    assert ran.out.endswith(", 2 were already.\n")
    assert json.loads(run(patient, "secrets", "rotate", "-o", "json").out)["already"] == 2


@pytest.mark.parametrize("command", [("doctor",), ("repair", "--yes"), ("backup", "FILE"), ("secrets", "rotate")])
def test_somebody_without_rights_is_told_so(patient: Patient, tmp_path: Path, command: tuple[str, ...]) -> None:
    words = [str(tmp_path / "copy") if word == "FILE" else word for word in command]
    ran = backbeat(patient.kubeconfig(NOBODY), *words)
    assert ran.code == 1
    assert 'forbidden: User "nobody" cannot' in ran.err
    assert not (tmp_path / "copy").exists()
