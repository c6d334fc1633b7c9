"""The command: `python -m tests.soak --seconds 600 --seed 7`. Exit code 0: all held; 1: not; 130: interrupted."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import structlog

from tests.soak.rounds import Options, soak

EXIT_VIOLATED = 1
EXIT_INTERRUPTED = 130


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description="Random faults under load, and whether everything held.")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long faults go on; default 120")
    parser.add_argument("--seed", type=int, help="repeats a schedule of faults and the choices of the load")
    parser.add_argument("--directory", type=Path, help="for everything on disk, kept in any case; must be empty")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1_000_000)
    directory = given.directory or Path(tempfile.mkdtemp(prefix=f"backbeat-soak-{seed}-"))
    directory.mkdir(parents=True, exist_ok=True)
    say(f"seed {seed}, {given.seconds:g} s; repeat it with: make soak SECONDS={given.seconds:g} SEED={seed}")
    _log_to(directory / "soak.log")
    code = asyncio.run(_until_signalled(Options(given.seconds, seed, directory)))
    if code == EXIT_VIOLATED:
        say(f"seed {seed}; the history, the logs and the disks are in {directory}")
    elif given.directory is None:
        shutil.rmtree(directory)
    return code


def _log_to(path: Path) -> None:
    """What the library tells of the subscribers that live in this process."""
    processors: list[Any] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(processors=processors, logger_factory=structlog.WriteLoggerFactory(path.open("w")))


async def _until_signalled(options: Options) -> int:
    task = asyncio.create_task(soak(options, say), name="soak")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        held = await task
    except asyncio.CancelledError:
        say("interrupted; everything held as far as it was judged")
        return EXIT_INTERRUPTED
    say("everything held" if held else "NOT everything held")
    return 0 if held else EXIT_VIOLATED


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
