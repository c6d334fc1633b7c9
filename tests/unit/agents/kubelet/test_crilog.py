"""A container's log as it stands on disk."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agents.kubelet import crilog
from agents.kubelet.crilog import Line, files, parse
from agents.kubelet.runtime import LogOptions
from tests.conftest import eventually


def stamp(second: int) -> str:
    return f"2026-03-01T12:00:{second:02d}.000000000Z"


def line(second: int, text: str, *, tag: str = "F", stream: str = "stdout") -> str:
    return f"{stamp(second)} {stream} {tag} {text}\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "0.log"


def write(log: Path, text: str) -> None:
    log.write_text(text)


def rotate(log: Path) -> None:
    log.rename(log.with_name("0.log.000001"))


async def ended() -> bool:
    return True


async def read(log: Path, **options: Any) -> str:
    return b"".join([b async for b in crilog.read(log, LogOptions(**options), ended=ended)]).decode()


def test_one_line() -> None:
    assert parse(b"T stdout F hello world") == Line(b"T", b"hello world\n")
    assert parse(b"T stderr P part") == Line(b"T", b"part")
    assert parse(b"T stdout F ") == Line(b"T", b"\n")
    assert parse(b"torn by a crash") is None
    assert parse(b"") is None


async def test_both_streams_in_order(log: Path) -> None:
    write(log, line(1, "out") + line(2, "err", stream="stderr"))
    assert await read(log) == "out\nerr\n"


async def test_parts_are_joined(log: Path) -> None:
    write(log, line(1, "one ", tag="P") + line(1, "line") + line(2, "end", tag="P"))
    assert await read(log) == "one line\nend"
    assert await read(log, timestamps=True) == f"{stamp(1)} one line\n{stamp(2)} end"


async def test_rotated_files_come_first(log: Path) -> None:
    log.with_name("0.log.000002").write_text(line(2, "b"))
    log.with_name("0.log.000001").write_text(line(1, "a"))
    log.with_name("0.log.tmp").write_text("not of this log")
    write(log, line(3, "c"))
    assert [p.name for p in files(log)] == ["0.log.000001", "0.log.000002", "0.log"]
    assert await read(log) == "a\nb\nc\n"


@pytest.mark.parametrize(("tail", "text"), [(0, ""), (1, "3\n"), (2, "2\n3\n"), (9, "1\n2\n3\n"), (None, "1\n2\n3\n")])
async def test_the_last_lines(log: Path, tail: int | None, text: str) -> None:
    write(log, "".join(line(n, str(n)) for n in (1, 2, 3)))
    assert await read(log, tail_lines=tail) == text


async def test_a_line_in_parts_is_one_line_of_a_tail(log: Path) -> None:
    write(log, line(1, "x") + line(2, "a", tag="P") + line(2, "b", tag="P") + line(2, "c"))
    assert await read(log, tail_lines=1) == "abc\n"


async def test_since_a_moment(log: Path) -> None:
    write(log, "".join(line(n, str(n)) for n in (1, 2, 3)))
    assert await read(log, since=datetime(2026, 3, 1, 12, 0, 2, tzinfo=UTC)) == "2\n3\n"


@pytest.mark.parametrize("limit", [1, 3, 4, 100])
async def test_no_more_bytes_than_asked_for(log: Path, limit: int) -> None:
    write(log, line(1, "one") + line(2, "two"))
    assert await read(log, limit_bytes=limit) == "one\ntwo\n"[:limit]


async def test_a_missing_log_is_empty(log: Path) -> None:
    assert await read(log) == ""


async def test_following_goes_on_across_a_rotation_until_the_end(log: Path) -> None:
    write(log, line(1, "a"))
    over = asyncio.Event()
    found: list[bytes] = []

    async def is_over() -> bool:
        return over.is_set()

    async def follow() -> None:
        async for block in crilog.read(log, LogOptions(follow=True), ended=is_over):
            found[len(found) :] = [block]

    task = asyncio.create_task(follow())
    await eventually(lambda: b"".join(found) == b"a\n", what="the first line")
    with log.open("a") as out:
        out.write(line(2, "b"))
    rotate(log)
    write(log, line(3, "c"))
    await eventually(lambda: b"".join(found) == b"a\nb\nc\n", what="the lines around the rotation")
    with log.open("a") as out:
        out.write(line(4, "last"))
    over.set()
    async with asyncio.timeout(30):
        await task
    assert b"".join(found) == b"a\nb\nc\nlast\n"
