"""The keys of a control plane's NATS: made once, kept in the data-dir, and the files that others read off them.

nats-trust.json              every key; whoever reads it can sign for anybody
nats-apiserver.creds         the API server's own credentials
nats-listeners.seed          what the API server signs subscribers' credentials with
"""

from __future__ import annotations

import json
from pathlib import Path

from broker.credentials import Trust, for_api_server
from broker.nkeys import BadKey
from deploy.datadir import DataDir
from deploy.errors import UserError
from deploy.files import write_private


def ensure(data: DataDir) -> Trust:
    """The trust of this data-dir, made now where there is none; its files are written. Raises UserError."""
    trust = _load(data.nats_trust)
    if trust is None:
        trust = Trust.new()
        write_private(data.nats_trust, json.dumps(trust.seeds(), indent=2) + "\n")
    write_private(data.nats_credentials, for_api_server(trust.control).text())
    write_private(data.nats_listeners_seed, trust.listeners.seed + "\n")
    return trust


def _load(path: Path) -> Trust | None:
    try:
        return Trust.from_seeds(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, AttributeError, BadKey) as err:
        raise UserError(
            f"{path} cannot be understood ({err}); remove it to have new keys made: subscribers then ask for new "
            "credentials"
        ) from err
