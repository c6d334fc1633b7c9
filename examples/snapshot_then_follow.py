"""Count ConfigMaps as they come and go: what exists, then what changes, without a gap.

    kubectl apply -f examples/inventory.yaml
    python examples/snapshot_then_follow.py inventory

It keeps no state of its own, so each start begins with a snapshot (`fresh`). So does it when its cursor was lost,
because it was away for longer than the stream remembers.
"""

import asyncio
import contextlib
import sys

from broker.listen import Cursor, CursorLost, follow, subscribe


async def count(cursor: Cursor) -> None:
    known = set()
    async for change in follow(cursor, fresh=True):
        if change.type == "DELETED":
            known.discard(change.key)
        else:
            known.add(change.key)
        print(change.rv, len(known), flush=True)
        await cursor.acknowledge(change)


async def main(name: str) -> None:
    async with subscribe(name) as cursor:
        while True:
            with contextlib.suppress(CursorLost):
                await count(cursor)


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(sys.argv[1]))
