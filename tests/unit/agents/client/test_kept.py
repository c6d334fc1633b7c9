"""The file that outlives an agent: one state at a time, found by place, namespace and index, and easily given up."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.client.kept import Entry, Kept, KeptLost, KeptObject, KeptState, layout_of, mark_of

PODS = "/pods"


def kept_object(name: str, *, namespace: str = "a", app: str = "", resource: str = PODS) -> KeptObject:
    obj = {"metadata": {"name": name, "namespace": namespace}, "app": app}
    return KeptObject(resource, (namespace, name), orjson.dumps(obj), [Entry("app", app)] if app else [])


def state(rv: int) -> KeptState:
    return KeptState(rv, mark_of("subject", b"%d" % rv))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agents" / "kept.sqlite"


@pytest.fixture
def kept(path: Path) -> Iterator[Kept]:
    made = opened(path)
    yield made
    made.close()


def opened(path: Path, layout: str = "one") -> Kept:
    made = Kept(path, layout=layout)
    made.open()
    return made


def again(kept: Kept, path: Path, layout: str = "one") -> Kept:
    kept.close()
    return opened(path, layout)


def there(path: Path) -> bool:
    return path.exists()


def names(found: list[Any]) -> set[str]:
    return {obj["metadata"]["name"] for obj in found}


async def test_what_was_heard_is_there_in_the_next_life(kept: Kept, path: Path) -> None:
    kept.note(kept_object("p1", app="web"), state(1))
    kept.note(kept_object("p2", app="web", namespace="b"), state(2))
    kept.hear(state(3))
    await kept.flush()
    later = again(kept, path)
    assert later.state() == state(3)
    assert later.get(PODS, ("a", "p1")) == {"metadata": {"name": "p1", "namespace": "a"}, "app": "web"}
    assert later.get(PODS, ("b", "p1")) is None
    assert names(later.in_namespace(PODS, "b")) == {"p2"}
    assert [(resource, obj["metadata"]["name"]) for resource, obj in later.find(Entry("app", "web"))] == [
        (PODS, "p1"),
        (PODS, "p2"),
    ]
    later.close()


async def test_an_object_that_changes_or_goes_takes_its_entries_along(kept: Kept) -> None:
    kept.note(kept_object("p1", app="web"), state(1))
    await kept.flush()
    kept.note(kept_object("p1", app="db"), state(2))
    await kept.flush()
    assert [kept.find(Entry("app", "web")), len(kept.find(Entry("app", "db")))] == [[], 1]
    kept.note(KeptObject(PODS, ("a", "p1"), None), state(3))
    await kept.flush()
    assert kept.find(Entry("app", "db")) == []
    assert kept.get(PODS, ("a", "p1")) is None


async def test_pages_hold_everything_once(kept: Kept) -> None:
    for number in range(950):
        kept.note(kept_object(f"p{number}"), state(number + 1))
    kept.note(kept_object("node", resource="/nodes"), state(951))
    await kept.flush()
    pages = list(kept.pages(PODS))
    assert len(pages) > 3
    assert sorted(obj["metadata"]["name"] for page in pages for obj in page) == sorted(f"p{n}" for n in range(950))


async def test_a_snapshot_replaces_everything_and_is_of_use_once_a_change_behind_it_was_heard(kept: Kept) -> None:
    kept.note(kept_object("old", app="web"), state(1))
    await kept.flush()
    kept.note(kept_object("older than the snapshot"), state(2))
    kept.replace(iter([kept_object("new", app="web")]), 9)
    await kept.flush()
    assert kept.state() is None
    assert names([obj for _, obj in kept.find(Entry("app", "web"))]) == {"new"}
    assert names(list(kept.in_namespace(PODS, "a"))) == {"new"}
    kept.hear(state(10))
    await kept.flush()
    assert kept.state() == state(10)


async def test_what_was_not_flushed_is_not_there_and_what_was_is_there_after_a_crash(kept: Kept, path: Path) -> None:
    kept.note(kept_object("p1"), state(1))
    await kept.flush()
    kept.note(kept_object("p2"), state(2))
    crashed = path.parent.with_name("crashed")
    shutil.copytree(path.parent, crashed)
    later = opened(crashed / path.name)
    assert later.state() == state(1)
    assert names(later.in_namespace(PODS, "a")) == {"p1"}
    later.close()


async def test_a_file_of_another_layout_is_made_anew(kept: Kept, path: Path) -> None:
    kept.note(kept_object("p1"), state(1))
    await kept.flush()
    later = again(kept, path, layout="two")
    assert later.state() is None
    assert later.get(PODS, ("a", "p1")) is None
    later.close()


@pytest.mark.parametrize(
    "rubbish", [b"", b"no database at all, and long enough to be looked at", b"SQLite format 3\0" * 99]
)
def test_a_file_that_cannot_be_read_is_made_anew(path: Path, rubbish: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(rubbish)
    kept = opened(path)
    assert kept.usable
    assert kept.state() is None
    kept.close()


def test_only_its_owner_may_read_it(kept: Kept, path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0


def test_a_second_process_keeps_nothing(kept: Kept, path: Path) -> None:
    second = opened(path)
    assert not second.usable
    second.close()
    assert kept.usable


async def test_a_disk_that_fails_while_it_is_written_ends_the_copy_and_nothing_else(kept: Kept, path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE entries")
    kept.note(kept_object("p1", app="web"), state(1))
    await kept.flush()
    kept.note(kept_object("p2"), state(2))
    await kept.flush()
    assert not there(path)


async def test_a_copy_that_cannot_be_read_any_more_is_told_and_removed(kept: Kept, path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE objects")
    with pytest.raises(KeptLost):
        kept.get(PODS, ("a", "p1"))
    assert not there(path)


async def test_a_damaged_row_does_not_pass_for_an_object_that_is_not_there(kept: Kept, path: Path) -> None:
    kept.note(kept_object("p1"), state(1))
    await kept.flush()
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE objects SET json = substr(json, 2)")
        other.commit()
    with pytest.raises(KeptLost, match="damaged"):
        kept.get(PODS, ("a", "p1"))
    assert not there(path)


def test_the_layout_changes_with_what_is_watched_and_with_the_program(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    first = layout_of({"/pods": ["", "", False]}, build=tmp_path)
    assert layout_of({"/pods": ["", "", False]}, build=tmp_path) == first
    assert layout_of({"/pods": ["", "", False, "by-node"]}, build=tmp_path) != first
    (tmp_path / "a.py").write_text("12")
    assert layout_of({"/pods": ["", "", False]}, build=tmp_path) != first
