"""Keys of Secrets: from a file, from a variable, and how one is added."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest

from apiserver.store.keyring import KeyFileError, Keyring, SealingKey, add, load_keys


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


def test_a_new_key_is_put_in_front_and_the_old_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    [old] = load_keys(path)
    path.write_text(f"# of last year\n{path.read_text()}")
    new = add(path)
    assert load_keys(path) == [new, old]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_keys_come_from_a_variable_without_any_file(tmp_path: Path) -> None:
    one, two = SealingKey.new(), SealingKey.new()
    for text in (f"{one.text},{two.text}", f" {one.text}\n{two.text} "):
        assert Keyring(variable=text).load() == [one, two]
    assert one.text not in repr(Keyring(variable=one.text))
    missing = tmp_path / "none"
    assert Keyring(missing, one.text).load() == [one]
    assert not missing.exists()


def test_keys_of_the_variable_come_before_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    [old] = load_keys(path)
    new = SealingKey.new()
    assert Keyring(path, new.text).load() == [new, old]
    assert Keyring(path, old.text).load() == [old]
    assert Keyring(path).load() == [old]


@pytest.mark.parametrize(("text", "complaint"), [("x", "key 1 of the variable: not base64"), (" , ", "name a file")])
def test_a_bad_variable_says_what_is_wrong_and_shows_no_key(text: str, complaint: str) -> None:
    with pytest.raises(KeyFileError, match=complaint):
        Keyring(variable=text).load()
