"""The entry of the API server's process."""

from __future__ import annotations

import uvloop

from apiserver.logs import configure
from apiserver.server import serve
from apiserver.settings import ServerSettings


def run(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when the port cannot be opened."""
    configure()
    uvloop.run(serve(settings))
