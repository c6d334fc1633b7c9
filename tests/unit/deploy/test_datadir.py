from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from deploy import datadir
from deploy.datadir import MAX_SOCKET_PATH, DataDir
from deploy.errors import UserError


def _deep(tmp_path: Path) -> DataDir:
    return DataDir.at(tmp_path / ("x" * 60) / ("y" * 60))


def test_the_socket_lies_in_the_data_dir_where_its_path_is_short_enough() -> None:
    assert DataDir.at(Path("/srv/plane")).redis_socket == Path("/srv/plane/redis/redis.sock")


def test_a_data_dir_just_at_the_limit_keeps_its_socket() -> None:
    tail = len("/redis/redis.sock")
    longest = Path("/" + "d" * (MAX_SOCKET_PATH - tail - 1))
    assert DataDir(longest).redis_socket.is_relative_to(longest)
    assert not DataDir(Path(f"{longest}d")).redis_socket.is_relative_to(longest)


def test_the_limit_counts_bytes_and_not_letters() -> None:
    assert DataDir(Path("/" + "ä" * 50)).redis_socket.parent.name.startswith("backbeat-")


def test_two_deep_data_dirs_have_two_sockets_and_each_always_the_same(tmp_path: Path) -> None:
    one, other = _deep(tmp_path / "a"), _deep(tmp_path / "b")
    assert one.redis_socket != other.redis_socket
    assert one.redis_socket == _deep(tmp_path / "a").redis_socket
    assert len(os.fsencode(one.redis_socket)) <= MAX_SOCKET_PATH


def test_the_folder_of_a_deep_data_dir_is_private_and_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datadir, "SHORT_ROOT", tmp_path)
    data = _deep(tmp_path)
    data.create()
    assert stat.S_IMODE(data.short_directory.stat().st_mode) == 0o700
    data.redis_socket.touch()
    data.remove_short_directory()
    assert not data.short_directory.exists()


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadir, "SHORT_ROOT", tmp_path)
    data = _deep(tmp_path)
    data.short_directory.mkdir(mode=0o755)
    with pytest.raises(UserError, match="not a private folder"):
        data.create()


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadir, "SHORT_ROOT", tmp_path)
    data = _deep(tmp_path)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    data.short_directory.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="not a private folder"):
        data.create()


def test_only_its_owner_can_enter_a_data_dir(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "plane")
    data.create()
    assert stat.S_IMODE(data.root.stat().st_mode) == 0o700


def test_a_data_dir_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="name another with --data-dir"):
        DataDir.at(tmp_path / "file" / "plane").create()
