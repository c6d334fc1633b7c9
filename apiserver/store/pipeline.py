"""Questions that arrive together go to Redis together: one round trip for all that waited.

For reads and for writes that may safely happen twice: when the connection is lost, they are asked once more. Commits
have `apiserver.store.committer`. Answers come in the order of the questions; a question whose asker gave up is dropped.
"""

from __future__ import annotations

import asyncio
from typing import Any

from apiserver.store.base import StoreUnavailable
from apiserver.store.wire import Argument, Command, Refusal, Wire, WireDown, WireLost

TIMEOUT_SECONDS = 5.0
MAX_BATCH = 512

_Question = tuple[Command, "asyncio.Future[Any]"]


class Pipeline:
    """Shares one wire between any number of callers."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._waiting: list[_Question] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, *command: Argument) -> Any:
        """The answer to one command. Raises StoreUnavailable."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="store-reads")
        answer = await future
        if isinstance(answer, Refusal):
            raise StoreUnavailable(f"Redis refused: {answer.message}")
        return answer

    async def close(self) -> None:
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        batch: list[_Question] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                await self._serve([question for question in batch if not question[1].done()])
        finally:
            self._task = None
            _fail([*batch, *self._waiting], "the store stopped before it answered")
            self._waiting = []

    async def _serve(self, batch: list[_Question]) -> None:
        try:
            answers = await self._answers([command for command, _ in batch])
        except (WireDown, WireLost) as err:
            _fail(batch, str(err))
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _answers(self, commands: list[Command]) -> list[Any]:
        try:
            return await self._wire.exchange(commands, timeout_seconds=TIMEOUT_SECONDS)
        except WireLost:
            return await self._wire.exchange(commands, timeout_seconds=TIMEOUT_SECONDS)


def _fail(questions: list[_Question], why: str) -> None:
    for _, future in questions:
        if not future.done():
            future.set_exception(StoreUnavailable(why))
