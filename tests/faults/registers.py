"""Clients that share objects: each reads them, by GET and by LIST, and patches them whatever they hold.

What they saw is interesting where their requests overlap, and where they ask different servers: see
`tests.faults.linearizable`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tests.faults.history import ANY_VERSION, Outcome, Read
from tests.faults.http1 import Place
from tests.faults.load import Client, Load

KEYS = 3


def patchers(count: int) -> list[Callable[[Load, Sequence[Place]], Client]]:
    """For a Load's `others`."""

    def patcher(number: int) -> Callable[[Load, Sequence[Place]], Client]:
        return lambda load, places: _Patcher(load, f"p{number}", places)

    return [patcher(number) for number in range(count)]


class _Patcher(Client):
    async def _step(self) -> None:
        key = f"{self._load.name}register-{self._choose.randrange(KEYS)}"
        match self._choose.choices(["get", "list", "patch", "delete"], [4, 2, 4, 0.3])[0]:
            case "get":
                await self._ensure(await self._read(key))
            case "list":
                await self._ensure(await self._read(key, by_list=True))
            case "delete":
                await self._remove(await self._read(key))
            case _:
                await self._patch(key)
        await asyncio.sleep(self._load.pause_seconds)

    async def _patch(self, key: str) -> None:
        value = self._value()
        await self._write(key, "MODIFIED", base_rv=ANY_VERSION, value=value, data={"v": value})

    async def _ensure(self, read: Read) -> None:
        """Make what is not there; another one may be faster."""
        if not read.rv:
            value = self._value()
            await self._write(read.key, "ADDED", base_rv=0, value=value, data={"v": value})

    async def _remove(self, read: Read) -> None:
        if read.rv:
            done = await self._write(read.key, "DELETED", base_rv=read.rv, value=self._value(), data={})
            if done.outcome is Outcome.ACKNOWLEDGED:
                await self._ensure(await self._read(read.key))
