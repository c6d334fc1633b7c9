"""Read a stretch of the past again; no cursor moves.

python examples/replay.py 10m deployments pods
"""

import asyncio
import sys

from broker.listen import Api, replay


async def main(since: str, resources: list[str]) -> None:
    async with Api.of_kubeconfig() as api:
        async for change in replay(api, resources, since=since):
            print(change.rv, change.time, change.actor, change.type, change.key)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
