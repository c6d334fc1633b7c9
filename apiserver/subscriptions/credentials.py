"""POST subscriptions/NAME/credentials: what a NATS client needs to read one subscription, for a limited time.

The credentials can pull from and acknowledge the subscription's consumer, hear their own inbox, and hear live what the
subscription selects, nothing else. Those that a node's identity asks for also serve the requests of that node. Whoever
asks must be allowed to watch what the subscription selects, at this moment. nats-server verifies them by itself, so
they are good while every API server is down; renewing them (`spec.publicKey`) keeps the subscriber's key, whose seed
then never leaves it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from apiserver.api import fielderrors, status
from apiserver.api.kinds.subscription import DEFAULT_SECONDS, check_credentials
from apiserver.authn import User
from apiserver.subscriptions import spec
from apiserver.subscriptions.access import Access
from apiserver.subscriptions.spec import Wanted
from broker import consumer, subjects
from broker.connection import Connection
from broker.credentials import EVERY_NODE, Credentials, for_listener
from broker.errors import BusError, ConsumerMissing
from broker.nkeys import BadKey, KeyPair, check_public

log = structlog.get_logger(__name__)

Obj = dict[str, Any]

CONSUMER_SECONDS = 3.0
POLL_SECONDS = 0.02

_NODES, _NODE_PREFIX = "system:nodes", "system:node:"


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where listeners find NATS. `certificate_authority` is PEM, empty without TLS."""

    servers: tuple[str, ...]
    certificate_authority: str = ""


class CredentialDesk:
    """Signs credentials with the key of the listeners' account. Without that key it says that there are none."""

    def __init__(self, connection: Connection, account: KeyPair | None, address: BusAddress, access: Access) -> None:
        self._connection = connection
        self._account = account
        self._address = address
        self._access = access

    async def issue(self, subscription: Obj, request: Obj, user: User) -> Obj:
        """The answered SubscriptionCredentials, once the consumer is there or `CONSUMER_SECONDS` are over. Raises
        Forbidden, Invalid, Conflict, ServiceUnavailable."""
        name = subscription["metadata"]["name"]
        asked = request.get("spec") or {}
        errors = check_credentials(request) + _check_key(asked.get("publicKey") or "")
        if errors:
            raise fielderrors.invalid("SubscriptionCredentials", "broker.backbeat.dev", name, errors)
        wanted = spec.read(subscription)
        if wanted.deleted:
            raise status.conflict("subscriptions", "broker.backbeat.dev", name, "the subscription is being deleted")
        self._access.check(user, wanted.selection)
        _check_node(user, wanted)
        if self._account is None:
            raise status.ServiceUnavailable(
                "this control plane was started with a NATS that it has no signing key for: start the API server "
                "with --nats-listeners-seed-file, or connect with credentials that the owner of NATS gives you"
            )
        await self._await_consumer(wanted)
        seconds = asked.get("expirationSeconds") or DEFAULT_SECONDS
        made = for_listener(
            self._account,
            name=name,
            consumer=wanted.consumer,
            node=_node_of(user),
            live=wanted.selection.filters(),
            lifetime_seconds=seconds,
            user=asked.get("publicKey") or "",
        )
        told = {**self._status(made, wanted), **_as_selected(subscription["spec"])}
        return {**request, "metadata": {**(request.get("metadata") or {}), "name": name}, "status": told}

    async def _await_consumer(self, wanted: Wanted) -> None:
        """A client that is told of a consumer should find it: the keeper makes it soon after the Subscription."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CONSUMER_SECONDS
        while loop.time() < deadline:
            try:
                await consumer.find(self._connection, wanted.consumer)
            except ConsumerMissing:
                await asyncio.sleep(POLL_SECONDS)
            except BusError as err:
                log.info("credentials are given without a look at the consumer", reason=str(err))
                return
            else:
                return

    def _status(self, made: Credentials, wanted: Wanted) -> Obj:
        told: Obj = {
            "servers": list(self._address.servers),
            "jwt": made.jwt,
            "inboxPrefix": made.inbox_prefix,
            "stream": subjects.STREAM,
            "consumer": wanted.consumer,
            "filters": list(wanted.selection.filters()),
            "expirationTimestamp": datetime.fromtimestamp(made.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if made.seed:
            told["credentials"] = made.text()
        if self._address.certificate_authority:
            told["certificateAuthority"] = self._address.certificate_authority
        return told


def _as_selected(spec: Obj) -> Obj:
    """What the broker does not do for a subscriber, so that it need not read the Subscription."""
    told: Obj = {"startFrom": (spec.get("start") or {}).get("from") or "Now"}
    if spec.get("labelSelector"):
        told["labelSelector"] = spec["labelSelector"]
    return told


def _check_key(text: str) -> list[fielderrors.FieldError]:
    if not text:
        return []
    try:
        check_public(text, "user")
    except BadKey as err:
        return [fielderrors.invalid_value("spec.publicKey", text, f"must be the public key of a NATS user: {err}")]
    return []


def _check_node(user: User, wanted: Wanted) -> None:
    """A node may read what is meant for itself only, or it could acknowledge another kubelet's changes."""
    node = _node_of(user)
    if node not in ("", EVERY_NODE) and wanted.selection.node != node:
        raise status.Forbidden(
            f'subscriptions.broker.backbeat.dev "{wanted.name}" is forbidden: node "{node}" may only read its own',
            group="broker.backbeat.dev",
            kind="subscriptions",
            name=wanted.name,
        )


def _node_of(user: User) -> str:
    """The node that an identity stands for; a fleet of simulated nodes stands for all."""
    if _NODES not in user.groups:
        return ""
    return user.name.removeprefix(_NODE_PREFIX) if user.name.startswith(_NODE_PREFIX) else EVERY_NODE
