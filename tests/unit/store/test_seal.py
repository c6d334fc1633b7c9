from __future__ import annotations

import base64
import os
from typing import Any

import orjson
import pytest

from apiserver.store.base import StoredResource
from apiserver.store.keyring import SealingKey
from apiserver.store.seal import UNREADABLE, Sealer, Unsealable, key_id_of


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


def test_what_cannot_be_opened_is_shown_as_far_as_it_can_be_read(sealer: Sealer) -> None:
    raw = orjson.dumps(sealer.seal(secret()))
    key = SealingKey.new()
    shown = orjson.loads(Sealer([key]).show(raw))
    assert shown.keys() == {"apiVersion", "kind", "metadata"}
    told = shown["metadata"].pop("annotations")[UNREADABLE]
    assert told == f"Secret shop/db was sealed with the key {sealer.key_id}, which this server does not have"
    assert shown["metadata"] == orjson.loads(raw)["metadata"]
    assert orjson.loads(sealer.show(raw)) == secret()


@pytest.mark.parametrize(
    "envelope", [{"keyID": None}, {"keyID": "x"}, {"keyID": "KEY"}, {"keyID": "KEY", "ciphertext": "e"}]
)
def test_a_broken_envelope_is_an_error_of_that_object_alone(sealer: Sealer, envelope: dict[str, Any]) -> None:
    if envelope["keyID"] == "KEY":
        envelope = {**envelope, "keyID": sealer.key_id}
    raw = orjson.dumps({**sealer.seal(secret()), "sealed": envelope})
    with pytest.raises(Unsealable):
        sealer.unseal(raw)
    assert UNREADABLE in orjson.loads(sealer.show(raw))["metadata"]["annotations"]


def test_a_key_that_is_missing_is_looked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = SealingKey.new(), SealingKey.new()
    given = [old]
    sealer = Sealer(given, reload=lambda: given)
    raw = orjson.dumps(Sealer([new]).seal(secret()))
    with pytest.raises(Unsealable):
        sealer.unseal(raw)
    given.insert(0, new)
    with pytest.raises(Unsealable):  # not so soon
        sealer.unseal(raw)
    monkeypatch.setattr("apiserver.store.seal.RELOAD_SECONDS", 0.0)
    assert orjson.loads(sealer.unseal(raw)) == secret()
    assert sealer.key_ids == [new.id, old.id]
    assert key_id_of(orjson.dumps(sealer.seal(secret()))) == new.id
