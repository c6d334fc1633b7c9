"""Where the library's log goes in a process that is somebody else's.

All of this package logs by structlog, which, where nobody configured it, writes to standard output: that belongs to the
program.
"""

from __future__ import annotations

import structlog


def yield_to_the_program() -> None:
    """Unless the program configured structlog: to Python's logging, under the name `broker`, which shows warnings on
    standard error and the rest to whoever asks for it."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
