"""Keep a set of processes running, and end them in order.

Order at the end: agents, API server, NATS, Redis; each tier begins when the one before it is gone. Whatever does not
end within its tier's grace is killed, so that the whole takes less than ten seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.child import Child
from deploy.plan import Spec, Tier

GRACE_SECONDS = {Tier.AGENT: 2.5, Tier.API: 3.5, Tier.BUS: 1.0, Tier.RECORD: 1.0}
"""Together 8 s. The API server gives requests in flight 3 s."""


class Supervisor:
    """`start`, then `stop`. A child that ends in between is started again."""

    def __init__(self, *, logs: Path, on_change: Callable[[Child], None]) -> None:
        self._logs = logs
        self._on_change = on_change
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self.children: list[Child] = []

    def start(self, specs: Sequence[Spec]) -> None:
        """All at once: each part waits for what it needs by itself."""
        for spec in specs:
            child = Child(spec, log=self._logs / f"{spec.name}.log", on_change=self._on_change)
            self.children.append(child)
            self._keeping[spec.name] = asyncio.create_task(child.keep(), name=f"keep-{spec.name}")

    async def wait_broken(self) -> None:
        """Returns never; raises what ended the keeping of a child, which is a bug."""
        ended, _ = await asyncio.wait(self._keeping.values(), return_when=asyncio.FIRST_EXCEPTION)
        for task in ended:
            task.result()
        await asyncio.Event().wait()

    async def stop_tier(self, tier: Tier) -> None:
        ending = [child for child in self.children if child.spec.tier is tier]
        await asyncio.gather(*(child.stop(grace_seconds=GRACE_SECONDS[tier]) for child in ending))
        await asyncio.gather(*(self._keeping[child.spec.name] for child in ending), return_exceptions=True)
