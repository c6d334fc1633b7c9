"""Small files that others read while they are written: whole or not at all, and secrets for their owner only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: bytes | str) -> None:
    """Readable by its owner only, from the first moment; a reader sees the old content or the new one."""
    data = content.encode() if isinstance(content, str) else content
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # 0600 by itself
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def private_directory(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
