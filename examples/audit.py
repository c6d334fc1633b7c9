"""Every change of a Subscription, in order: who did what to which object.

kubectl apply -f examples/subscription.yaml
python examples/audit.py audit-trail
"""

import asyncio
import contextlib
import sys

from broker.listen import listen, subscribe


async def main(name: str) -> None:
    async with subscribe(name) as cursor:
        async for change in listen(cursor):
            print(change.rv, change.time, change.actor, change.type, change.key, flush=True)
            await cursor.acknowledge(change)  # once this returned True, the change never comes again


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(sys.argv[1]))
