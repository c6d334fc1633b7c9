"""A password in a file of its own: made once, kept, and readable by its owner only."""

from __future__ import annotations

import secrets
from pathlib import Path

from deploy.errors import UserError
from deploy.files import write_private

BYTES = 32


def ensure(path: Path) -> str:
    """The password in the file, made now where there is none. Raises UserError."""
    try:
        found = path.read_text().strip()
    except FileNotFoundError:
        made = secrets.token_hex(BYTES)
        write_private(path, made + "\n")
        return made
    except (OSError, UnicodeDecodeError) as err:
        raise UserError(f"{path} cannot be read ({err}); remove it to have a new password made") from err
    if not found:
        raise UserError(f"{path} is empty; remove it to have a new password made")
    return found
