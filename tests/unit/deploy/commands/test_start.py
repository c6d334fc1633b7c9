"""The command line is there at once: what a command needs is imported when it is called."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("aiohttp", "nats", "numpy", "orjson", "pydantic", "redis", "structlog", "yaml", "broker", "agents")


def test_nothing_heavy_is_imported_before_a_command_needs_it() -> None:
    program = f"import sys, deploy.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "[]\n"
