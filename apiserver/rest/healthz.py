"""/livez, /readyz and /healthz, each whole or one check of it: `/readyz/redis`.

    /livez, /healthz    the process answers
    /readyz             reads and writes are answered too

Reasons are for the log and for /api/v1/componentstatuses: these paths are open to everybody.
"""

from __future__ import annotations

import structlog

from apiserver.rest.http import TEXT, Response
from apiserver.rest.request import Query
from apiserver.rest.virtual import Health

log = structlog.get_logger(__name__)

_PING = "ping"


class Healthz:
    """`serve` answers None for a path that is none of these."""

    def __init__(self, readiness: Health) -> None:
        self._readiness = readiness

    async def serve(self, path: str, query: Query) -> Response | None:
        group, _, check = path.strip("/").partition("/")
        if group not in ("livez", "readyz", "healthz"):
            return None
        checks = {_PING: ""}
        if group == "readyz":
            checks |= await self._readiness()
        if check:
            if check not in checks:
                return None
            checks = {check: checks[check]}
        excluded = query.all("exclude")
        return _answer(
            check or group, {k: v for k, v in checks.items() if k not in excluded}, verbose="verbose" in query
        )


def _answer(name: str, checks: dict[str, str], *, verbose: bool) -> Response:
    failed = {check: why for check, why in checks.items() if why}
    if failed:
        log.info("not healthy", checked=name, **failed)
    elif not verbose:
        return Response(b"ok", 200, TEXT)
    lines = [f"[-]{check} failed: reason withheld" if check in failed else f"[+]{check} ok" for check in checks]
    verdict = f"{name} check {'failed' if failed else 'passed'}"
    return Response("\n".join([*lines, verdict, ""]).encode(), 500 if failed else 200, TEXT)
