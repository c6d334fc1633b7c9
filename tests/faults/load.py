"""Writers that never stop, and record what they were told.

Each writer owns some ConfigMaps and creates, updates and deletes them in turn, always against the resourceVersion that
it knows. After anything but an acknowledgement it reads until it knows again. Beside them, counters: all writers add
one to the same object by read and conditional write, so that a lost update shows as a number that is there twice.
And one at each server lists all of it over and over, in pages.
Other clients, such as those of `tests.faults.registers`, may be given. What each of them does is chosen by the seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import orjson

from tests.conftest import eventually
from tests.faults.history import ANY_VERSION, History, Kind, Listing, Outcome, Read, Write
from tests.faults.http1 import Answer, HttpConnection, Place, Unanswered, Unreached

NAMESPACE = "default"
CONFIGMAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
COUNTER = "counter"
PAUSE_SECONDS = 0.05
LIST_PAUSE_SECONDS = 0.1
LIST_LIMIT = 20
DELETIONS = 0.25
"""Of the writes to an object that is there."""

_NOTHING_WRITTEN = frozenset({400, 403, 404, 409, 413, 422, 429, 503})


class Load:
    """`places`: writers spread over them, and each goes on at the next one when its own does not answer.
    `padding`: bytes that each object has beside its value. `pause_seconds`: between two writes of one writer. `name`:
    what the names of clients, and so of their objects and values, begin with. `others`: more clients."""

    def __init__(
        self,
        places: Sequence[Place],
        *,
        writers: int = 12,
        keys: int = 4,
        counters: int = 2,
        padding: int = 0,
        pause_seconds: float = 0.01,
        name: str = "",
        seed: int = 0,
        others: Sequence[Callable[[Load, Sequence[Place]], Client]] = (),
    ) -> None:
        self.history = History()
        self.name = name
        self.seed = seed
        self.pause_seconds = pause_seconds
        self.padding = "x" * padding
        self.stopping = False
        own = [_Writer(self, f"w{n}", _turned(places, n), keys=keys) for n in range(writers)]
        shared = [_Counter(self, f"c{n}", _turned(places, n)) for n in range(counters)]
        listers = [_Lister(self, f"l{n}", _turned(places, n)) for n in range(len(places))]
        more = [make(self, _turned(places, n)) for n, make in enumerate(others)]
        self._clients: list[Client] = [*own, *shared, *listers, *more]

    def again(self) -> contextlib.AbstractAsyncContextManager[Load]:
        """The same clients go on."""
        self.stopping = False
        return self.running()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        """Write for the length of a block. Each client finishes what it has begun."""
        tasks = [asyncio.create_task(client.run(), name=f"load-{client.name}") for client in self._clients]
        try:
            yield self
            self.stopping = True
            async with asyncio.timeout(90):
                await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def acknowledged(self, more: int, *, timeout_seconds: float = 60.0) -> None:
        """Wait for so many more acknowledged writes."""
        wanted = self.history.acknowledged + more
        try:
            await eventually(lambda: self.history.acknowledged >= wanted, timeout_seconds=timeout_seconds)
        except TimeoutError as err:
            raise TimeoutError(f"{more} more writes were not acknowledged: {self.history.told()}") from err

    async def refused(self, status: int, *, timeout_seconds: float = 30.0) -> str:
        """Wait for a refusal with this status that comes after now; its message."""
        seen = len(self.history.writes)
        found: list[str] = []

        def there() -> bool:
            found[:] = [w.why for w in self.history.writes[seen:] if w.why.startswith(f"{status} ")]
            return bool(found)

        try:
            await eventually(there, timeout_seconds=timeout_seconds)
        except TimeoutError as err:
            raise TimeoutError(f"no write was answered {status}: {self.history.told()}") from err
        return found[0]


def _turned(places: Sequence[Place], by: int) -> list[Place]:
    shift = by % len(places)
    return [*places[shift:], *places[:shift]]


class Client:
    """One client with one connection at a time."""

    def __init__(self, load: Load, name: str, places: Sequence[Place]) -> None:
        self.name = load.name + name
        self._load = load
        self._choose = random.Random(f"{load.seed}-{self.name}")
        self._connections = itertools.cycle([HttpConnection(place) for place in places])
        self._count = len(places)
        self._connection = next(self._connections)
        self._serial = itertools.count()

    async def run(self) -> None:
        try:
            while not self._load.stopping:
                await self._step()
        finally:
            for _ in range(self._count):
                next(self._connections).close()

    async def _step(self) -> None:
        raise NotImplementedError

    def _value(self) -> str:
        return f"{self.name}-{next(self._serial)}"

    async def _write(self, key: str, kind: Kind, *, base_rv: int, value: str, data: dict[str, str]) -> Write:
        """Send, record, and have an unhappy client wait a little."""
        method, path, body = _request_of(key, kind, base_rv=base_rv, data=data)
        started = time.monotonic()
        answer: Answer | None = None
        outcome, why = Outcome.UNKNOWN, ""
        try:
            answer = await self._connection.request(method, path, body)
            outcome, why = _outcome_of(answer)
        except Unreached as err:
            outcome, why = Outcome.REFUSED, f"unreached: {err}"
        except Unanswered as err:
            why = f"unanswered: {err}"
        told = answer.body if answer is not None and outcome is Outcome.ACKNOWLEDGED and kind != "DELETED" else b""
        write = Write(key, kind, value, base_rv, started, time.monotonic(), outcome, _rv_of(told), told, why)
        self._load.history.writes.append(write)
        if outcome is not Outcome.ACKNOWLEDGED and (answer is None or answer.status != 409):
            await self._elsewhere()
        return write

    async def _read(self, key: str, *, by_list: bool = False) -> Read:
        """Until a server answers it. What was answered otherwise is not recorded: it says nothing."""
        path = f"{CONFIGMAPS}?fieldSelector=metadata.name%3D{key}" if by_list else f"{CONFIGMAPS}/{key}"
        while True:
            started = time.monotonic()
            try:
                answer = await self._connection.request("GET", path)
            except (Unreached, Unanswered):
                await self._elsewhere()
                continue
            if answer.status in (200, 404):
                found = answer.body if answer.status == 200 else b""
                if by_list:
                    items = answer.json()["items"]
                    found = orjson.dumps(items[0]) if items else b""
                read = Read(key, started, time.monotonic(), _rv_of(found), found)
                self._load.history.reads.append(read)
                return read
            await self._elsewhere()

    async def _elsewhere(self) -> None:
        self._connection = next(self._connections)
        await asyncio.sleep(PAUSE_SECONDS)


class _Writer(Client):
    """The only one that writes to its keys."""

    def __init__(self, load: Load, name: str, places: Sequence[Place], *, keys: int) -> None:
        super().__init__(load, name, places)
        self._known: dict[str, int | None] = {f"{self.name}-key-{n}": 0 for n in range(keys)}
        """The resourceVersion of each; 0: there is none; None: to be read."""
        self._keys = list(self._known)

    async def _step(self) -> None:
        key = self._choose.choice(self._keys)
        known = self._known[key]
        if known is None:
            known = self._known[key] = (await self._read(key)).rv
        kind = self._next_kind(known)
        value = self._value()
        write = await self._write(key, kind, base_rv=known, value=value, data={"v": value, "p": self._load.padding})
        if write.outcome is not Outcome.ACKNOWLEDGED:
            self._known[key] = None
        else:
            self._known[key] = write.rv
            await asyncio.sleep(self._load.pause_seconds)

    def _next_kind(self, known: int) -> Kind:
        if known == 0:
            return "ADDED"
        return "DELETED" if self._choose.random() < DELETIONS else "MODIFIED"


class _Counter(Client):
    """One of several that count in the same object."""

    async def _step(self) -> None:
        key = f"{self._load.name}{COUNTER}"
        read = await self._read(key)
        value = self._value()
        count = 1 + (int(_data_of(read.answer)["n"]) if read.rv else 0)
        await self._write(
            key,
            "MODIFIED" if read.rv else "ADDED",
            base_rv=read.rv,
            value=value,
            data={"v": value, "n": str(count)},
        )
        await asyncio.sleep(PAUSE_SECONDS)


class _Lister(Client):
    """Lists everything, in pages of one snapshot. A list that was not answered to its end says nothing."""

    async def _step(self) -> None:
        started, ended, token, rv = time.monotonic(), 0.0, "", 0
        objects: dict[str, int] = {}
        while True:
            page = await self._page(token)
            if page is None:
                return
            ended = ended or time.monotonic()
            rv = int(page["metadata"]["resourceVersion"])
            objects |= {i["metadata"]["name"]: int(i["metadata"]["resourceVersion"]) for i in page["items"]}
            token = page["metadata"].get("continue", "")
            if not token:
                break
        self._load.history.listings.append(Listing(started, ended, rv, objects))
        await asyncio.sleep(LIST_PAUSE_SECONDS)

    async def _page(self, token: str) -> dict[str, Any] | None:
        try:
            answer = await self._connection.request("GET", f"{CONFIGMAPS}?limit={LIST_LIMIT}&continue={token}")
        except (Unreached, Unanswered):
            answer = None
        if answer is None or answer.status != 200:
            await self._elsewhere()
            return None
        page: dict[str, Any] = answer.json()
        return page


def _request_of(key: str, kind: Kind, *, base_rv: int, data: dict[str, str]) -> tuple[str, str, Any]:
    if kind == "DELETED":
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": str(base_rv)}}
        return "DELETE", f"{CONFIGMAPS}/{key}", options
    if base_rv == ANY_VERSION:
        return "PATCH", f"{CONFIGMAPS}/{key}", {"data": data}
    metadata = {"name": key, **({"resourceVersion": str(base_rv)} if base_rv else {})}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    return ("POST", CONFIGMAPS, body) if kind == "ADDED" else ("PUT", f"{CONFIGMAPS}/{key}", body)


def _outcome_of(answer: Answer) -> tuple[Outcome, str]:
    if answer.status in (200, 201):
        return Outcome.ACKNOWLEDGED, ""
    outcome = Outcome.REFUSED if answer.status in _NOTHING_WRITTEN else Outcome.UNKNOWN
    return outcome, f"{answer.status} {answer.message}"


def _rv_of(raw: bytes) -> int:
    return int(Answer(200, raw, {}).json()["metadata"]["resourceVersion"]) if raw else 0


def _data_of(raw: bytes) -> dict[str, str]:
    data: dict[str, str] = Answer(200, raw, {}).json()["data"]
    return data
