"""Go on behind what was kept on disk, once the broker has confirmed that it is of this stream.

The copy is the state after one change. The broker is asked for that change and for all behind it; when it is the one
that the copy remembers, copy and stream are one. (Numbers alone do not tell: a control plane that was restored from a
backup gives out numbers again that a copy has seen.)

    cursor ahead of the copy    the cursor is moved back before that change: what lies between was done, and is learned
    copy ahead of the cursor    what lies between was not done, and comes first
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import structlog

from agents.client.kept import KeptState, mark_of
from broker.change import Change
from broker.errors import ApiError
from broker.subscriber import Subscriber

log = structlog.get_logger(__name__)

MOST_AGAIN = 20_000
"""Changes that are read again at most. Then LISTs are cheaper."""
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Tail:
    """`heard`: the changes up to the one that was confirmed; `changes` goes on behind it."""

    heard: Sequence[Change]
    changes: AsyncGenerator[Change, None]


async def rejoin(subscriber: Subscriber, state: KeptState, cursor: int) -> Tail | None:
    """None: the copy is of no use. Raises BusError, CursorLost."""
    stream = await subscriber.stream_state()
    begin = min(cursor, state.rv - 1)
    if stream is None or begin + 1 < stream.first or state.rv > stream.last or cursor - state.rv > MOST_AGAIN:
        log.info("what was kept is too far away", kept=state.rv, cursor=cursor)
        return None
    if begin < cursor:
        try:
            await subscriber.begin(begin)
        except ApiError as err:
            log.info("the cursor can't be moved back to what was kept", kept=state.rv, reason=str(err))
            return None
    changes = subscriber.changes()
    heard = await _up_to(changes, state.rv)
    if _confirms(heard, state, alone=begin < cursor):
        return Tail(heard, changes)
    log.warning("what was kept is not of this stream", kept=state.rv)
    await changes.aclose()
    return None


async def _up_to(changes: AsyncGenerator[Change, None], rv: int) -> Sequence[Change]:
    heard: list[Change] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for change in changes:
                heard.append(change)
                if change.rv >= rv:
                    break
    except TimeoutError:
        log.info("the change that was kept last does not come", kept=rv)
    return heard


def _confirms(heard: Sequence[Change], state: KeptState, *, alone: bool) -> bool:
    """`alone`: it was to come first. Another one before it says that somebody moved the cursor meanwhile."""
    if not heard or (alone and len(heard) > 1):
        return False
    last = heard[-1]
    return last.rv == state.rv and mark_of(last.subject, last.body) == state.mark
