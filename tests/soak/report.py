"""What is kept of a soak in which something did not hold: enough to judge it again without running it again.

seed.json        the seed and the options
faults.txt       what was done when
writes.jsonl     what each client asked for and was told, in the round that failed; reads.jsonl what it read
stream.jsonl     the stream, as far as it was not checked before
watcher-….jsonl  what each watcher saw since the last check; subscriber-….jsonl what each subscriber did
violations.txt   what does not hold
…                beside them: the logs and the disks of all processes
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.faults.history import History
from tests.soak.listeners import Listeners
from tests.soak.tape import Tape


def write(
    directory: Path,
    options: Mapping[str, Any],
    *,
    faults: Sequence[str],
    wrong: Sequence[str],
    history: History,
    tape: Tape,
    listeners: Listeners,
) -> None:
    (directory / "seed.json").write_bytes(orjson.dumps(options, default=str))
    (directory / "faults.txt").write_text("".join(f"{line}\n" for line in faults))
    (directory / "violations.txt").write_text("".join(f"{line}\n" for line in wrong))
    _lines(directory / "writes.jsonl", history.writes)
    _lines(directory / "reads.jsonl", history.reads)
    _lines(directory / "stream.jsonl", tape.messages())
    for number, watching in enumerate(listeners.watchings):
        frames = ({"number": rv, "frame": frame} for rv, frame in watching.frames)
        _lines(directory / f"watcher-{number}.jsonl", frames)
    for subscribing in listeners.subscribings:
        _lines(directory / f"subscriber-{subscribing.name}.jsonl", subscribing.told)


def _lines(path: Path, items: Iterable[Any]) -> None:
    with path.open("wb") as out:
        for item in items:
            out.write(orjson.dumps(item, default=_plain, option=orjson.OPT_PASSTHROUGH_DATACLASS) + b"\n")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if is_dataclass(value) and not isinstance(value, type):
        return {"what": type(value).__name__, **asdict(value)}
    return str(value)
