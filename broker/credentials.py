"""Who may do what on the bus, decided by signed credentials that nats-server verifies by itself.

Three accounts, each a subject space of its own:

    SYSTEM      nats-server's own
    CONTROL     the stream and the API servers: they manage streams and consumers, and publish changes
    LISTENERS   everybody else: subscribers and agents

Listeners reach of CONTROL only what it exports: the next changes of a consumer, its acknowledgements, where the
stream begins and ends, and live subjects. A request that crosses accounts can have its answer delivered in the asker's
own account only, so no listener can make the server write into the stream, whatever reply subject it names. Within
LISTENERS each user may speak to its own consumer and hear its own inbox, nothing else; a node's kubelet also serves
`nodes.<node>.>`.

Credentials are JWTs that expire. They are verified offline: subscribers reconnect while every API server is down.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broker import subjects
from broker.nkeys import BadKey, KeyPair, claims_of

CONTROL, LISTENERS, SYSTEM = "CONTROL", "LISTENERS", "SYSTEM"
INBOX = "_INBOX"

_UNLIMITED = {
    "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1,
}  # fmt: skip
_JETSTREAM = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
_USER = {"type": "user", "subs": -1, "data": -1, "payload": -1}
_CONSUMER_API = "$JS.API.CONSUMER"
_STATE = "stream.state"

_EXPORTED_SERVICES: Sequence[tuple[str, str, str]] = (
    ("next", f"{_CONSUMER_API}.MSG.NEXT.{subjects.STREAM}.>", "Stream"),
    ("reset", f"{_CONSUMER_API}.RESET.{subjects.STREAM}.>", "Singleton"),
    ("acknowledge", f"$JS.ACK.{subjects.STREAM}.>", "Singleton"),
    ("state", _STATE, "Singleton"),
)
"""(name, subject, response type) of what CONTROL offers to LISTENERS."""
_NODES = "nodes.>"
_LISTENER = "listener"
EVERY_NODE = "*"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of the bus: its JWT, and the seed that proves it is its owner."""

    jwt: str
    seed: str

    def __repr__(self) -> str:
        return f"Credentials({self.name})"

    @property
    def name(self) -> str:
        return str(claims_of(self.jwt).get("name", ""))

    @property
    def listener(self) -> bool:
        """Whether this user is one of LISTENERS: it cannot ask JetStream for more than its own consumer."""
        return _LISTENER in claims_of(self.jwt)["nats"].get("tags", ())

    @property
    def inbox_prefix(self) -> str:
        """The only inboxes that this user may hear."""
        return f"{INBOX}_{claims_of(self.jwt)['sub']}"

    @property
    def expires_at(self) -> int:
        """Seconds since 1970; 0: never."""
        return int(claims_of(self.jwt).get("exp", 0))

    def sign(self, nonce: str) -> bytes:
        return base64.b64encode(KeyPair.from_seed(self.seed).sign(nonce.encode()))

    def text(self) -> str:
        """The form of a `.creds` file, as every NATS client reads it."""
        return (
            f"-----BEGIN NATS USER JWT-----\n{self.jwt}\n------END NATS USER JWT------\n\n"
            "************************* IMPORTANT *************************\n"
            "NKEY Seed printed below can be used to sign and prove identity.\n"
            "NKEYs are sensitive and should be treated as secrets.\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.seed}\n------END USER NKEY SEED------\n\n"
            "*************************************************************\n"
        )

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """Raises BadKey."""
        found = [
            lines[i + 1].strip()
            for lines in [text.splitlines()]
            for i, line in enumerate(lines[:-1])
            if line.startswith("-----BEGIN ")
        ]
        if len(found) != 2:
            raise BadKey("not a credentials file: want a JWT and a seed")
        KeyPair.from_seed(found[1])
        return cls(jwt=found[0], seed=found[1])


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys that vouch. The operator and the accounts stay the same for the life of a control plane."""

    operator: KeyPair
    system: KeyPair
    control: KeyPair
    listeners: KeyPair

    @classmethod
    def new(cls) -> Trust:
        return cls(KeyPair.new("operator"), *(KeyPair.new("account") for _ in range(3)))

    def seeds(self) -> dict[str, str]:
        """What must be kept, and kept secret. `from_seeds` makes the same trust of it again."""
        named = {"operator": self.operator, SYSTEM: self.system, CONTROL: self.control, LISTENERS: self.listeners}
        return {name: key.seed for name, key in named.items()}

    @classmethod
    def from_seeds(cls, seeds: Mapping[str, str]) -> Trust:
        """Raises BadKey, KeyError."""
        return cls(*(KeyPair.from_seed(seeds[name]) for name in ("operator", SYSTEM, CONTROL, LISTENERS)))

    def server_config(self) -> str:
        """What nats-server must be told to verify credentials: a part of its configuration file."""
        now = int(time.time())
        operator = self.operator.issue(
            self.operator.public,
            name="backbeat",
            claims={"type": "operator", "system_account": self.system.public},
            issued_at=now,
        )
        accounts = [
            (self.system, SYSTEM, {}),
            (self.control, CONTROL, self._control_claims()),
            (self.listeners, LISTENERS, self._listeners_claims()),
        ]
        preload = "\n".join(f"  {key.public}: {self._vouch(key, name, more, now)}" for key, name, more in accounts)
        return (
            f"operator: {operator}\nsystem_account: {self.system.public}\n"
            f"resolver: MEMORY\nresolver_preload: {{\n{preload}\n}}\n"
        )

    def _vouch(self, account: KeyPair, name: str, more: Mapping[str, Any], now: int) -> str:
        claims = {"type": "account", "limits": _UNLIMITED, **more}
        return self.operator.issue(account.public, name=name, claims=claims, issued_at=now)

    def _control_claims(self) -> dict[str, Any]:
        exports = [
            {"name": name, "subject": subject, "type": "service", "response_type": response}
            for name, subject, response in _EXPORTED_SERVICES
        ]
        live = {"name": "live", "subject": f"{subjects.LIVE}.>", "type": "stream"}
        nodes = {"name": "nodes", "subject": _NODES, "type": "service", "account": self.listeners.public}
        return {"limits": {**_UNLIMITED, **_JETSTREAM}, "exports": [*exports, live], "imports": [nodes]}

    def _listeners_claims(self) -> dict[str, Any]:
        imports = [
            {"name": name, "subject": subject, "type": "service", "account": self.control.public}
            for name, subject, _ in _EXPORTED_SERVICES
        ]
        live = {"name": "live", "subject": f"{subjects.LIVE}.>", "type": "stream", "account": self.control.public}
        nodes = {"name": "nodes", "subject": _NODES, "type": "service", "response_type": "Stream"}
        return {"imports": [*imports, live], "exports": [nodes]}


def for_api_server(control: KeyPair, *, name: str = "apiserver", lifetime_seconds: float = 0) -> Credentials:
    """May do everything in CONTROL."""
    user = KeyPair.new("user")
    return Credentials(_issue(control, user.public, name, [">"], [">"], lifetime_seconds, {}), user.seed)


def for_listener(
    listeners: KeyPair,
    *,
    name: str,
    consumer: str = "",
    node: str = "",
    live: Sequence[str] = (),
    lifetime_seconds: float,
    user: str = "",
) -> Credentials:
    """May read and acknowledge one consumer, serve the requests of one node, and hear live subjects; each where given.

    `live` are filters as `subjects.filter_for` makes them; `name` is shown in nats-server's logs and monitoring.
    `node` may be EVERY_NODE, for a process that stands for many. With the public key `user` of before, credentials are
    renewed: connections that are open keep their inboxes, and the seed stays with its owner.
    """
    made = None if user else KeyPair.new("user")
    public = made.public if made is not None else user
    publish = [_STATE]
    subscribe = [f"{INBOX}_{public}.>"]
    if consumer:
        publish += [
            *(f"{_CONSUMER_API}.{verb}.{subjects.STREAM}.{consumer}" for verb in ("MSG.NEXT", "RESET")),
            f"$JS.ACK.{subjects.STREAM}.{consumer}.>",
        ]
    if node:
        subscribe.append(f"nodes.{node if node == EVERY_NODE else subjects.encode(node)}.>")
    subscribe += [subjects.live(one) for one in live]
    claims: dict[str, Any] = {"tags": [_LISTENER]}
    if node:
        claims["resp"] = {"max": -1, "ttl": 0}
    jwt = _issue(listeners, public, name, publish, subscribe, lifetime_seconds, claims)
    return Credentials(jwt, made.seed if made is not None else "")


def _issue(
    account: KeyPair,
    user: str,
    name: str,
    publish: Sequence[str],
    subscribe: Sequence[str],
    lifetime_seconds: float,
    more: Mapping[str, Any],
) -> str:
    claims = {**_USER, "pub": {"allow": list(publish)}, "sub": {"allow": list(subscribe)}, **more}
    now = int(time.time())
    expires = int(now + lifetime_seconds) if lifetime_seconds else 0
    return account.issue(user, name=name, claims=claims, issued_at=now, expires_at=expires)
