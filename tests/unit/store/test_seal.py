from __future__ import annotations

import base64
import os
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest

from apiserver.store.base import StoredResource
from apiserver.store.seal import KeyFileError, Sealer, SealingKey, Unsealable, load_keys


def secret(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "db",
            "namespace": "shop",
            "uid": "u1",
            "resourceVersion": "7",
            "labels": {"app": "db"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"p":"aHVudGVyMg=="}}'},
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:data": {"f:p": {}}}}],
        },
        "type": "Opaque",
        "data": {"p": "aHVudGVyMg=="},
        **changes,
    }


@pytest.fixture
def sealer() -> Sealer:
    return Sealer([SealingKey.of(os.urandom(32))])


def test_a_sealed_secret_comes_back_as_it_was(sealer: Sealer) -> None:
    raw = orjson.dumps(sealer.seal(secret()))
    assert orjson.loads(sealer.unseal(raw)) == secret()


def test_only_what_controllers_need_stays_readable(sealer: Sealer) -> None:
    sealed = sealer.seal(secret())
    assert sealed.keys() == {"sealed", "apiVersion", "kind", "metadata"}
    assert sealed["metadata"] == {
        "name": "db", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "labels": {"app": "db"},
    }  # fmt: skip
    assert b"aHVudGVyMg" not in orjson.dumps(sealed)
    assert b"Opaque" not in orjson.dumps(sealed)


def test_the_same_secret_is_never_sealed_alike(sealer: Sealer) -> None:
    assert sealer.seal(secret())["sealed"] != sealer.seal(secret())["sealed"]


def test_a_new_number_does_not_break_the_seal(sealer: Sealer) -> None:
    sealed = sealer.seal(secret())
    sealed["metadata"]["resourceVersion"] = "8"
    assert orjson.loads(sealer.unseal(orjson.dumps(sealed)))["metadata"]["resourceVersion"] == "8"


@pytest.mark.parametrize("field", ["name", "namespace", "uid"])
def test_a_ciphertext_that_was_moved_to_another_object_is_refused(sealer: Sealer, field: str) -> None:
    sealed = sealer.seal(secret())
    sealed["metadata"][field] = "other"
    with pytest.raises(Unsealable, match="can't be opened"):
        sealer.unseal(orjson.dumps(sealed))


def test_changed_bytes_are_refused(sealer: Sealer) -> None:
    sealed = sealer.seal(secret())
    ciphertext = bytearray(base64.b64decode(sealed["sealed"]["ciphertext"]))
    ciphertext[-1] ^= 1
    sealed["sealed"]["ciphertext"] = base64.b64encode(ciphertext).decode()
    with pytest.raises(Unsealable):
        sealer.unseal(orjson.dumps(sealed))


def test_an_old_key_still_reads_and_the_first_key_writes() -> None:
    old, new = SealingKey.of(os.urandom(32)), SealingKey.of(os.urandom(32))
    raw = orjson.dumps(Sealer([old]).seal(secret()))
    both = Sealer([new, old])
    assert orjson.loads(both.unseal(raw)) == secret()
    assert both.seal(secret())["sealed"]["keyID"] == new.id
    with pytest.raises(Unsealable, match=old.id):
        Sealer([new]).unseal(raw)


def test_what_is_not_sealed_comes_back_untouched(sealer: Sealer) -> None:
    raw = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"\\"sealed\\":{\\"keyID\\":"}}'
    assert sealer.unseal(raw) is raw
    custom = b'{"sealed":{"keyID":"mine"},"apiVersion":"example.org/v1","kind":"Envelope","metadata":{"name":"a"}}'
    assert sealer.unseal(custom) is custom


def test_secrets_are_sealed_and_nothing_else(sealer: Sealer) -> None:
    assert sealer.seals(StoredResource("", "secrets"))
    assert not sealer.seals(StoredResource("", "configmaps"))
    assert not sealer.seals(StoredResource("example.org", "secrets"))
    with pytest.raises(ValueError, match="not a sealed kind"):
        sealer.seal(secret(kind="ConfigMap"))


def test_a_missing_key_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secrets.key"
    keys = load_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_keys(path) == keys
    assert len(keys) == 1
    assert list(path.parent.iterdir()) == [path]
    assert base64.b64encode(keys[0].secret).decode() not in repr(keys)


def test_a_key_file_may_hold_old_keys_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    secrets = [os.urandom(32), os.urandom(32)]
    path.write_text("# newest first\n\n" + "\n".join(base64.b64encode(s).decode() for s in secrets) + "\n")
    assert [key.secret for key in load_keys(path)] == secrets


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("", "holds no key"), ("not base64!", "line 1: not base64"), ("c2hvcnQ=", "5 bytes, it must have 32")],
)
def test_a_bad_key_file_says_what_is_wrong(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(KeyFileError, match=complaint):
        load_keys(path)
