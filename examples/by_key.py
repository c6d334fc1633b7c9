"""Keep a file for each ConfigMap: a handler per object, acknowledged when it is done.

    kubectl apply -f examples/inventory.yaml
    python examples/by_key.py inventory ./copies

One object is never handled twice at once, different ones are side by side. A handler that fails is called again; after
a crash, so are those that had not finished.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from broker.listen import Change, Key, by_key, subscribe


async def main(name: str, folder: Path) -> None:
    async def copy(key: Key, changes: Sequence[Change]) -> None:
        """All changes of one object since its last turn. Only what it is now counts here, so repeats do no harm."""
        now, file = changes[-1], folder / f"{key.namespace}.{key.name}.json"
        if now.type == "DELETED":
            file.unlink(missing_ok=True)
        else:
            file.write_text(json.dumps(now.object().get("data") or {}))
        print(now.rv, now.type, key, flush=True)

    async with subscribe(name) as cursor:
        await by_key(cursor, copy, workers=4)


copies = Path(sys.argv[2])
copies.mkdir(exist_ok=True)
with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main(sys.argv[1], copies))
