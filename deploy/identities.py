"""Who the user and the agents are: one token each, in the file that the API server reads.

Tokens stay the same across starts. Lines that somebody else put into the file are kept.
"""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.files import write_private

MASTERS = "system:masters"
NODES = "system:nodes"


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    """Of its kubeconfig."""
    user: str
    groups: tuple[str, ...] = ()


ADMIN = Identity("admin", "admin", (MASTERS,))
CONTROLLERS = Identity("controllers", "system:kube-controller-manager")
SCHEDULER = Identity("scheduler", "system:kube-scheduler")
FLEET = Identity("kubelets", "backbeat:sim-nodes", (NODES,))
"""Many simulated nodes in one process: not named after one node, so it may speak for all of them."""


def node(name: str) -> Identity:
    return Identity(f"kubelet-{name}", f"system:node:{name}", (NODES,))


def ensure_tokens(path: Path, identities: Iterable[Identity]) -> dict[str, str]:
    """Each user's token; a new one for who has none. The file is written only when something was added."""
    text = path.read_text() if path.exists() else ""
    tokens = {row[1].strip(): row[0].strip() for row in csv.reader(text.splitlines()) if _is_entry(row)}
    missing = [identity for identity in identities if identity.user not in tokens]
    if missing:
        tokens.update({identity.user: secrets.token_hex(24) for identity in missing})
        added = "".join(_line(identity, tokens[identity.user]) for identity in missing)
        write_private(path, (text if not text or text.endswith("\n") else text + "\n") + added)
    return tokens


def _is_entry(row: list[str]) -> bool:
    return len(row) >= 3 and not row[0].startswith("#")


def _line(identity: Identity, token: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([token, identity.user, identity.user, ",".join(identity.groups)])
    return out.getvalue()
