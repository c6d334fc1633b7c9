"""What a control plane keeps across its starts, in `<data-dir>/settings.json`: its name and ports."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from deploy.errors import UserError
from deploy.files import write_private


@dataclass(frozen=True, slots=True)
class Remembered:
    id: str
    """Tells this control plane from others: its agents stand for election under it."""
    port: int = 0
    """The port that was picked for `--port 0`; 0: none yet."""
    nats_port: int = 0

    def with_ports(self, *, port: int, nats_port: int) -> Remembered:
        return replace(self, port=port, nats_port=nats_port)


def fresh() -> Remembered:
    return Remembered(secrets.token_hex(4))


def load(path: Path) -> Remembered:
    """New ones where there is no file. Raises UserError."""
    try:
        stored = json.loads(path.read_bytes())
        known = {field.name: field.type for field in fields(Remembered)}
        found = Remembered(**{name: value for name, value in stored.items() if name in known})
        _check(found)
    except FileNotFoundError:
        return fresh()
    except (ValueError, TypeError, AttributeError) as err:
        raise UserError(f"{path} cannot be understood ({err}); remove it to have a new one made") from err
    return found


def _check(found: Remembered) -> None:
    if not isinstance(found.id, str) or not found.id.isalnum():
        raise ValueError("id must be letters and digits")
    for name in ("port", "nats_port"):
        value = getattr(found, name)
        if not isinstance(value, int) or not 0 <= value <= 65535:
            raise ValueError(f"{name} must be a port")


def save(path: Path, remembered: Remembered) -> None:
    write_private(path, json.dumps(asdict(remembered), indent=2) + "\n")
