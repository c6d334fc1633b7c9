"""How an agent comes onto the bus: by a Subscription of its own, and credentials for it that are renewed in time.

    ensure the Subscription (REST) → ask for credentials → connect → renew at half of their life

The answer tells where NATS is, so an agent is configured with the API server alone. With `keep`, what was told is kept
in a file: then the next life of the process connects before any API server is up, as a kubelet must. The key is the
agent's own and is made here; the API server only signs for it.

An agent that is given a NATS URL uses that, with what stands in it, and only ensures its Subscription.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import structlog

from agents.client.resources import SUBSCRIPTIONS
from agents.client.rest import RestClient
from apiserver.api.status import AlreadyExists, Conflict, StatusError
from broker.connection import Connection
from broker.credentials import Credentials
from broker.grant import Grant
from broker.login import UrlLogin, trusting
from broker.nkeys import BadKey, KeyPair
from broker.selection import Selection

log = structlog.get_logger(__name__)

LIFETIME_SECONDS = 7 * 24 * 3600
"""As long as the API server signs for: how long an agent may be without one and still come back to the bus."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


class SubscriptionLogin:
    """A `broker.login.Login` for the consumer of one Subscription. `run` keeps it good until cancelled."""

    def __init__(self, rest: RestClient, *, name: str, keep: Path | None = None) -> None:
        self._rest = rest
        self._name = name
        self._selection: asyncio.Future[Selection | None] = asyncio.get_running_loop().create_future()
        self._keep = keep
        self._grant = _load(keep) if keep is not None else None
        self._key = KeyPair.from_seed(self._grant.seed) if self._grant is not None else KeyPair.new("user")
        self._known = asyncio.Event()
        if self._grant is not None:
            self._known.set()

    def join(self, selection: Selection | None) -> None:
        """What the Subscription selects; None: it is there, and is left as it is. Nothing is asked for before this was
        said."""
        if not self._selection.done():
            self._selection.set_result(selection)

    async def servers(self) -> Sequence[str]:
        """Waits until the API server has answered once, now or in an earlier life."""
        await self._known.wait()
        return self._granted().servers

    def credentials(self) -> Credentials:
        return self._granted().credentials

    def tls(self) -> ssl.SSLContext | None:
        authority = self._granted().certificate_authority
        return trusting(authority) if authority else None

    def _granted(self) -> Grant:
        if self._grant is None:
            raise BadKey("there are no credentials yet")
        return self._grant

    async def run(self) -> None:
        selection = await self._selection
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                if selection is not None:
                    await ensure_subscription(self._rest, self._name, selection)
                await self.renew()
            except StatusError as err:
                log.info("credentials wait for the API server", subscription=self._name, reason=str(err))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(self._granted().renew_in(time.time()))

    async def renew(self) -> None:
        """Once, now. Raises StatusError."""
        self._take(await self._ask())

    async def _ask(self) -> Grant:
        request = {
            "apiVersion": SUBSCRIPTIONS.api_version,
            "kind": "SubscriptionCredentials",
            "spec": {"expirationSeconds": LIFETIME_SECONDS, "publicKey": self._key.public},
        }
        now = time.time()
        answer = await self._rest.create(SUBSCRIPTIONS, request, name=self._name, subresource="credentials")
        return Grant.of_answer(answer, seed=self._key.seed, asked_at=now)

    def _take(self, grant: Grant) -> None:
        self._grant = grant
        if self._keep is not None:
            _save(self._keep, grant)
        self._known.set()


async def ensure_subscription(rest: RestClient, name: str, selection: Selection) -> None:
    """Create it, or bring it to this selection. Raises StatusError."""
    spec = {
        "resources": [
            {"group": one.group, "resource": one.resource, **({"name": one.name} if one.name else {})}
            for one in selection.resources
        ],
        **({"namespace": selection.namespace} if selection.namespace else {}),
        **({"node": selection.node} if selection.node else {}),
    }
    wanted = {
        "apiVersion": SUBSCRIPTIONS.api_version,
        "kind": SUBSCRIPTIONS.kind,
        "metadata": {"name": name},
        "spec": spec,
    }
    try:
        await rest.create(SUBSCRIPTIONS, wanted)
    except AlreadyExists:
        found = await rest.get(SUBSCRIPTIONS, name)
        changed = {**found, "spec": {**spec, "start": found["spec"]["start"]}}
        if changed["spec"] != found["spec"]:
            try:
                await rest.update(SUBSCRIPTIONS, changed)
            except Conflict:
                await ensure_subscription(rest, name, selection)


class UrlOnlyLogin(UrlLogin):
    """For a NATS that the agent is told of: its Subscription is ensured, and nothing else is asked for."""

    def __init__(self, url: str, rest: RestClient, *, name: str) -> None:
        super().__init__(url)
        self._rest = rest
        self._name = name
        self._selection: asyncio.Future[Selection] = asyncio.get_running_loop().create_future()

    def join(self, selection: Selection) -> None:
        if not self._selection.done():
            self._selection.set_result(selection)

    async def run(self) -> None:
        selection = await self._selection
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await ensure_subscription(self._rest, self._name, selection)
            except StatusError as err:
                log.info("a subscription waits for the API server", subscription=self._name, reason=str(err))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


AgentLogin = SubscriptionLogin | UrlOnlyLogin


@asynccontextmanager
async def bus(login: AgentLogin, *, name: str) -> AsyncIterator[Connection]:
    """A connection that is kept until the block ends. Neither NATS nor an API server has to be up yet."""
    connection = Connection(login, name=name)
    tasks = [
        asyncio.create_task(login.run(), name=f"login-{name}"),
        asyncio.create_task(connection.run(), name=f"connection-{name}"),
    ]
    try:
        yield connection
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _load(keep: Path) -> Grant | None:
    """What an earlier life was told; None when there is nothing, or nothing that is still good."""
    try:
        stored = json.loads(keep.read_text())
        grant = Grant(**{**stored, "servers": tuple(stored["servers"])})
        expires = grant.credentials.expires_at
        KeyPair.from_seed(grant.seed)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as err:
        log.warning("kept credentials cannot be read, new ones are asked for", file=str(keep), reason=str(err))
        return None
    return grant if expires > time.time() else None


def _save(keep: Path, grant: Grant) -> None:
    """Complete or not at all, and readable by its owner only."""
    scratch = keep.with_name(f".{keep.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(asdict(grant), out)
    scratch.replace(keep)
